"""The consumer of quick effects: it fetches as many ids as its crew may have in hand, and has them done in groups.

A message is acknowledged when its effect is settled, put off, or not to be done now, by the thread that knows it.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from dramatiq.errors import ConnectionClosed
from redis.exceptions import RedisError

from workers.base.away import is_away
from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.queue import message as messages
from workers.queue.batch_consumer import BatchConsumer
from workers.queue.broker_protocol import ConsumerBroker
from workers.queue.consumer import QueuedMessage, closed_when_away

Ended = dict[str, Exception | None]
ByEffect = dict[str, list[QueuedMessage]]


class EffectCrew(Protocol):
    """Whoever does the effects."""

    size: int
    """How many it wants in hand at a time."""

    def take(self, effect_ids: list[str], over: Callable[[Ended], None]) -> None:
        """Claim effects and have them done; `over` is told of each, once. Raises what keeps all from being claimed."""


class EffectConsumer(BatchConsumer):
    """Reads the queue of quick effects."""

    def __init__(self, broker: ConsumerBroker, queue_name: str, timeout: int, crew: EffectCrew) -> None:
        super().__init__(broker, queue_name, crew.size, timeout)
        self.crew = crew
        self.size = crew.size

    def __next__(self) -> None:
        """Have done what there is, or wait for a message. Raises ConnectionClosed."""
        self.prefetch = self.size = self.crew.size
        with closed_when_away():
            if not self.fetched:
                self._fill()
            batch = self._open_batch()
            self._dead_letter_undecodable()
        if batch:
            self._hand_over(batch)

    def _hand_over(self, batch: list[QueuedMessage]) -> None:
        fault_point("group.fetched")
        by_effect: ByEffect = {}
        for message in batch:
            by_effect.setdefault(_effect_of(message), []).append(message)
        try:
            self.crew.take(list(by_effect), partial(self._over, by_effect))
        except Exception as error:  # noqa: BLE001 - whatever it is, each message is tried by itself, and then seen
            if is_away(error):
                self._wait_and_give_back(batch, error, "effects wait, they are claimed again")
            else:
                self._one_by_one(by_effect, error)
        else:
            self.failures = 0

    def _one_by_one(self, by_effect: ByEffect, error: Exception) -> None:
        """One that can't be claimed costs its neighbours nothing."""
        if len(by_effect) == 1:
            self._over(by_effect, dict.fromkeys(by_effect, error))
            return
        for effect_id, named in by_effect.items():
            alone = {effect_id: named}
            try:
                self.crew.take([effect_id], partial(self._over, alone))
            except Exception as wrong:  # noqa: BLE001 - as above
                self._over(alone, {effect_id: wrong})

    def _over(self, by_effect: ByEffect, ended: Ended) -> None:
        """Acknowledge in one call what is over; what Redis does not take is offered again, and found done.

        One with an error is tried again by Dramatiq's way, once its claim has run out.
        """
        settled = [message for one, error in ended.items() if error is None for message in by_effect[one]]
        try:
            self._acknowledge([message.redis_id for message in settled])
            for message, error in [(message, error) for one, error in ended.items() for message in by_effect[one]]:
                if error is not None:
                    self._fail(messages.proxy(message.fields), error, "effect.failed")
        except (RedisError, ConnectionClosed) as away:
            log.warning("failed", error=f"effects were not acknowledged, they are offered again: {away}")
        finally:
            self.held.difference_update(message.redis_id for one in ended for message in by_effect[one])
            self.has_room.set()

    def _acknowledge(self, redis_ids: list[bytes]) -> None:
        if redis_ids:
            self.broker.ack_all(self.queue_name, redis_ids)
            fault_point("group.acked")


def _effect_of(message: QueuedMessage) -> str:
    """Its one argument, which the decoding has checked."""
    given = [*message.fields["args"], *message.fields["kwargs"].values()]
    return str(given[0])
