"""What this process tells the fleet of itself: its settings, and which of the outside's adapters answer it.

`tenure doctor` shows what the running engine uses and sees, not what the asking shell would.
"""

import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from engine.words import masked as without_addresses
from models import process
from models.clock import machine_now
from models.database import writing
from workers.base.errors import Permanent, Temporary, Unknown
from workers.base.logs import name_of_process
from workers.base.settings import Settings, masked
from workers.context import ADAPTERS, Context

REPORT_SECONDS = 10.0
PROBE_SECONDS = 30.0
"""An adapter is asked so often whether it can be written: a mail server is greeted, a disk gets a small file."""


def keep(context: Context, role: str) -> None:
    """Report in a thread of this process as long as it lives."""
    Thread(target=_go_on, args=(Reporter(context, role),), daemon=True, name="report").start()


def _go_on(reporter: "Reporter") -> None:
    while True:
        reporter.report()
        time.sleep(REPORT_SECONDS)


class Reporter:
    """What one process says of itself, and when it looked at its adapters last (monotonic)."""

    def __init__(self, context: Context, role: str) -> None:
        self.context = context
        self.role = role
        self.name = name_of_process(role)
        self.adapters: dict[str, str | None] = {}
        self.looked_at: float | None = None

    def report(self) -> None:
        """Write it down; a database that is away hears it the next time."""
        now = time.monotonic()
        if self.looked_at is None or now - self.looked_at >= PROBE_SECONDS:
            self.adapters, self.looked_at = look(self.context), now
        facts = {
            "settings": masked(self.context.settings),
            "test_clock": self.context.settings.test_clock,
            "adapters": self.adapters,
        }
        try:
            with writing(self.context.database) as tx:
                process.note(tx, self.name, self.role, facts, machine_now())
        except SQLAlchemyError:
            return


def look(context: Context) -> dict[str, str | None]:
    """Each adapter by its name: None when it can be written, else why not, in one line."""
    return {name: _trouble(context, name) for name in ADAPTERS}


def _trouble(context: Context, name: str) -> str | None:
    try:
        getattr(context, name).writable()
    except (Permanent, Temporary, Unknown, OSError, ValueError) as wrong:
        return without_addresses(next(iter(str(wrong).splitlines()), type(wrong).__name__))
    return None


def as_running(settings: Settings, rows: list[Any]) -> Settings:
    """The asking shell's settings, with what the running processes say of the clock and of the stores' places."""
    if not rows:
        return settings
    told = rows[0].report["settings"]
    urls = {name: told[f"TENURE_{name.upper()}"] for name in ("host_url", "backups_url", "payments_url", "mail_url")}
    return replace(
        settings, **urls, data_dir=Path(told["TENURE_DATA_DIR"]), test_clock=bool(rows[0].report["test_clock"])
    )
