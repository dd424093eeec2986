"""On PostgreSQL writers stand side by side: each race is held at its worst moment, and ends as if they had queued."""

from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from threading import Event, Thread

import pytest
from sqlalchemy import text

from models import breaker, clock, deletion, effect, safety, sequence
from models.clock import engine_now, machine_now
from models.database import reading, writing
from models.timestamps import stamp
from tests.live_engine import until
from tests.world import World
from workers.base import fault_points
from workers.commands import handler
from workers.effects import executor as effects
from workers.timers import fire as timers

TRIAL = {"account": "acme", "email": "owner@acme.example"}


@pytest.fixture
def other(world):
    """A second worker, on the same database."""
    settings = world.context.settings
    made = World(world.data_dir, settings.redis_url, DATABASE_URL=settings.database_url)
    made.ids = (f"other-{number}" for number in count(1))
    vars(made)["hand_over"] = lambda *args: handler.take_each(made.context, [args])[0]
    yield made
    made.close()


@contextmanager
def held_at(point, verb):
    """`verb` runs until `point`, and stays there while the block runs; its answer is in the list afterwards."""
    there, goes_on, answers = Event(), Event(), []

    def hook(reached):
        if reached == point and not there.is_set():
            there.set()
            goes_on.wait(30)

    one = Thread(target=lambda: answers.append(verb()))
    fault_points.hooks[:] = [hook]
    one.start()
    assert there.wait(30)
    try:
        yield answers
    finally:
        goes_on.set()
        one.join(30)
        fault_points.hooks.clear()


class Behind:
    """Somebody who does `verb` and waits for a lock; the answer is there once the one before has let go."""

    def __init__(self, world, verb):
        self.answers = []
        self.thread = Thread(target=lambda: self.answers.append(verb()))
        self.thread.start()
        until(lambda: waiting(world))

    def answer(self):
        self.thread.join(30)
        (said,) = self.answers
        return said


def waiting(world):
    """How many wait for a lock."""
    with reading(world.context.database) as tx:
        return tx.execute(text("select count(*) from pg_locks where not granted")).scalar_one()


def race(world, point, first, second):
    """The first is held at a point, the second comes to wait for it; the answers of both."""
    with held_at(point, first) as answers:
        follower = Behind(world, second)
    return answers[0], follower.answer()


def test_one_command_judged_by_two_workers_at_once_is_answered_twice_and_done_once(world, other):
    one, two = race(
        world,
        "command.judged",
        lambda: world.say("start_trial", key="same", **TRIAL),
        lambda: other.say("start_trial", key="same", **TRIAL),
    )
    assert (one["outcome"], one["duplicate"]) == ("applied", False)
    assert two == {**one, "duplicate": True}
    assert [move["id"] for move in world.history()] == ["same"]


def test_one_command_for_a_site_that_is_there_waits_for_the_first_worker_s_answer(world, other):
    world.start_trial()
    card = {"agents": 3, "payment_method": "pm_visa"}
    one, two = race(
        world,
        "command.judged",
        lambda: world.say("subscribe", key="same", **card),
        lambda: other.say("subscribe", key="same", **card),
    )
    assert (one["outcome"], two) == ("applied", {**one, "duplicate": True})


def test_of_two_trials_for_one_hostname_at_once_one_begins_and_the_other_is_told_that_it_is_taken(world, other):
    one, two = race(
        world,
        "command.judged",
        lambda: world.say("start_trial", key="one", **TRIAL),
        lambda: other.say("start_trial", key="two", **TRIAL),
    )
    assert (one["outcome"], two["outcome"], two["code"]) == ("applied", "refused", "host.taken")


def test_a_charge_that_is_being_claimed_is_awaited_by_a_cancellation_and_not_withdrawn(world, other):
    charge = a_charge_that_waits(world)
    works, said = race(
        world, "effect.claiming", lambda: effects.claim_all(world.context, [charge]), lambda: other.say("cancel")
    )
    assert ([work.row.id for work in works], said["outcome"]) == ([charge], "applied")
    assert status_of(world, charge) == "running"


def test_a_charge_that_is_being_withdrawn_is_not_claimed(world, other):
    charge = a_charge_that_waits(world)
    said, works = race(
        world, "command.judged", lambda: other.say("cancel"), lambda: effects.claim_all(world.context, [charge])
    )
    assert (said["outcome"], works) == ("applied", [])
    assert status_of(world, charge) == "void"


