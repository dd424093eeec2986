"""Load the producers file into the database when it has changed. A broken new version is an alarm; the old one stands.

Several hosts may have a file of their own: the one that was changed last is the one that holds.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine

from models import producers
from models.clock import machine_now
from models.database import one_at_a_time, reading, writing
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.base.settings import Settings
from workers.producers import known
from workers.producers.file import ProducersFile, ProducersFileError, read

DEFAULT = "producers.toml"

Stamps = tuple[tuple[str, int, int], ...]


def path_of(settings: Settings) -> Path:
    """Where the file is, or would be."""
    return settings.producers_file or settings.data_dir / DEFAULT


def begin(settings: Settings, database: Engine) -> None:
    """Load the file before a process does its work.

    Raises ProducersFileError when nothing was ever loaded and the file that the setting names can't be: whoever set it
    believes that it guards something.
    """
    with reading(database) as tx:
        is_known = producers.version(tx) > 0
    try:
        found = read(path_of(settings))
        if found is not None:
            load(database, found)
    except ProducersFileError as wrong:
        if not is_known:
            raise
        log.error("alarm", code="producers.broken", error=f"{wrong}; what was loaded before stands")
        return
    if found is None and settings.producers_file is not None and not is_known:
        raise ProducersFileError(
            f"TENURE_PRODUCERS_FILE={str(settings.producers_file)!r} is not there: write it, or let"
            " `tenure producer add` make it, or remove the setting"
        )


def load(database: Engine, found: ProducersFile) -> bool:
    """Load what a file says, unless a newer one is loaded; whether it was.

    From the first load with a producer every command must be signed.
    """
    with writing(database) as tx:
        one_at_a_time(tx, "producers")
        before = producers.loaded(tx)
        if before is not None and (before.digest == found.digest or before.changed_at > found.changed_at):
            return False
        known.write(tx, found, machine_now=machine_now(), enforce=bool(found.producers))
        fault_point("producers.loading")
    fault_point("producers.loaded")
    return True


class FileWatch:
    """Looks whether the file of this host has changed, and loads it then."""

    def __init__(self, settings: Settings, database: Engine) -> None:
        self.path = path_of(settings)
        self.database = database
        self.seen: Stamps | None = None
        self.files: list[Path] = [self.path]

    def look(self) -> None:
        """Load the file if it, or a secret that it names, was changed since the last look."""
        stamps = tuple(_stamps(self.files))
        if stamps == self.seen:
            return
        try:
            found = read(self.path)
            if found is not None:
                self.files = [self.path, *found.secret_files.values()]
                load(self.database, found)
            elif self.seen:
                log.error("alarm", code="producers.broken", error=f"{self.path} is gone; what was loaded stands")
        except ProducersFileError as wrong:
            log.error("alarm", code="producers.broken", error=f"{wrong}; what was loaded before stands")
        self.seen = stamps


def _stamps(files: list[Path]) -> Iterator[tuple[str, int, int]]:
    """What changes with a file: its inode and the moment of its last change of any kind."""
    for path in files:
        with contextlib.suppress(OSError):
            status = path.stat()
            yield str(path), status.st_ino, status.st_ctime_ns
