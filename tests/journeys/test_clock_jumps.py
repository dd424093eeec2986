"""The machine's clock jumps 400 days ahead and back while customers live by it: nothing is done to any of them."""

import json
from datetime import datetime, timedelta

import pytest

from models import clock, safety
from models.database import reading, writing
from models.event import EVENTS
from schedules.clock import Clock
from tests.world import World
from workers.base import clock_memory
from workers.health import doctor
from workers.safety import safe_mode as sanity_rules

FAR = timedelta(days=400)
JOBS = ("beat", "fire_all", "sweep_all", "remove_history")


class Machine:
    """This machine's wall clock, and that of its Redis and its database, moved together."""

    def __init__(self, monkeypatch):
        self.ahead = timedelta(0)
        monkeypatch.setattr(clock, "datetime", self)
        monkeypatch.setattr(sanity_rules, "redis_now", lambda _place: self.now(None))
        monkeypatch.setattr(safety, "server_now", lambda _tx: self.now(None))

    def now(self, _zone):
        return datetime.now(clock.UTC) + self.ahead


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


@pytest.fixture
def fleet(tmp_path, redis_url, databases, machine):
    """One site for each thing that time does: it expires, is charged first, is charged again, is deleted."""
    world = World(tmp_path / "data", redis_url, TRIAL_DAYS="1", **databases())
    with writing(world.context.database) as tx:
        tx.execute(clock.CLOCK.update().values(now=machine.now(None) - timedelta(days=1, hours=1)))
    world.start_active("active.example.com")
    world.start_trial("cancelled.example.com")
    world.send("cancel", "cancelled.example.com")
    world.start_trial("trial.example.com")
    world.start_trial("subscribed.example.com")
    world.send("subscribe", "subscribed.example.com", agents=7, payment_method="pm_visa")
    with writing(world.context.database) as tx:
        tx.execute(clock.CLOCK.update().values(mode="wall"))
    live_on(world)
    yield world
    world.close()


def live_on(world, first="beat"):
    """Three rounds of all that a clock process does, and of the effects that follow."""
    process = Clock(world.context)
    for _ in range(3):
        for job in sorted(JOBS, key=lambda name: name != first):
            getattr(process, job)()
        world.rest()


def what_customers_have(world):
    """States, charges, letters, content, backups, and how many events and effects there ever were."""
    hosts = [f"{name}.example.com" for name in ("active", "cancelled", "trial", "subscribed")]
    with reading(world.context.database) as tx:
        oldest = tx.execute(EVENTS.select().order_by("seq").limit(1)).one().id
    files = [str(path) for store in ("sites", "backups", "exports") for path in (world.data_dir / store).rglob("*")]
    states = [world.state(host) for host in hosts]
    return states, world.charges(), len(world.mails()), sorted(files), world.effect_kinds(), oldest


def restart(world):
    world.context.__dict__["sanity"] = clock_memory.ClockMemory()


@pytest.mark.parametrize(
    ("process", "first"), [("that runs on", "sweep_all"), *(("that starts afresh", job) for job in JOBS)]
)
def test_a_clock_that_jumps_400_days_ahead_and_back_does_nothing_to_anybody(fleet, machine, log_lines, process, first):
    before = what_customers_have(fleet)
    for jump in (FAR, -FAR):
        machine.ahead += jump
        if process == "that starts afresh":
            restart(fleet)
        live_on(fleet, first)
        assert what_customers_have(fleet) == before

    assert [event["data"]["alarm"] for event in fleet.events("alarm.raised")] == ["safe_mode"]
    lines = [json.loads(line) for line in log_lines.read_text().splitlines()]
    (said,) = [line["error"] for line in lines if line["msg"] == "alarm"]
    assert "safe mode" in said
    assert said.endswith("no timer fires. look at the clocks and the database, then `tenure safe-mode leave`")
    (found,) = [finding for finding in doctor.examine(fleet.context) if finding.what == "safe mode"]
    assert found.remedy.endswith("look at it, then `tenure safe-mode leave`")
    assert fleet.send("extend_trial", "trial.example.com", days=1)["outcome"] == "applied"


def test_after_the_jump_and_the_operator_time_goes_on_as_if_nothing_had_been(fleet, machine):
    before = what_customers_have(fleet)
    machine.ahead = FAR
    live_on(fleet)
    machine.ahead = timedelta(0)
    live_on(fleet)
    sanity_rules.leave(fleet.context)
    live_on(fleet)

    assert what_customers_have(fleet) == before
    with reading(fleet.context.database) as tx:
        assert not safety.holds(tx)
        assert abs(safety.state(tx).wall_at - machine.now(None)) < timedelta(minutes=1)
