"""What operators are told is wrong, how each comes about, and its remedy followed to the letter.

A row has the name under which it is shown (a check of the doctor, a code of an alarm or of a fault), what brings it
about in a world, and how its remedy is followed. `typed` follows the commands that the remedy itself names, as they
stand in it; what a remedy asks of a person outside (free a disk, start a process) is done by a function of its own.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import alembic.command
from alembic.config import Config
from click.testing import CliRunner

from models import breaker, clock, dead, event, safety, schema, timer
from models.database import reading, writing
from workers.base.errors import Permanent
from workers.base.settings import load
from workers.cli.main import main
from workers.commands import dead_letters
from workers.health import liveness
from workers.queue import clients

Follow = Callable[[Any, str], None]

SITE = "acme.example.com"


@dataclass(frozen=True)
class Situation:
    """One thing that is wrong. `level` is the doctor's; `remedy` is a part of what must be said."""

    name: str
    provoke: Callable[[Any], None]
    follow: Follow
    remedy: str
    level: str = "fail"


# Following a remedy


def typed(world: Any, remedy: str) -> None:
    """Type every command that stands in backticks, with what the ones before it have shown in place of N and ID."""
    shown = ""
    commands = [one for one in re.findall(r"`tenure ([^`]+)`", remedy) if one != "up"]
    assert commands, remedy
    for words in commands:
        found = re.search(r"^(\d+) planned", shown, re.MULTILINE)
        ids = re.search(r"^(\S+)  ", shown)
        known = {"N": found[1] if found else "N", "ID": ids[1] if ids else "ID"}
        typed_words = [known.get(word, word) for word in words.split()]
        done = CliRunner().invoke(main, typed_words, env=environ_of(world), catch_exceptions=False)
        assert done.exit_code == 0, (typed_words, done.output)
        shown = done.stdout or shown
    world.sweep()
    world.rest()


def environ_of(world: Any) -> dict[str, str]:
    return {
        "TENURE_DATA_DIR": str(world.data_dir),
        "TENURE_TEST_CLOCK": "1",
        "TENURE_REDIS_URL": world.context.settings.redis_url,
        "TENURE_DATABASE_URL": world.context.settings.database_url,
    }


def first_command(world: Any, remedy: str) -> None:
    """Type what comes before the last alternative: a remedy that says `retry` or `drop` is followed by retrying."""
    typed(world, remedy.rpartition(", or ")[0])


def last_command(world: Any, remedy: str) -> None:
    """The other alternative: look, then drop."""
    before, _, after = remedy.rpartition(", or ")
    typed(world, f"{re.search('`[^`]+`', before)[0]} {after}")


def set_in_redis(world: Any, remedy: str) -> None:
    """Set what the remedy names as a setting of Redis: `appendonly yes`."""
    name, value = re.search(r"set `(\S+) (\S+)`", remedy).groups()
    world.context.redis.config_set(name, value)


def set_in_environment(world: Any, remedy: str) -> None:
    """Give the processes the setting that the remedy names."""
    name, value = re.search(r"set (TENURE_\w+)=(\S+)", remedy).groups()
    given = {key: text for key, text in environ_of(world).items() if key != "TENURE_TEST_CLOCK"}
    world.context.__dict__["settings"] = load({**given, name: value})


def start_clock(world: Any, remedy: str) -> None:
    """What `python -m schedules` does: beat, fire, sweep, publish."""
    assert "`python -m schedules`" in remedy
    beat(world)
    world.fire()
    world.sweep()


def start_worker(world: Any, remedy: str) -> None:
    """What `python -m workers` does first: it says that it is there."""
    assert "`python -m workers`" in remedy
    liveness.beat(world.context.redis, "worker")


def move_it_away(world: Any, remedy: str) -> None:
    """Move away what stands where a folder must be; the remedy's sentence names it."""
    assert "move it away" in remedy
    for name in ("sites", "backups", "exports", "outbox"):
        if (world.data_dir / name).is_file():
            assert str(world.data_dir / name) in remedy
            (world.data_dir / name).unlink()


# Bringing things about


def beat(world: Any) -> None:
    with writing(world.context.database) as tx:
        clock.beat(tx, "clock")


def silence_clock(world: Any) -> None:
    with writing(world.context.database) as tx:
        tx.execute(clock.HEARTBEATS.update().values(at=clock.machine_now() - timedelta(seconds=31)))


def silence_workers(world: Any) -> None:
    for key in world.context.redis.scan_iter("tenure:alive:worker:*"):
        world.context.redis.delete(key)


def doubt_the_clock(world: Any) -> None:
    with writing(world.context.database) as tx:
        safety.enter(tx, "the wall clock jumped by +1:00:00", clock.machine_now())


