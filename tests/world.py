"""A world for tests: the real engine, database, Valkey and adapters in one process, and a clock that is moved."""

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from itertools import count
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite

from models import clock, effect, event, ready_effects, schema, timer
from models.database import reading, writing
from models.timestamps import unstamp
from tests.warm import place_schema
from workers.base.settings import load
from workers.cli import reports
from workers.commands import handler
from workers.context import Context
from workers.effects import executor as effects
from workers.health import preflight
from workers.queue.redis_keys import EVENTS
from workers.timers import fire as timers
from workers.timers.sweep import sweep

HOST = "acme.example.com"
START = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
"""Every world begins at this moment of engine time: a run at another hour of the day is the same run."""


class Wakeups:
    """Takes the place of Dramatiq's broker: what is announced waits here until the world does it."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def announce(self, _queue: str, effect_ids: list[str]) -> None:
        self.waiting += effect_ids


class World:
    """One data folder under the test clock. Commands, effects and timers run when the test says so, never by chance."""

    def __init__(self, data_dir: Path, redis_url: str, **settings: str) -> None:
        settings = {"SITE_COMMANDS_PER_MINUTE": "0", **settings}  # months of a life pass here in a machine's minute
        given = {f"TENURE_{name}": value for name, value in settings.items()}
        self.context = Context(
            load({"TENURE_TEST_CLOCK": "1", "TENURE_DATA_DIR": str(data_dir), "TENURE_REDIS_URL": redis_url, **given})
        )
        self.wakeups = Wakeups()
        self.context.__dict__["broker"] = self.wakeups
        self.data_dir = data_dir
        self.done: list[str] = []
        self.ids = (f"test-{number}" for number in count(1))
        address = self.context.database.url
        if address.get_backend_name() == "sqlite":
            place_schema(Path(address.database))
        schema.migrate(self.context.database)
        with reading(self.context.database) as tx:
            is_new = tx.execute(clock.CLOCK.select()).one_or_none() is None
        preflight.migrate(self.context.database, test_clock=True)
        if is_new:
            with writing(self.context.database) as tx:
                tx.execute(clock.CLOCK.update().values(now=START))

    def close(self) -> None:
        self.context.database.dispose()
        self.context.redis.close()

    @property
    def now(self) -> datetime:
        with reading(self.context.database) as tx:
            return clock.engine_now(tx)

    def say(self, kind: str, host: str = HOST, /, *, key: str | None = None, extra: Any = None, **data: Any) -> Any:
        """Hand over a command and leave its effects waiting."""
        body = {
            "specversion": "1.0",
            "source": "tests",
            "id": key or next(self.ids),
            "type": f"site.{kind}",
            "subject": host,
            "data": data,
            **(extra or {}),
        }
        return self.hand_over(body)

    def hand_over(self, *args: Any) -> Any:
        return handler.take(self.context, args)

    def send(self, kind: str, host: str = HOST, /, **given: Any) -> Any:
        """Hand over a command and let everything that follows happen."""
        said = self.say(kind, host, **given)
        self.rest()
        return said

    def rest(self) -> None:
        """Do every effect that is announced, and what follows from it, until nothing is left."""
        while self.wakeups.waiting:
            effects.run(self.context, self.wakeups.waiting.pop(0))

    def fire(self) -> None:
        while timers.fire_due(self.context):
            self.rest()
        self.rest()

    def advance(self, *, expecting: list[str] | None = None, **length: float) -> None:
        """Live through every due moment; `expecting` names exactly the effects that must happen, backups aside."""
        before = self.effect_count()
        target = self.now + timedelta(**length)
        while (now := self.now) < target:
            with reading(self.context.database) as tx:
                due = timer.earliest(tx, after=now)
            with writing(self.context.database) as tx:
                clock.move(tx, target if due is None else min(due, target))
                ready_effects.ready_for_new_moment(tx, clock.machine_now())
            self.sweep()
            self.fire()
        if expecting is not None:
            assert [kind for kind in self.effect_kinds()[before:] if kind != "back_up.nightly"] == expecting

    def advance_to(self, moment: str | datetime, **expecting: Any) -> None:
        at = unstamp(moment) if isinstance(moment, str) else moment
        self.advance(microseconds=(at - self.now) / timedelta(microseconds=1), **expecting)

    def effect_count(self) -> int:
        return len(self.effect_kinds())

    def effect_kinds(self) -> list[str]:
        """Every effect that was ever asked for, by what its id says."""
        with reading(self.context.database) as tx:
            return [name.split(":")[2] for name in tx.execute(effect.EFFECTS.select().order_by("seq")).scalars("id")]

    def open_effects(self) -> list[str]:
        with reading(self.context.database) as tx:
            return [row.id for row in effect.unfinished(tx)]

    def retry_now(self) -> None:
        """Let every effect that waits for a retry be tried at once, and what follows happen."""
        with writing(self.context.database) as tx:
            ready_effects.ready_for_new_moment(tx, clock.machine_now())
        self.sweep()
        self.rest()

    def sweep(self) -> None:
        sweep(self.context)

    def show(self, host: str = HOST) -> Any:
        return reports.show(self.context, host)

    def state(self, host: str = HOST) -> str:
        return str(self.show(host)["state"])

    def history(self, host: str = HOST) -> Any:
        return reports.history(self.context, host)["moves"]

    def start_trial(self, host: str = HOST) -> Any:
        """A site in its trial, ready now."""
        self.send("start_trial", host, account="acme", email=f"owner@{host}")
        return self.show(host)

    def start_active(self, host: str = HOST, *, agents: int = 7, card: str = "pm_visa") -> Any:
        """A site that subscribed on day 0 and has paid its first period."""
        self.start_trial(host)
        self.send("subscribe", host, agents=agents, payment_method=card)
        self.advance_to(self.show(host)["trial_ends_at"])
        return self.show(host)

    def use_agents(self, number: int, host: str = HOST) -> None:
        """Let so many agents be active in the site itself."""
        path = self.site_folder(host) / "helpdesk.db"
        with sqlite.connect(path) as database:
            database.execute("delete from agents")
            rows = [(f"agent{one}@{host}", 1) for one in range(number)]
            database.executemany("insert into agents (email, active) values (?, ?)", rows)
        database.close()

    def site_folder(self, host: str = HOST) -> Path:
        return self.data_dir / "sites" / self.show(host)["id"]

    def mails(self) -> list[Any]:
        """The customers' mailboxes, oldest first."""
        files = sorted((self.data_dir / "outbox").glob("*.eml"))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def letters(self) -> list[str]:
        """Which letters were asked for, in order."""
        return [kind.removeprefix("mail.") for kind in self.effect_kinds() if kind.startswith("mail.")]

    def charges(self) -> list[Any]:
        """What the card network accepted."""
        path = self.data_dir / "payments.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def events(self, kind: str | None = None) -> list[Any]:
        """What the stream has, oldest first."""
        bodies = [json.loads(fields[b"event"]) for _, fields in self.context.redis.xrange(EVENTS)]
        return [body for body in bodies if kind in {None, body["type"]}]

    def unsent(self) -> int:
        with reading(self.context.database) as tx:
            return event.count_unsent(tx)
