"""A world that may die at any step: the real queues, driven by hand, and a fork that is gone at a point."""

import os
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dramatiq.common import dq_name, q_name
from dramatiq.message import Message

from models import effect, timer
from models.clock import machine_now, move
from models.database import reading, writing
from tests.world import HOST, World
from workers import boot
from workers.base import fault_points
from workers.cli import test_clock
from workers.effects.registry import EFFECTS
from workers.queue.broker import make_broker
from workers.queue.queue_names import COMMANDS, QUEUES

BEGIN = datetime(2040, 1, 1, tzinfo=UTC)
KILLED = 137
PREFETCH = 16
NAMES = (*QUEUES, *map(dq_name, QUEUES))
PLAIN = {point.rpartition(".")[0] for point in fault_points.points(EFFECTS) if point.count(".") > 1}
"""Points that are said with their kind as well, which is what counts here."""


@dataclass
class Killer:
    """Dies at the n-th time that a point is reached, and counts them all until then."""

    point: str | None = None
    occurrence: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, point: str) -> None:
        if point in PLAIN:
            return
        self.seen[point] += 1
        if point == self.point and self.seen[point] == self.occurrence:
            os._exit(KILLED)


class Mortal(World):
    """Commands and wake-ups lie in Valkey and are fetched, done and acknowledged as Dramatiq's threads do it."""

    def __init__(self, data_dir, redis_url, **settings):
        super().__init__(data_dir, redis_url, **settings)
        self.broker = make_broker(redis_url)
        self.context.__dict__["broker"] = self.broker
        boot.declare(self.context)
        self.consumers = {queue: self.broker.consume(queue, PREFETCH, timeout=0) for queue in QUEUES}

    def close(self):
        self.broker.close()
        super().close()

    def ask(self, kind, key=None, /, **data):
        """Enqueue a command under the key that its producer uses again, and let all happen."""
        self.hand_over(self.envelope(kind, key, **data))
        self.rest()

    def envelope(self, kind, key=None, /, **data):
        told = {"source": "tests", "id": key or kind, "type": f"site.{kind}", "subject": HOST}
        return {"specversion": "1.0", **told, "data": data, "replyto": "tenure:reply:tests"}

    def hand_over(self, *args, **options):
        self.broker.enqueue(Message(queue_name=COMMANDS, actor_name="command", args=args, kwargs={}, options=options))

    def is_marked(self, name):
        """What the outside world remembers, whoever dies."""
        return (self.data_dir / f"{name}.mark").exists()

    def mark(self, name):
        (self.data_dir / f"{name}.mark").touch()

    def rest(self):
        while names := self.waiting():
            self.step(names[0])

    def waiting(self):
        """The queues in which something is left, commands first."""
        pipeline = self.context.redis.pipeline(transaction=False)
        for name in NAMES:
            pipeline.llen(f"dramatiq:{name}")
        lengths = zip(NAMES, pipeline.execute(), strict=True)
        return [name for name, length in lengths if length or (name in QUEUES and self.consumers[name].fetched)]

    def step(self, name):
        """Let a consumer do one step."""
        if name not in QUEUES:
            self.bring_forward(name)
        elif (message := next(self.consumers[name])) is not None:
            self.process(self.consumers[name], message)

    def process(self, consumer, message):
        try:
            self.broker.get_actor(message.actor_name)(*message.args, **message.kwargs)
        except Exception as wrong:  # noqa: BLE001 - as Dramatiq does it
            self.broker.emit_after("process_message", message, exception=wrong)
        (consumer.nack if message.failed else consumer.ack)(message)

    def bring_forward(self, queue):
        """What is delayed is due."""
        consumer = self.broker.consume(queue, PREFETCH, timeout=0)
        while (message := next(consumer)) is not None:
            again = message.copy(queue_name=q_name(queue))
            del again.options["eta"]
            self.broker.enqueue(again)
            consumer.ack(message)

    def go_to(self, day):
        """Live until a moment, from wherever an earlier life has come to."""
        moment = BEGIN + timedelta(days=day)
        if self.now < BEGIN:
            with writing(self.context.database) as tx:
                move(tx, BEGIN)
        self.recover()
        while (now := self.now) < moment:
            with reading(self.context.database) as tx:
                due = timer.earliest(tx, after=now)
            test_clock._go_to(self.context, moment if due is None else min(due, moment))
            self.sweep()
            self.fire()

    def recover(self):
        """What half a minute does after a restart, at once: leases end, hearts are missed, all is offered again."""
        unfinished = effect.EFFECTS.update().where(effect.EFFECTS.c.status.in_(effect.UNFINISHED))
        long_ago = machine_now() - timedelta(minutes=1)
        with writing(self.context.database) as tx:
            tx.execute(unfinished.values(announced_at=long_ago))
            tx.execute(unfinished.where(effect.EFFECTS.c.leased_until.is_not(None)).values(leased_until=long_ago))
        self.context.redis.delete("tenure:publisher")
        for name in self.context.redis.zrange("dramatiq:__heartbeats__", 0, -1):
            self.context.redis.zadd("dramatiq:__heartbeats__", {name: 0})
        for name in NAMES:
            self.broker.keep_up(name)
        self.retry_now()
        self.fire()

    def finish(self):
        """Until nothing is left to do."""
        while self.open_effects() or self.unsent() or self.left_in_queues():
            self.recover()

    def left_in_queues(self) -> dict[str, int]:
        bodies = {name: self.context.redis.hlen(f"dramatiq:{name}.msgs") for name in NAMES}
        return {name: count for name, count in bodies.items() if count}


def dies(life, killer: Killer) -> bool:
    """Live in a forked process; whether it was gone at the point, whatever it was doing."""
    child = os.fork()
    if child == 0:
        try:
            life(killer)
        except BaseException:  # noqa: BLE001 - it is a process of its own
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, KILLED}, status
    return status == KILLED
