"""`tenure doctor`: how much of the past is kept, and since when."""

from datetime import datetime

from sqlalchemy import Connection

from models import effect, event, letter, receipt
from models import history as passes
from models.timestamps import stamp
from workers.health.check import Finding, well

TABLES = {"receipts": receipt.RECEIPTS, "effects": effect.EFFECTS, "events": event.EVENTS, "letters": letter.LETTERS}


def history(tx: Connection) -> Finding:
    """How many rows each table has, and since when nothing was removed of what is kept for a time."""
    counts = ", ".join(f"{passes.count(tx, table)} {name}" for name, table in TABLES.items())
    since = passes.since(tx)
    kept = f"events since {_since(since, 'events')}, work of every day since {_since(since, 'bookkeeping events')}"
    return well("history", f"{counts}; {kept}")


def _since(since: dict[str, datetime], name: str) -> str:
    return stamp(since[name]) if name in since else "the beginning"
