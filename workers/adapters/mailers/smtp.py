"""`smtp://` and `smtps://`: mail through a server, with TLS wherever it is offered.

    smtp://[user:password@]host[:port][?from=Name <address>]       STARTTLS when the server offers it
    smtps://[user:password@]host[:port][?from=Name <address>]      TLS from the first byte

User and password are percent-encoded; a password goes over TLS or to this machine only. The port is 25 if none is
given, with a user 587, for smtps 465.
What the server says about the mail itself decides: 4xx `Temporary`, 5xx `Permanent`. Everything before (connection,
greeting, TLS, login) says nothing about the mail and is `Temporary`; a connection lost after DATA is `Unknown`, because
the server may have taken the mail. The Message-ID comes from the key, so that a mailbox can tell a mail sent twice.
"""

import re
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.policy import SMTP as WIRE
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from workers.adapters.mail_address import needs_smtputf8
from workers.adapters.mailer import Mail, message, recipient
from workers.base.errors import Permanent, Temporary, Unknown
from workers.base.masking import hidden, learn, mask

TIMEOUT_SECONDS = 15.0
"""For each step of the conversation."""

ASKED_SECONDS = 300.0
"""What a server can do is asked again after so long, and after so long when it did not answer:"""

SILENT_SECONDS = 60.0
PATIENCE_SECONDS = 2.0
"""A command waits for the server's greeting no longer than this."""

SENDER = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,189}")
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
OK, OK_FORWARDED, PERMANENT = 250, 251, 500


def opened(url: str, data_dir: Path) -> "Smtp":  # noqa: ARG001 - every mailer is opened alike
    """The server that a URL names; nobody is called before the first use. `ValueError` says what is wrong with it."""
    learn([url])
    try:
        return _read(url)
    except ValueError as wrong:
        example = "smtps://user:password@host:port?from=address"
        raise ValueError(f"TENURE_MAIL_URL={mask(url)!r} {hidden(str(wrong))}: set it to {example}") from None


def _read(url: str) -> "Smtp":
    parts = urlsplit(url)
    if not parts.hostname or parts.path not in {"", "/"} or parts.port == 0:
        raise ValueError("names no mail server")
    usual = 465 if parts.scheme == "smtps" else 587 if parts.username else 25
    return Smtp(
        host=parts.hostname,
        port=parts.port or usual,
        sender=_sender(parts),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        implicit_tls=parts.scheme == "smtps",
    )


def _sender(parts: SplitResult) -> str:
    query = parse_qs(parts.query)
    sender = query.pop("from", [f"no-reply@{parts.hostname}"])[-1]
    if query:
        raise ValueError("has a query with more than from=")
    if not sender.isprintable() or not SENDER.fullmatch(parseaddr(sender)[1]):
        raise ValueError("names no sender's address")
    return sender


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mailer that speaks to a server, one connection per mail; `tls` is what this machine trusts unless given."""

    host: str
    port: int
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    implicit_tls: bool = False
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    timeout: float = TIMEOUT_SECONDS
    known: dict[str, float] = field(default_factory=lambda: {"until": 0.0, "takes": True}, repr=False, compare=False)

    def send(self, mail: Mail) -> None:
        """Hand the mail to the server; done when the server has said that it has it."""
        to = recipient(mail)
        built = message(mail, self.sender)
        raw = built.as_bytes(policy=WIRE.clone(utf8=needs_smtputf8(to)))
        with self._conversation() as server:
            _address(server, parseaddr(self.sender)[1], to)
            _hand_over(server, raw)

    def takes_unicode(self) -> bool:
        """Whether the server said SMTPUTF8 when it was last asked, some minutes ago at most."""
        if time.monotonic() >= self.known["until"]:
            self._ask_what_it_takes()
        return bool(self.known["takes"])

    def writable(self) -> None:
        """Greet, secure, log in, and leave."""
        with self._conversation() as server:
            _settled("NOOP", *_asked(server.noop))

    def _ask_what_it_takes(self) -> None:
        """A server that does not answer may be able to."""
        self.known["until"] = time.monotonic() + SILENT_SECONDS
        self.known["takes"] = True
        with suppress(Temporary), replace(self, timeout=PATIENCE_SECONDS)._conversation() as server:  # noqa: SLF001 - its own
            self.known["takes"] = server.has_extn("smtputf8")
            self.known["until"] = time.monotonic() + ASKED_SECONDS

    @contextmanager
    def _conversation(self) -> Iterator[smtplib.SMTP]:
        """A connection that is ready for mail; how it ends is of no interest, the mail has been answered by then."""
        try:
            server = self._connect()
        except (OSError, smtplib.SMTPException) as wrong:
            raise self._out_of_reach(wrong) from wrong
        try:
            self._introduce(server)
            yield server
        finally:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _connect(self) -> smtplib.SMTP:
        if self.implicit_tls:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=self.tls or _trusted())
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout)

    def _introduce(self, server: smtplib.SMTP) -> None:
        try:
            self._secure(server)
            if self.user:
                server.login(self.user, self.password)
        except (OSError, smtplib.SMTPException) as wrong:
            raise self._out_of_reach(wrong) from wrong

    def _secure(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if self.implicit_tls:
            return
        if server.has_extn("starttls"):
            server.starttls(context=self.tls or _trusted())
            server.ehlo()
        elif self.user and self.host not in THIS_MACHINE:
            raise smtplib.SMTPNotSupportedError("the password would go over the wire in clear; use smtps://")

    def _out_of_reach(self, wrong: Exception) -> Temporary:
        return Temporary(f"the mail server {self.host}:{self.port} is of no use now ({wrong}): check TENURE_MAIL_URL")


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts, read once: it takes a while."""
    return ssl.create_default_context()


def _address(server: smtplib.SMTP, sender: str, to: str) -> None:
    options = ("SMTPUTF8",) if needs_smtputf8(to) else ()
    if options and not server.has_extn("smtputf8"):
        raise Permanent(f"{to!r} needs a mail server with SMTPUTF8, which this one lacks: give another address")
    _settled("MAIL", *_asked(server.mail, sender, options))
    _settled("RCPT", *_asked(server.rcpt, to))


def _hand_over(server: smtplib.SMTP, raw: bytes) -> None:
    """Send the mail itself. From here on silence is no answer."""
    try:
        answered = server.data(raw)
    except smtplib.SMTPDataError as refused:
        _settled("DATA", refused.smtp_code, refused.smtp_error)
    except OSError as lost:
        raise Unknown(f"the connection was lost while the mail was handed over ({lost}): it may have arrived") from lost
    else:
        _settled("DATA", *answered)


def _asked(call: Callable[..., tuple[int, bytes]], *args: object) -> tuple[int, bytes]:
    try:
        return call(*args)
    except OSError as lost:
        raise Temporary(f"the connection was lost before the mail was handed over ({lost})") from lost


def _settled(step: str, code: int, reply: bytes | str) -> None:
    """Return if the server took this step, else raise what its code means."""
    if code in {OK, OK_FORWARDED}:
        return
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    said = f"the mail server answered {step} with {code} {text[:200]!r}"
    if code >= PERMANENT:
        raise Permanent(f"{said}: it will not take this mail")
    raise Temporary(said)
