"""Claims of effects, many at a time: taken by one statement, and closed by one."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select, tuple_, update

from models.bulk import execute_many
from models.effect import EFFECTS, at, is_blocked, is_ready

Fence = tuple[str, int]
"""An effect's id, and the number of the claim."""


def known(tx: Connection, effect_ids: list[str]) -> list[Row[Any]]:
    """Those of these effects that there are: id, kind and site, in no order."""
    return list(tx.execute(_known(), {"effect_ids": effect_ids}))


@cache
def _known() -> Any:
    which = EFFECTS.c.id.in_(bindparam("effect_ids", expanding=True))
    return select(EFFECTS.c.id, EFFECTS.c.kind, EFFECTS.c.site_id).where(which)


def take(tx: Connection, effect_ids: list[str], machine_now: datetime, lease: timedelta) -> dict[str, Row[Any]]:
    """Take effects for one try each, those that are free: pending and ready, or their lease run out, and in turn.

    Of two of one lane only the older is taken, as if they had been asked for one by one.
    """
    values = {**at(machine_now), "effect_ids": effect_ids, "lease_ends": machine_now + lease}
    return {row.id: row for row in tx.execute(_take(), values)}


@cache
def _take() -> Any:
    which = and_(EFFECTS.c.id.in_(bindparam("effect_ids", expanding=True)), is_ready(), ~is_blocked())
    values = {
        "status": "running",
        "attempt": EFFECTS.c.attempt + 1,
        "fence": EFFECTS.c.fence + 1,
        "leased_until": bindparam("lease_ends"),
        "retry_at": None,
        "admitted": True,
        "stuck_since": None,
    }
    return update(EFFECTS).where(which).values(values).returning(*EFFECTS.c)


def close(tx: Connection, fences: list[Fence], now: datetime) -> bool:
    """Close claims as done; False when not all of them are ours any more, and then the caller takes it back."""
    rows = [{"of_id": effect_id, "of_fence": fence, "settled_at": now} for effect_id, fence in fences]
    return execute_many(tx, _close(), rows) == len(rows)


@cache
def _close() -> Any:
    ours = and_(EFFECTS.c.id == bindparam("of_id"), EFFECTS.c.fence == bindparam("of_fence"))
    done: dict[str, Any] = {
        "status": "done",
        "settled_at": bindparam("settled_at"),
        "leased_until": None,
        "error": None,
    }
    return update(EFFECTS).where(ours, EFFECTS.c.status == "running").values(done)


def are_closed(tx: Connection, fences: list[Fence]) -> bool:
    """Whether all of these claims were closed as done: by an earlier run of the same transaction, then."""
    which = tuple_(EFFECTS.c.id, EFFECTS.c.fence).in_(fences)
    found = tx.execute(select(EFFECTS.c.id).where(which, EFFECTS.c.status == "done"))
    return len(found.all()) == len(fences)