def a_charge_that_waits(world):
    """A renewal's charge that nobody has claimed yet."""
    site = world.start_active()
    run, world.rest = world.rest, lambda: None
    world.advance_to(site["period_ends_at"])
    world.rest = run
    with reading(world.context.database) as tx:
        return next(row.id for row in effect.unfinished(tx) if row.kind == "charge")


def status_of(world, effect_id):
    with reading(world.context.database) as tx:
        return effect.find(tx, effect_id).status


def test_two_clocks_together_let_no_more_deletions_through_than_the_pace_allows(tmp_path, redis_url, databases):
    given = databases()
    caps = {"DELETIONS_PER_HOUR": "3", "DELETIONS_PER_DAY": "50", "DELETIONS_SHARE": "1"}
    clocks = [World(tmp_path / "data", redis_url, **given, **caps) for _ in range(2)]
    world, hosts = clocks[0], [f"s{number}.example.com" for number in range(6)]
    for host in hosts:
        world.start_trial(host)
        world.send("cancel", host)
    world.advance(days=15)
    with writing(world.context.database) as tx:
        now = engine_now(tx)
        breaker.turn(tx, "released", "by an operator", now, budget=6)
        timers.timer.ask_deletions_again(tx, now)
    timers_batch, timers.BATCH = timers.BATCH, 3
    try:
        race(world, "timer.fired", lambda: timers.fire_due(world.context), lambda: timers.fire_due(clocks[1].context))
    finally:
        timers.BATCH = timers_batch

    assert [world.state(host) for host in hosts].count("deleting") == 3


def test_receipts_of_deletions_that_are_written_at_once_make_one_chain(world):
    with writing(world.context.database) as tx:
        deletion.chain(tx, "site_one", {"site_id": "site_one"}, machine_now())
        second = Behind(world, lambda: chain(world, "site_two"))
    assert second.answer() == {"site_id": "site_two"}
    with reading(world.context.database) as tx:
        assert [row.site_id for row in deletion.all_receipts(tx)] == ["site_one", "site_two"]
        assert deletion.broken_at(tx) is None


def chain(world, site_id):
    with writing(world.context.database) as tx:
        return deletion.chain(tx, site_id, {"site_id": site_id}, machine_now())


def test_a_number_that_was_taken_and_given_back_is_given_to_the_one_who_waits(world):
    assert number(world) == 1
    with writing(world.context.database) as tx:
        assert sequence.count(tx, "invoice") == 2
        second = Behind(world, lambda: number(world))
        tx.rollback()
    assert second.answer() == 2


def number(world):
    with writing(world.context.database) as tx:
        return sequence.count(tx, "invoice")


def test_safe_mode_is_begun_once_by_two_clocks(world):
    with writing(world.context.database) as tx:
        assert safety.enter(tx, "the first", machine_now())
        second = Behind(world, lambda: enter(world))
    assert second.answer() is False
    with reading(world.context.database) as tx:
        assert safety.state(tx).why == "the first"


def enter(world):
    with writing(world.context.database) as tx:
        return safety.enter(tx, "the second", machine_now())


def test_the_test_clock_waits_for_a_command_that_has_read_it(world, other):
    world.start_trial()
    before = world.now
    later = before + timedelta(days=1)
    with held_at("command.judged", lambda: world.say("back_up")):
        mover = Behind(world, lambda: move(other, later))
        assert world.now == before
    mover.answer()
    assert (world.now, world.history()[-1]["at"]) == (later, stamp(before))


def move(world, moment):
    with writing(world.context.database) as tx:
        clock.move(tx, moment)


def test_an_event_that_is_committed_behind_a_later_one_is_not_lost_and_stays_in_order(world, other):
    world.start_trial("a.example.com")
    world.start_trial("b.example.com")
    with held_at("command.judged", lambda: world.say("update_contact", "a.example.com", email="new@a.example")):
        other.say("update_contact", "b.example.com", email="new@b.example")
        late = [event["subject"] for event in world.events("command.answered")][-1]
        assert late == "b.example.com"
    world.say("cancel", "a.example.com")

    told = [event["causationid"] for event in world.events("command.answered") if event["subject"] == "a.example.com"]
    assert told == [move["id"] for move in world.history("a.example.com") if move["source"] == "tests"]
    assert world.unsent() == 0
