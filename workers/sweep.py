"""The sweeps: every row with work left is offered again until the database says that it is done."""

from datetime import datetime, timedelta
from typing import Any

from models import effect, event, offer
from models.clock import engine_now, machine_now
from models.database import reading, writing
from workers import announce, safety
from workers.crash import reached
from workers.logs import log
from workers.workplace import Workplace

UNHEARD = timedelta(seconds=10)
BATCH = 1000
KEPT = timedelta(days=90)
"""Events, in engine time."""

LONG = 500
"""While so many messages wait in a queue its wake-ups are among them, and none is added."""


def sweep(place: Workplace) -> None:
    """Offer overdue effects, publish what was not published, fill an emptied stream, forget old events."""
    offer_effects(place)
    with reading(place.database) as tx:
        waiting, oldest, now = event.count_unsent(tx), event.oldest(tx), engine_now(tx)
    if waiting or announce.is_empty(place):
        announce.events(place)
    if oldest is not None and oldest < now - KEPT:
        _forget_events(place, now)


def _forget_events(place: Workplace, now: datetime) -> None:
    """Not by a clock that jumped: what it takes for old may be of today."""
    with writing(place.database) as tx:
        if safety.allows(tx, place, place.sanity):
            event.remove_old(tx, now - KEPT, BATCH)
            reached("sweep.forgetting")
    reached("sweep.forgot")
    announce.forget(place, KEPT)


def offer_effects(place: Workplace) -> None:
    """Effects whose retry has come, whose lease ran out, or whose wake-up nobody heard."""
    with reading(place.database) as tx:
        if not offer.is_anything_overdue(tx, machine_now(), UNHEARD):
            return
    kinds = tuple(kind for kind in effect.LANES if _has_room(place, effect.queue_of(kind)))
    with writing(place.database) as tx:
        rows = offer.overdue(tx, machine_now(), UNHEARD, BATCH, kinds)
        reached("sweep.marking")
    reached("sweep.marked")
    for row in rows:
        if row.status == "running":
            log.warning("rescued", effect=row.kind, effect_id=row.id, error="its worker is gone; it is offered again")
    announce.effects(place, rows)


def _has_room(place: Workplace, queue: str) -> bool:
    waiting: Any = place.redis.llen(f"dramatiq:{queue}")
    return int(waiting) < LONG
