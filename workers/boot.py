"""What each worker process does first: settings, log, broker, actors, and the proof that it lives."""

from contextlib import suppress
from functools import partial
from threading import Event, Thread
from typing import Any

import dramatiq
from redis.exceptions import RedisError

from workers import alive, announce, command, customer_database, dead, effect, fleet, logs, memory, private, pulse
from workers.publisher import Publisher
from workers.settings import load
from workers.workplace import Workplace

BEAT_SECONDS = 5.0
PATIENCE: Any = {"max_retries": 100, "min_backoff": 500, "max_backoff": 60_000}
"""A command whose database is away is tried again for an hour and a half, then put aside where operators see it."""


class Hands:
    """The actors of one process: each takes an id or an envelope and does one verb."""

    def __init__(self, place: Workplace) -> None:
        self.place = place

    def lifecycle(self, *args: Any) -> None:
        """The contract's `command`: one envelope in, one transaction, one answer."""
        command.take(self.place, args)

    def effect(self, effect_id: str) -> None:
        """One try of one effect."""
        effect.run(self.place, effect_id)


def boot() -> None:
    """Called by Dramatiq in each worker process, after the fork."""
    private.begin()
    settings = load()
    logs.configure(settings.log_format, role="worker")
    memory.be_frugal()
    publisher = Publisher()
    place = Workplace(settings, threads=settings.worker_threads, publisher=publisher)
    declare(place)
    publisher.start(partial(announce.events, place))
    place.broker.before_close = publisher.end
    Thread(target=_beat, args=(place, Event()), daemon=True, name="heartbeat").start()
    pulse.keep(settings.data_dir, "worker")
    fleet.keep(place, "worker")
    customer_database.QUICK.start(1)


def declare(place: Workplace) -> None:
    """Put the actors on this process's broker: commands, and effects by character."""
    hands = Hands(place)
    dramatiq.set_broker(place.broker)
    place.broker.on_poisons = partial(dead.keep_all, place)
    place.broker.take = partial(command.take_each, place)
    dramatiq.actor(actor_name="command", queue_name="lifecycle", broker=place.broker, **PATIENCE)(hands.lifecycle)
    for queue in ("effects", "data", "deletions"):
        dramatiq.actor(actor_name=queue, queue_name=queue, broker=place.broker, **PATIENCE)(hands.effect)


def _beat(place: Workplace, stop: Event) -> None:
    while True:
        with suppress(RedisError):  # Redis is away: the beat is missed, which is what it is for
            alive.beat(place.redis, "worker")
        if stop.wait(BEAT_SECONDS):
            return
