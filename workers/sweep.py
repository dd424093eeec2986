"""The sweeps: every row with work left is offered again until the database says that it is done."""

from datetime import datetime, timedelta

from models import event, offer
from models.clock import engine_now, machine_now
from models.database import reading, writing
from workers import announce, queues, safety, strange_keys
from workers.broker import COMMANDS
from workers.crash import reached
from workers.logs import log
from workers.workplace import Workplace

UNHEARD = timedelta(seconds=10)
BATCH = 1000
KEPT = timedelta(days=90)
"""Events, in engine time."""


def sweep(place: Workplace) -> None:
    """Make room for our keys, offer overdue effects, publish what was not, fill an empty stream, forget old events."""
    strange_keys.put_aside(place)
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
    heard = _heard(place)
    with reading(place.database) as tx:
        if not offer.is_anything_overdue(tx, machine_now(), heard):
            return
    with writing(place.database) as tx:
        rows = offer.overdue(tx, machine_now(), heard, BATCH)
        reached("sweep.marking")
    reached("sweep.marked")
    for row in rows:
        if row.status == "running":
            log.warning("rescued", effect=row.kind, effect_id=row.id, error="its worker is gone; it is offered again")
    announce.effects(place, rows)


def _heard(place: Workplace) -> dict[str, datetime | None]:
    """By queue, since when a wake-up may still lie there: none is older than the one at its head.

    An empty queue has lost what was announced 10 s ago and nobody took. Of a head without a moment nobody knows: it is
    another's, and a worker takes it away soon.
    """
    now = machine_now()
    return {
        queue: None if line.count and line.since is None else min(line.since or now, now) - UNHEARD
        for queue, line in queues.look(place.redis).items()
        if queue != COMMANDS
    }
