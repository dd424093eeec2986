"""Work that fails and is tried again, as operators read it: of one site, and by the adapter that it needs."""

from typing import Any

from sqlalchemy import Connection

import engine
from engine.alarms import ALARMS
from models import effect, failing, site_fault
from models.timestamps import stamp
from workers.base.errors import HELD
from workers.commands import shortfall

Fault = dict[str, Any]

REMEDY = "it is tried again by itself; `tenure doctor` says what is out of reach"


def faults(tx: Connection, site: engine.Site) -> list[Fault]:
    """What fails now on a site and what its newest backup lacks, as `faults` of its document: code, since, what, do."""
    content = [
        {"code": row.code, "since": stamp(row.since), "what": row.what, "do": row.do}
        for row in site_fault.of_site(tx, site.id)
    ]
    still = [_stuck(row) for row in effect.stuck(tx, site.id)]
    failed = [_fault(row) for row in failing.of_site(tx, site.id, HELD)]
    return [*content, *still, *failed, *shortfall.faults(tx, site)]


def _stuck(row: Any) -> Fault:
    what = f"{row.kind} has moved nothing since {stamp(row.stuck_since)}"
    return {"code": "work.stuck", "since": stamp(row.stuck_since), "what": what, "do": ALARMS["work.stuck"]}


def _fault(row: Any) -> Fault:
    name = f"the letter {row.args['letter']}" if row.kind == "mail" else row.kind
    times = "once" if row.attempt == 1 else f"{row.attempt} times"
    what = f"the deletion is not done: {row.error}" if row.kind == "delete" else f"{name} failed {times}: {row.error}"
    return {"code": "work.failing", "since": stamp(row.asked_at), "what": what, "do": REMEDY}


def deletion_waits_for(tx: Connection, site_id: str) -> str | None:
    """What a deletion that has begun says of its last try; None when it has not failed."""
    row = failing.deletion_of(tx, site_id)
    return None if row is None or row.error is None else str(row.error).removeprefix(HELD)
