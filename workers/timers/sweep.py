"""The sweeps: every row with work left is offered again until the database says that it is done."""

from datetime import datetime, timedelta

from models import event, ready_effects
from models.clock import machine_now
from models.database import reading, writing
from models.ready_effects import Heard
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.context import Context
from workers.effects.registry import kinds_by_queue
from workers.outbox import relay, wake_ups
from workers.queue import queue_lengths
from workers.queue.queue_lengths import QueueLength
from workers.safety import strange_keys

UNHEARD = timedelta(seconds=10)
BATCH = 1000


def sweep(context: Context) -> None:
    """Make room for our keys, offer overdue effects, publish what was not sent, fill an empty stream."""
    strange_keys.put_aside(context)
    offer_effects(context)
    with reading(context.database) as tx:
        waiting = event.count_unsent(tx)
    if waiting or relay.is_empty(context):
        relay.publish(context)


def offer_effects(context: Context) -> None:
    """Effects whose retry has come, whose lease ran out, or whose wake-up nobody heard."""
    heard = _heard(context)
    with reading(context.database) as tx:
        if not ready_effects.is_anything_overdue(tx, machine_now(), heard):
            return
    with writing(context.database) as tx:
        rows = ready_effects.overdue(tx, machine_now(), heard, BATCH)
        fault_point("sweep.marking")
    fault_point("sweep.marked")
    for row in rows:
        if row.status == "running":
            log.warning("rescued", effect=row.kind, effect_id=row.id, error="its worker is gone; it is offered again")
    wake_ups.offer(context, rows)


def _heard(context: Context) -> list[Heard]:
    """By queue, since when a wake-up may still lie there: none is older than the one at its head.

    An empty queue has lost what was announced 10 s ago and nobody took. Of a head without a moment nobody knows: it is
    another's, and a worker takes it away soon.
    """
    now, lengths = machine_now(), queue_lengths.look(context.redis)
    return [Heard(kinds, _since(lengths[queue], now)) for queue, kinds in kinds_by_queue().items()]


def _since(line: QueueLength, now: datetime) -> datetime | None:
    return None if line.count and line.since is None else min(line.since or now, now) - UNHEARD
