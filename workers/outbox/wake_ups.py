"""Wake the workers: enqueue a message for each effect that is ready. A lost one costs time and nothing else."""

from collections.abc import Iterable
from typing import Protocol

from redis.exceptions import RedisError

from workers.base.effect_kinds import queue_of
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.context import Context


class ReadyEffect(Protocol):
    """What a wake-up names: an effect's id, and its kind, which decides the queue."""

    @property
    def id(self) -> str:
        """The effect's id."""

    @property
    def kind(self) -> str:
        """The effect's kind."""


def offer(context: Context, effects: Iterable[ReadyEffect]) -> None:
    """Offer effects to the workers. Call it after the commit; what Redis does not take, the sweep offers again."""
    by_queue: dict[str, list[str]] = {}
    for ready in effects:
        by_queue.setdefault(queue_of(ready.kind), []).append(ready.id)
    try:
        for queue, ids in by_queue.items():
            fault_point("announce.sending")
            context.broker.announce(queue, ids)
            fault_point("announce.sent")
    except RedisError as error:
        log.warning("failed", error=f"effects were not announced, the sweep will do it: {error}")
