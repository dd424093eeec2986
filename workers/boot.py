"""What each worker process does first: settings, log, broker, actors, and the proof that it lives."""

from contextlib import suppress
from functools import partial
from threading import Event, Thread
from typing import Any

import dramatiq
from redis.exceptions import RedisError

from workers.base import logs, private_files, process_memory
from workers.base.settings import load
from workers.commands import dead_letters, handler
from workers.context import Context
from workers.effects import executor
from workers.effects.crew import Crew
from workers.health import fleet, heartbeats, liveness
from workers.outbox import relay
from workers.outbox.relay_thread import RelayThread
from workers.producers import loading
from workers.queue.queue_names import COMMAND_ACTOR, COMMANDS, EFFECT_QUEUES
from workers.storage import customer_database

BEAT_SECONDS = 5.0
PATIENCE: Any = {"max_retries": 100, "min_backoff": 500, "max_backoff": 60_000}
"""A command whose database is away is tried again for an hour and a half, then put aside where operators see it."""


class Actors:
    """The actors of one process: each takes an id or an envelope and does one verb."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def lifecycle(self, *args: Any) -> None:
        """The contract's `command`: one envelope in, one transaction, one answer."""
        handler.take(self.context, args)

    def effect(self, effect_id: str) -> None:
        """One try of one effect."""
        executor.run(self.context, effect_id)


def boot() -> None:
    """Called by Dramatiq in each worker process, after the fork."""
    private_files.begin()
    settings = load()
    logs.configure(settings.log_format, role="worker")
    process_memory.be_frugal()
    publisher = RelayThread()
    context = Context(settings, threads=settings.worker_threads, publisher=publisher)
    loading.begin(settings, context.database)
    crew = declare(context)
    crew.start()
    publisher.start(partial(relay.publish, context))
    context.broker.before_close = partial(_finish, crew, publisher)
    Thread(target=_beat, args=(context, Event()), daemon=True, name="heartbeat").start()
    heartbeats.keep(settings.data_dir, "worker")
    fleet.keep(context, "worker")
    customer_database.QUICK.start(1)


def declare(context: Context) -> Crew:
    """Put the actors on this process's broker: commands, and effects by character; who does the quick ones."""
    hands = Actors(context)
    dramatiq.set_broker(context.broker)
    context.broker.on_dead_letters = partial(dead_letters.keep_all, context)
    context.broker.take = partial(handler.take_each, context)
    dramatiq.actor(actor_name=COMMAND_ACTOR, queue_name=COMMANDS, broker=context.broker, **PATIENCE)(hands.lifecycle)
    for queue in EFFECT_QUEUES:
        dramatiq.actor(actor_name=queue, queue_name=queue, broker=context.broker, **PATIENCE)(hands.effect)
    crew = Crew(context, context.threads)
    context.broker.crew = crew
    return crew


def _finish(crew: Crew, publisher: RelayThread) -> None:
    """What was begun is settled, and then what was settled is published."""
    crew.end()
    publisher.end()


def _beat(context: Context, stop: Event) -> None:
    while True:
        with suppress(RedisError):  # Redis is away: the beat is missed, which is what it is for
            liveness.beat(context.redis, "worker")
        if stop.wait(BEAT_SECONDS):
            return
