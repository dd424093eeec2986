"""What a backup or a download lacks, as documents, operators and `attention` say it."""

from typing import Any

from sqlalchemy import Connection, Row

import engine
from models import backup
from models.timestamps import stamp
from workers.base.documents import Document


def shortfall(row: Row[Any]) -> Document:
    """Whether a backup or a download is partial, and what is missing; the names are the first ones, with the reason."""
    lacks = row.lacks or {}
    return {
        "partial": bool(_count(lacks, "out")),
        "left_out": list(lacks.get("out", {}).get("names", ())),
        "not_restorable": list(lacks.get("remake", {}).get("names", ())),
    }


def faults(tx: Connection, site: engine.Site) -> list[Document]:
    """What a site's newest backup lacks, as `faults` of its document: code, since, what, do."""
    if site.state in {"deleting", "deleted"}:
        return []
    row = backup.latest(tx, site.id)
    if row is None or not row.lacks:
        return []
    found = [_partial(row, site)] if _count(row.lacks, "out") else []
    if _count(row.lacks, "remake"):
        found.append(_not_restorable(row))
    return found


def _partial(row: Row[Any], site: engine.Site) -> Document:
    missing = f"{_count(row.lacks, 'out')} missing: {_names(row.lacks, 'out')}"
    if row.purpose == "final" and row.generation == site.generation and _is_needed(site):
        before = f" before {stamp(site.deletes_at)}" if site.deletes_at else ""
        what = f"the final backup is partial and does not count, so the site will not be deleted ({missing})"
        return _fault("backup.partial", row, what, f"look at it, then site.waive with guard=backup{before}")
    do = "look at the site; limits are TENURE_SITE_MAX_FILES, _MAX_BYTES and _SECONDS"
    return _fault("backup.partial", row, f"the newest backup is partial ({missing})", do)


def _is_needed(site: engine.Site) -> bool:
    return site.final_backup_at is None and "backup" not in site.waived


def _not_restorable(row: Row[Any]) -> Document:
    what = f"a restore can't bring back {_count(row.lacks, 'remake')} things: {_names(row.lacks, 'remake')}"
    return _fault("backup.not_restorable", row, what, "tell the customer, or remove them from the site")


def _fault(code: str, row: Row[Any], what: str, do: str) -> Document:
    return {"code": code, "since": stamp(row.taken_at), "what": what, "do": do}


def _count(lacks: Document, part: str) -> int:
    return int(lacks.get(part, {}).get("count", 0))


MOST_TOLD = 3


def _names(lacks: Document, part: str) -> str:
    names, count = lacks[part]["names"][:MOST_TOLD], _count(lacks, part)
    return ", ".join([*names, *(["..."] if count > len(names) else [])])
