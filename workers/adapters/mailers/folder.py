"""`file:` mail as files in `outbox/`, one `.eml` each, which stand for the world's mailboxes: nothing is ever removed.

A file's name begins with the mail's moment and ends with the digest of its key. A later try has a later moment, so the
first one's name is kept under the digest in `outbox/.names/`, and holds: a mail is written once.
"""

from contextlib import suppress
from datetime import UTC
from pathlib import Path

from workers.adapters.mailer import Mail, digest, message
from workers.base.fault_points import fault_point
from workers.base.masking import mask
from workers.storage.atomic_files import check_writable, explained, make_folder, sync
from workers.storage.file_lock import take_turn

SENDER = "Your site <no-reply@tenure.invalid>"


def opened(url: str, data_dir: Path) -> "Folder":
    """The outbox of a data folder; nothing is touched before its first use."""
    if url != "file:":
        raise ValueError(f"TENURE_MAIL_URL={mask(url)!r} says too much: the outbox is in the data folder; set file:")
    return Folder(data_dir / "outbox")


class Folder:
    """A mailer that writes files, one at a time, whole or not at all."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox
        self._names = outbox / ".names"

    def send(self, mail: Mail) -> None:
        """Write the mail under the name that it got at its first try, unless it is there."""
        raw = bytes(message(mail, SENDER))
        with explained(self._outbox):
            make_folder(self._names)
            self._put(mail, raw)

    def takes_unicode(self) -> bool:
        """A file takes any address."""
        return True

    def writable(self) -> None:
        """Write and remove a file that is no mail."""
        check_writable(self._names)

    def _put(self, mail: Mail, raw: bytes) -> None:
        with (self._names / "lock").open("ab") as lock:
            take_turn(lock)
            target = self._outbox / self._name(mail)
            fault_point("mail.named")
            if not target.exists():
                sync(self._names)
                _publish(target, raw)

    def _name(self, mail: Mail) -> str:
        """The name that the first try chose."""
        known = self._names / digest(mail.key)
        with suppress(FileExistsError):
            known.symlink_to(f"{mail.at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{known.name}.eml")
        return known.readlink().name


def _publish(target: Path, raw: bytes) -> None:
    """Write beside, then rename: nobody sees a part of a mail, and what a dead process left is written over."""
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(raw)
    sync(part)
    fault_point("mail.drafted")
    part.rename(target)
    fault_point("mail.published")
    sync(target.parent)
