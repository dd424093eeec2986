"""A small mail server for tests, whose every reply can be replaced, delayed or left out."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import ClassVar

ANYBODY = "AECDH-AES256-SHA:ADH-AES256-SHA:@SECLEVEL=0"
"""TLS without certificates, so that none has to be kept in the tests."""


class Server(socketserver.ThreadingTCPServer):
    """A mail server on a free port. `says` replaces replies by step, `drops_at` names the step where it hangs up.

    `waits` has the seconds before a reply, by step; a test that is over wakes whoever waits.
    """

    def __init__(self, *, implicit_tls: bool = False) -> None:
        self.mails: list[EmailMessage] = []
        self.heard: list[str] = []
        self.offers: list[str] = []
        self.says: dict[str, str] = {}
        self.drops_at = ""
        self.waits: dict[str, float] = {}
        self.implicit_tls = implicit_tls
        self.leaving = threading.Event()
        super().__init__(("127.0.0.1", 0), Conversation)

    def reply(self, step: str, usual: str) -> bytes:
        self.leaving.wait(self.waits.get(step, 0.0))
        if self.drops_at == step:
            raise ConnectionAbortedError
        return f"{self.says.get(step, usual)}\r\n".encode()


class Conversation(socketserver.StreamRequestHandler):
    """One connection, as far as a client of ours goes."""

    server: Server
    usual: ClassVar = {
        "MAIL": "250 ok",
        "RCPT": "250 ok",
        "DATA": "354 go on",
        "NOOP": "250 ok",
        "AUTH": "235 in",
        "RSET": "250",
    }

    def handle(self) -> None:
        try:
            if self.server.implicit_tls:
                self.secure()
            self.wfile.write(self.server.reply("HELLO", "220 here"))
            while (line := self.rfile.readline()) and self.answer(line.decode().strip()):
                pass
        except OSError:
            return

    def secure(self) -> None:
        self.request = tls(ssl.PROTOCOL_TLS_SERVER).wrap_socket(self.request, server_side=True)
        self.setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def answer(self, line: str) -> bool:
        step = line.split(" ", 1)[0].upper()
        self.server.heard.append(line)
        if step == "EHLO":
            offers = ["here", *self.server.offers]
            self.wfile.write("".join(f"250-{offer}\r\n" for offer in offers).encode() + b"250 SIZE 1000\r\n")
        elif step == "QUIT":
            self.wfile.write(self.server.reply("QUIT", "221 bye"))
        elif step == "STARTTLS":
            self.wfile.write(self.server.reply(step, "220 go on"))
            self.secure()
        else:
            self.wfile.write(self.server.reply(step, self.usual.get(step, "500 what")))
            if step == "DATA" and "DATA" not in self.server.says:
                self.take()
        return step != "QUIT"

    def take(self) -> None:
        raw = b"".join(line.removeprefix(b".") for line in iter(self.line_of_mail, b".\r\n"))
        reply = self.server.reply("BODY", "250 taken")
        if reply.startswith(b"250"):
            self.server.mails.append(parsed(raw))
        self.wfile.write(self.server.reply("AFTER", reply.decode().strip()))

    def line_of_mail(self) -> bytes:
        line = self.rfile.readline()
        if not line:
            raise ConnectionAbortedError
        return line


def tls(side: int) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ANYBODY)
    return context


def parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=default)


def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.leaving.set()
    server.shutdown()
    thread.join()
    server.server_close()
