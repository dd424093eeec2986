"""`smtp://` and `smtps://`: mail through a server, with TLS wherever it is offered.

    smtp://[user:password@]host[:port][?from=Name <address>]       STARTTLS when the server offers it
    smtps://[user:password@]host[:port][?from=Name <address>]      TLS from the first byte
    …&tls=required                                                 no mail without TLS, whatever the server says

User and password are percent-encoded; a password goes over TLS or to this machine only. The port is 25 if none is
given, with a user 587, for smtps 465.
Everything before the mail itself (connection, greeting, TLS, login) says nothing about it and is a `MailOutage`; what
the server then answers is read in `smtp_replies.py`. Each step waits as long as RFC 5321 asks, since a server may have
taken a mail long before it says so; a connection lost after DATA is `Unknown`. The Message-ID comes from the key, so
that a mailbox can tell a mail sent twice, and so does the envelope's id where the server offers delivery notices
(RFC 3461).
"""

import re
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.policy import SMTP as WIRE
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from workers.adapters.mail_address import needs_smtputf8
from workers.adapters.mailer import Mail, MailOutage, digest, message, recipient
from workers.adapters.mailers.smtp_delivery import Patience, SmtpEnvelope, address, asked, hand_over, wait
from workers.adapters.mailers.smtp_outage import MemoryOfOutage
from workers.adapters.mailers.smtp_replies import must_be_taken
from workers.base.masking import hidden, learn, mask
from workers.base.progress import moved

ASKED_SECONDS = 300.0
"""What a server can do is asked again after so long, and after so long when it did not answer:"""

SILENT_SECONDS = 60.0
COMMAND_SECONDS = 2.0
"""A command of a customer waits for each answer of the server no longer than this."""

CHECK_SECONDS = 15.0
"""The start and `tenure doctor` wait so long: nothing is lost if they give up early."""

GOODBYE_SECONDS = 5.0

SENDER = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,189}")
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

BY_THE_STANDARD = Patience()


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
    query = parse_qs(parts.query, keep_blank_values=True)
    usual = 465 if parts.scheme == "smtps" else 587 if parts.username else 25
    return Smtp(
        host=parts.hostname,
        port=parts.port or usual,
        sender=_sender(parts, query),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        implicit_tls=parts.scheme == "smtps",
        must_be_secure=_must_be_secure(query),
    )


def _must_be_secure(query: dict[str, list[str]]) -> bool:
    asked = query.get("tls", ["offered"])[-1]
    if asked not in {"offered", "required"}:
        raise ValueError("has tls= with another word than required or offered")
    return asked == "required"


def _sender(parts: SplitResult, query: dict[str, list[str]]) -> str:
    sender = query.get("from", [f"no-reply@{parts.hostname}"])[-1]
    if query.keys() - {"from", "tls"}:
        raise ValueError("has a query with more than from= and tls=")
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
    must_be_secure: bool = False
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    patience: Patience = BY_THE_STANDARD
    outage: MemoryOfOutage = field(default_factory=MemoryOfOutage, repr=False, compare=False)
    known: dict[str, float] = field(default_factory=lambda: {"until": 0.0, "takes": True}, repr=False, compare=False)

    def send(self, mail: Mail) -> None:
        """Hand the mail to the server; done when the server has said that it has it."""
        to = recipient(mail)
        built = message(mail, self.sender)
        raw = built.as_bytes(policy=WIRE.clone(utf8=needs_smtputf8(to)))
        with self.outage.one_at_a_time(), self._conversation() as server:
            self.outage.is_over()
            address(server, SmtpEnvelope(parseaddr(self.sender)[1], to, digest(mail.key)))
            hand_over(server, raw, self.patience)

    def takes_unicode(self) -> bool:
        """Whether the server said SMTPUTF8 when it was last asked, some minutes ago at most."""
        if time.monotonic() >= self.known["until"]:
            self._ask_what_it_takes()
        return bool(self.known["takes"])

    def writable(self) -> None:
        """Greet, secure, log in, and leave."""
        with self._beside(CHECK_SECONDS)._conversation() as server:  # noqa: SLF001 - its own
            must_be_taken("NOOP", *asked(server.noop))

    def _ask_what_it_takes(self) -> None:
        """A server that does not answer may be able to."""
        self.known["until"] = time.monotonic() + SILENT_SECONDS
        self.known["takes"] = True
        with suppress(MailOutage), self._beside(COMMAND_SECONDS)._conversation() as server:  # noqa: SLF001 - its own
            self.known["takes"] = server.has_extn("smtputf8")
            self.known["until"] = time.monotonic() + ASKED_SECONDS

    def _beside(self, seconds: float) -> "Smtp":
        """The same server asked with less patience; that it is slow then says nothing to the letters."""
        return replace(self, patience=Patience(seconds, seconds, seconds), outage=MemoryOfOutage())

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
            wait(server, GOODBYE_SECONDS)
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        seconds = self.patience.command
        if self.implicit_tls:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=seconds, context=self.tls or _trusted())
        return smtplib.SMTP(self.host, self.port, timeout=seconds)

    def _introduce(self, server: smtplib.SMTP) -> None:
        moved()
        try:
            self._secure(server)
            if self.user:
                server.login(self.user, self.password)
        except (OSError, smtplib.SMTPException) as wrong:
            server.close()
            raise self._out_of_reach(wrong) from wrong

    def _secure(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if self.implicit_tls:
            return
        if server.has_extn("starttls"):
            server.starttls(context=self.tls or _trusted())
            server.ehlo()
        elif self.must_be_secure:
            raise smtplib.SMTPNotSupportedError("TLS is required and it offers none; use a server with STARTTLS")
        elif self.user and self.host not in THIS_MACHINE:
            raise smtplib.SMTPNotSupportedError("the password would go over the wire in clear; use smtps://")

    def _out_of_reach(self, wrong: Exception) -> MailOutage:
        what = f"the mail server {self.host}:{self.port} is of no use now ({wrong}): check TENURE_MAIL_URL"
        self.outage.began(what)
        return MailOutage(what)


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that this machine trusts, read once: it takes a while."""
    return ssl.create_default_context()
