"""Quick effects are claimed and settled in groups, and each is as safe as if it were alone."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, BrokenBarrierError, Event

import pytest

from models import effect
from models.database import reading, writing
from tests.live_engine import until
from workers.base import fault_points
from workers.base.errors import Temporary
from workers.context import Context
from workers.effects import crew as crews
from workers.effects import executor
from workers.effects.claim import NOTHING
from workers.effects.crew import MOST, Crew
from workers.effects.registry import EFFECTS
from workers.effects.settle import LostError

HOSTS = [f"site{number}.example.com" for number in range(5)]


@pytest.fixture
def seen():
    """How often each point was reached."""
    counted = Counter()
    hook = lambda point: counted.update([point])  # noqa: E731 - it is removed by its name
    fault_points.hooks.append(hook)
    yield counted
    fault_points.hooks.remove(hook)


@pytest.fixture
def asked(world):
    """Effects of five sites that wait: nobody has built them yet."""
    for host in HOSTS:
        world.say("start_trial", host, account="acme", email=f"owner@{host}")
    waiting, world.wakeups.waiting = world.wakeups.waiting, []
    return waiting


def status(world):
    with reading(world.context.database) as tx:
        return {row.id: row.status for row in tx.execute(effect.EFFECTS.select())}


def do(world, effect_ids):
    """What a crew without threads tells of these."""
    told = {}
    Crew(world.context, 0).take(effect_ids, told.update)
    return told


def test_a_group_is_claimed_together_and_each_of_it_is_done_and_told_of(world, asked, seen):
    assert do(world, asked) == dict.fromkeys(asked)

    assert {status(world)[one] for one in asked} == {"done"}
    assert (seen["group.claimed"], seen["effect.settled.provision"]) == (1, 5)
    assert {world.state(host) for host in HOSTS} == {"trial"}
    assert len(world.wakeups.waiting) == 10
    world.rest()
    assert [event["data"]["effect"] for event in world.events("effect.done")][:5] == asked


def test_of_one_lane_only_the_oldest_is_claimed_and_its_end_wakes_the_next(world):
    world.start_trial()
    world.say("suspend", reason="abuse")
    world.say("resume")
    with reading(world.context.database) as tx:
        first, second = [row.id for row in effect.unfinished(tx) if row.lane == "access"]
    with writing(world.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.IS_UNFINISHED).values(admitted=True))
    world.wakeups.waiting.clear()

    do(world, [second, first])
    assert (status(world)[first], status(world)[second]) == ("done", "pending")
    assert second in world.wakeups.waiting


def test_one_that_was_taken_over_does_not_keep_the_others_from_being_settled(world, asked):
    claims = executor.claim_all(world.context, asked)
    all_done = [executor.act(world.context, claim) for claim in claims]
    with writing(world.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == asked[0]).values(fence=7))

    with pytest.raises(LostError):
        executor.settle_together(world.context, all_done)
    assert set(Counter(status(world).values())) == {"running"}
    for done in all_done:
        executor.settle_alone(world.context, done)
    assert [status(world)[one] for one in asked] == ["running", *["done"] * 4]


def test_one_that_fails_is_tried_later_and_its_neighbours_are_done(world, asked, monkeypatch):
    build = EFFECTS["provision"].handler

    def build_all_but_one(context, claim):
        if claim.row.id == asked[2]:
            raise Temporary("the host is busy")
        return build(context, claim)

    monkeypatch.setitem(EFFECTS, "provision", replace(EFFECTS["provision"], handler=build_all_but_one))
    assert do(world, asked) == dict.fromkeys(asked)
    assert [status(world)[one] for one in asked] == ["done", "done", "pending", "done", "done"]


def test_several_of_one_site_are_settled_in_one_transaction_each_on_what_the_others_left(world, seen):
    world.start_trial()
    for number in range(2):
        world.say("update_contact", email=f"owner{number}@acme.example.com")
    letters, world.wakeups.waiting = world.wakeups.waiting, []
    version = world.show()["version"]

    assert do(world, letters) == dict.fromkeys(letters)
    assert seen["group.claimed"] == 1
    assert {status(world)[one] for one in letters} == {"done"}
    assert world.show()["version"] == version
    world.rest()
    assert world.open_effects() == []


def test_an_unknown_effect_is_over_and_one_whose_site_is_gone_is_said(world, asked):
    assert do(world, ["nobody:0:mail:x"]) == {"nobody:0:mail:x": None}
    with writing(world.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == asked[0]).values(site_id="site_gone"))
    with pytest.raises(LookupError, match="belongs to site site_gone"):
        do(world, asked)


def test_the_threads_of_a_crew_act_side_by_side_and_its_end_waits_for_them(world, asked, monkeypatch):
    together = Barrier(2)

    def act(_context, _claim):
        together.wait(20)
        return NOTHING

    monkeypatch.setitem(EFFECTS, "provision", replace(EFFECTS["provision"], handler=act))
    crew, told = Crew(world.context, 2), {}
    crew.start()
    crew.take(asked[:4], told.update)
    crew.end()
    assert told == dict.fromkeys(asked[:4])
    assert not together.broken
    assert Counter(status(world).values()) == {"done": 4, "pending": 1}
    with pytest.raises(BrokenBarrierError):
        together.wait(0)


@pytest.fixture
def held_up(world, asked, monkeypatch):
    """A crew of one thread whose first act waits until it is let go, with another behind it; and what they saw."""
    let_go, saw = Event(), []

    def act(_context, claim):
        saw.append(claim)
        assert let_go.wait(30)
        return NOTHING

    monkeypatch.setitem(EFFECTS, "provision", replace(EFFECTS["provision"], handler=act))
    monkeypatch.setattr(Context, "lease", timedelta(seconds=0.6))
    crew, told = Crew(world.context, 1), {}
    crew.start()
    crew.take(asked[:2], told.update)
    yield crew, told, let_go, saw
    let_go.set()


def test_what_waits_for_a_thread_keeps_its_claim_and_uses_up_one_try(world, asked, held_up):
    crew, told, let_go, _ = held_up
    first = row_of(world, asked[1]).leased_until
    until(lambda: row_of(world, asked[1]).leased_until > first + world.context.lease)
    assert executor.claim_all(world.context, asked[:2]) == []
    let_go.set()
    crew.end()
    assert told == dict.fromkeys(asked[:2])
    assert (row_of(world, asked[1]).status, row_of(world, asked[1]).attempt) == ("done", 1)


def test_what_waited_long_for_a_thread_acts_on_the_site_of_now(world, asked, held_up, monkeypatch):
    crew, _, let_go, saw = held_up
    monkeypatch.setattr(crews, "STALE_SECONDS", 0.0)
    world.say("update_contact", HOSTS[1], email="new@acme.example.com")
    let_go.set()
    crew.end()
    assert saw[1].site.email == "new@acme.example.com"


def test_what_another_worker_took_while_it_waited_is_left_to_it(world, asked, held_up, monkeypatch):
    crew, told, let_go, saw = held_up
    monkeypatch.setattr(crews, "STALE_SECONDS", 0.0)
    with writing(world.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == asked[1]).values(fence=7))
    let_go.set()
    crew.end()
    assert [claim.row.id for claim in saw] == asked[:1]
    assert told == dict.fromkeys(asked[:2])
    assert row_of(world, asked[1]).status == "running"


def row_of(world, effect_id):
    with reading(world.context.database) as tx:
        return effect.find(tx, effect_id)


def test_what_waits_long_for_a_thread_halves_what_is_claimed_ahead(world):
    crew = Crew(world.context, 4)
    for _ in range(MOST):
        crew._resize(0.0)
    assert crew.size == MOST
    sizes = []
    for _ in range(5):
        crew._resize(0.5)
        sizes.append(crew.size)
    assert sizes == [32, 16, 8, 4, 4]
    crew._resize(0.1)
    assert crew.size == 4