def turned(state: str) -> Callable[[Any], None]:
    return lambda world: _turn(world, state)


def _turn(world: Any, state: str) -> None:
    with writing(world.context.database) as tx:
        breaker.turn(tx, state, "too many", world.now)


def let_a_timer_be_late(world: Any) -> None:
    world.start_trial()
    with reading(world.context.database) as tx:
        due = timer.earliest(tx)
    with writing(world.context.database) as tx:
        clock.move(tx, due + timedelta(minutes=6))


def leave_events_unsent(world: Any) -> None:
    world.start_trial()
    with writing(world.context.database) as tx:
        tx.execute(event.EVENTS.update().values(sent=False))
        clock.move(tx, world.now + timedelta(minutes=6))


class Refusing:
    """A mailer that refuses for good until it is mended."""

    def __init__(self, real: Any) -> None:
        self.real, self.is_mended = real, False

    def __getattr__(self, name: str) -> Any:
        return self._refuse if name == "send" and not self.is_mended else getattr(self.real, name)

    def _refuse(self, *_mail: Any) -> None:
        raise Permanent("550 the mailbox is not known here")


def let_a_letter_give_up(world: Any) -> None:
    world.context.__dict__["mailer"] = Refusing(world.context.mailer)
    world.start_trial()
    world.context.mailer.is_mended = True  # "mend that"


def send_nonsense(world: Any) -> None:
    with writing(world.context.database) as tx:
        dead.add(tx, "lifecycle", "unreadable", "?", clock.machine_now())
    assert dead_letters.listing(world.context)["dead"]


def put_a_file_at(name: str) -> Callable[[Any], None]:
    return lambda world: _put_file(world.data_dir / name)


def _put_file(path: Any) -> None:
    if path.is_dir():
        os.rename(path, f"{path}.aside")  # noqa: PTH104
    path.write_text("a file where the folder should be")


def set_redis(name: str, value: str) -> Callable[[Any], None]:
    return lambda world: world.context.redis.config_set(name, value)


def forget_the_test_clock(world: Any) -> None:
    given = {key: text for key, text in environ_of(world).items() if key != "TENURE_TEST_CLOCK"}
    world.context.__dict__["settings"] = load(given)


def with_a_valkey_of_its_own(world: Any, url: str) -> Any:
    """Give a world a Valkey that it may spoil."""
    world.context.__dict__["redis"] = clients.for_checks(url)
    return world


def put_back_the_schema(world: Any) -> None:
    """One migration back, as after a deployment that forgot `tenure migrate`."""
    config = Config(attributes={"connection": None})
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with writing(world.context.database) as tx:
        config.attributes["connection"] = tx
        alembic.command.downgrade(config, "-1")


DOCTOR = (
    Situation("schema", put_back_the_schema, typed, "`tenure migrate`"),
    Situation("safe mode", doubt_the_clock, typed, "`tenure safe-mode leave`"),
    Situation("deletions", turned("tripped"), typed, "`tenure deletion resume --confirm N`"),
    Situation("deletions", turned("paused"), typed, "`tenure deletion resume --confirm N`", "warn"),
    Situation("dead", let_a_letter_give_up, first_command, "`tenure dead retry ID`"),
    Situation("dead", send_nonsense, last_command, "`tenure dead drop ID`"),
    Situation("timers", let_a_timer_be_late, start_clock, "no clock fires them"),
    Situation("events", leave_events_unsent, start_clock, "nobody publishes them"),
    Situation("clock", forget_the_test_clock, set_in_environment, "set TENURE_TEST_CLOCK=1"),
    Situation("clock heartbeat", silence_clock, start_clock, "start `tenure up` or `python -m schedules`"),
    Situation("workers", silence_workers, start_worker, "start `tenure up` or `python -m workers`"),
    Situation("host", put_a_file_at("sites"), move_it_away, "move it away"),
    Situation("vault", put_a_file_at("backups"), move_it_away, "move it away"),
    Situation("downloads", put_a_file_at("exports"), move_it_away, "move it away"),
    Situation("mailer", put_a_file_at("outbox"), move_it_away, "move it away"),
)

REDIS = (
    Situation("append-only file", set_redis("appendonly", "no"), set_in_redis, "set `appendonly yes`"),
    Situation("appendfsync", set_redis("appendfsync", "no"), set_in_redis, "set `appendfsync always`"),
    Situation(
        "eviction",
        set_redis("maxmemory-policy", "allkeys-lru"),
        set_in_redis,
        "set `maxmemory-policy noeviction`",
        "refuse",
    ),
)
