"""One mail over a connection that is ready: envelope, DATA, the mail itself, each step as patient as RFC 5321 asks."""

import re
import smtplib
from collections.abc import Callable
from dataclasses import dataclass

from workers.adapters.mail_address import needs_smtputf8
from workers.adapters.mailer import MailOutage
from workers.adapters.mailers.smtp_replies import REFUSED, must_be_taken
from workers.base.errors import Permanent, Unknown
from workers.base.progress import moved

GO_ON = 354
PERIOD = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds an answer is awaited (RFC 5321, 4.5.3.2): to a command, to DATA, to the mail itself."""

    command: float = 300.0
    data: float = 120.0
    body: float = 600.0


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """Who sends to whom, and the name under which the server speaks of it in a delivery notice."""

    sender: str
    to: str
    name: str

    def of_mail(self, server: smtplib.SMTP) -> list[str]:
        """The options of MAIL."""
        notices = ["RET=HDRS", f"ENVID={self.name}"] if server.has_extn("dsn") else []
        return [*(["SMTPUTF8"] if needs_smtputf8(self.to) else []), *notices]

    def of_recipient(self, server: smtplib.SMTP) -> list[str]:
        """The options of RCPT."""
        return ["NOTIFY=FAILURE,DELAY"] if server.has_extn("dsn") else []


def address(server: smtplib.SMTP, envelope: SmtpEnvelope) -> None:
    """Say who sends to whom. Raises what the server's refusal means."""
    to = envelope.to
    if needs_smtputf8(to) and not server.has_extn("smtputf8"):
        raise Permanent(f"{to!r} needs a mail server with SMTPUTF8, which this one lacks: give another address")
    must_be_taken("MAIL", *asked(server.mail, envelope.sender, envelope.of_mail(server)))
    must_be_taken("RCPT", *asked(server.rcpt, to, envelope.of_recipient(server)))


def hand_over(server: smtplib.SMTP, raw: bytes, patience: Patience) -> None:
    """Send the mail itself. Once it is on its way, silence is no answer."""
    wait(server, patience.data)
    code, reply = asked(server.docmd, "DATA")
    if code != GO_ON:
        must_be_taken("DATA", max(code, REFUSED), reply)
    wait(server, patience.body)
    try:
        server.send(PERIOD.sub(b"..", raw) + (b".\r\n" if raw.endswith(b"\r\n") else b"\r\n.\r\n"))
        moved()
        answered = server.getreply()
    except OSError as lost:
        raise Unknown(f"the connection was lost while the mail was handed over ({lost}): it may have arrived") from lost
    must_be_taken("BODY", *answered)


def asked(call: Callable[..., tuple[int, bytes]], *args: object) -> tuple[int, bytes]:
    """The server's answer to a command before the mail itself; a lost connection is a `MailOutage`."""
    try:
        answered = call(*args)
    except OSError as lost:
        raise MailOutage(f"the connection was lost before the mail was handed over ({lost})") from lost
    moved()
    return answered


def wait(server: smtplib.SMTP, seconds: float) -> None:
    """For each answer from here on."""
    if server.sock is not None:
        server.sock.settimeout(seconds)
