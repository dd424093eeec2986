"""Mail: what any way of sending must do for the engine, how a message is built, and the way that is set."""

from dataclasses import dataclass
from datetime import datetime
from email import message_from_string
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Protocol

from engine.printable import escaped
from workers.adapters.mail_address import ENCODED_WORD, needs_smtputf8, normal
from workers.base.errors import Outage, Permanent
from workers.base.masking import mask

IMPLEMENTATIONS = {
    "file": "workers.adapters.mailers.folder",
    "smtp": "workers.adapters.mailers.smtp",
    "smtps": "workers.adapters.mailers.smtp",
}
"""The module of each scheme, loaded when it is chosen."""

LONGEST_LINE = 998
"""RFC 5322; a longer line is encoded."""


class MailOutage(Outage):
    """No letter can be sent now: the mail server is away, refuses the login, or will not relay."""

    alarm_code = "mail.outage"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address, named by its key. `at` is the engine's time, aware UTC."""

    key: str
    to: str
    subject: str
    body: str
    at: datetime
    html: str | None = None
    """The same words as a page, for readers that show one."""


class Mailer(Protocol):
    """A way to send mail. `tests/adapters/test_mailers.py` holds the contract for all of them."""

    def send(self, mail: Mail) -> None:
        """Send it; again with the same key it is the same mail, and the first one stands.

        Raises `Permanent` only if the mailbox or the content is refused, `Temporary` if this mail was not sent now,
        `MailOutage` if no mail can be sent, and `Unknown` if nobody can tell: to send it again is the only way to know,
        and the reader may then see the same Message-ID twice.
        """
        ...

    def takes_unicode(self) -> bool:
        """Whether a local part beyond ASCII can be sent to; True when that can't be found out now."""
        ...

    def writable(self) -> None:
        """Raise `Permanent` or `Temporary` with the remedy if mail can't be sent."""
        ...


def open_mailer(url: str, data_dir: Path) -> Mailer:
    """The mailer that a URL chooses. `ValueError` names the setting and the remedy."""
    module = IMPLEMENTATIONS.get(url.partition(":")[0])
    if module is None:
        known = ", ".join(f"{scheme}:" for scheme in IMPLEMENTATIONS)
        raise ValueError(f"TENURE_MAIL_URL={mask(url)!r} is no known way to send mail: set it to one of {known}")
    opened: Mailer = import_module(module).opened(url, data_dir)
    return opened


def message(mail: Mail, sender: str) -> EmailMessage:
    """The message as it goes out. `Permanent` for a value that would forge a header or another recipient."""
    to = recipient(mail)
    local, _, domain = to.rpartition("@")
    built = EmailMessage(policy=default.clone(utf8=needs_smtputf8(to)))
    built["From"] = sender
    built["To"] = Address(username=local, domain=domain)
    built["Subject"] = mail.subject.replace(ENCODED_WORD, "= ?")  # what looks encoded would be decoded by its reader
    built["Date"] = format_datetime(mail.at)
    built["Message-ID"] = f"<{digest(mail.key)}@{sender.rpartition('@')[2].rstrip('>')}>"
    built["Auto-Submitted"] = "auto-generated"
    built["X-Tenure-Key"] = mail.key
    built.set_content(mail.body, cte=_encoding(mail.body))
    if mail.html is not None:
        built.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    _must_reach_one(bytes(built), to)
    return built


def recipient(mail: Mail) -> str:
    """The one mailbox that a mail goes to, as the door would take it today. `Permanent` for what is none."""
    _must_be_one_line(mail)
    try:
        return normal(mail.to)
    except ValueError as wrong:
        what = f"{_shown(mail.to)} is not one mail address: correct it with site.update_contact"
        raise Permanent(f"{what} ({escaped(str(wrong))})") from None


def _must_reach_one(raw: bytes, to: str) -> None:
    """Read the mail as its reader will: one recipient, and nobody besides."""
    read = message_from_string(raw.decode(), policy=default)
    found = [
        one.addr_spec for name in ("To", "Cc", "Bcc") for header in read.get_all(name, []) for one in header.addresses
    ]
    if found != [to]:
        raise Permanent(
            f"a mail to {_shown(to)} would go to {len(found)} mailboxes: correct it with site.update_contact"
        )


def digest(key: str) -> str:
    """A key's short name: the same for ever, safe in a file's name and in a Message-ID."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def _must_be_one_line(mail: Mail) -> None:
    for name in ("key", "to", "subject"):
        text = getattr(mail, name)
        if not text or not text.isprintable():
            raise Permanent(f"a mail's {name} is {_shown(text)}: it must be one line of printable text")


def _encoding(body: str) -> str:
    """Readable as it stands where the standard allows it: links stay whole."""
    plain = body.isascii() and max(map(len, body.splitlines()), default=0) <= LONGEST_LINE
    return "7bit" if plain else "quoted-printable"


def _shown(text: str) -> str:
    return repr(text[:80])
