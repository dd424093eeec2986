"""Timers when one of them fails, when two clocks fire, and when the host can't be asked."""

import pytest

from models import receipt, timer
from models import site as sites
from models.clock import engine_now
from models.database import reading, writing
from models.timestamps import stamp
from tests.world import World
from workers.timers import fire as timers

BROKEN, WELL = "broken.example.com", "well.example.com"


def two_trials(world):
    for host in (BROKEN, WELL):
        world.start_trial(host)
    return world.show(BROKEN)["id"]


@pytest.mark.parametrize("wrong", [LookupError("a fact is not set"), ValueError("no"), RuntimeError("moved on")])
def test_a_site_whose_timer_fails_costs_no_other_site_its_own(world, wrong, monkeypatch):
    broken_id = two_trials(world)
    real = timers.engine.decide

    def unlawful(site, command, now, policy):
        if site.id == broken_id and command.type == "site.expire":
            raise wrong
        return real(site, command, now, policy)

    monkeypatch.setattr(timers.engine, "decide", unlawful)
    world.advance(days=30)
    assert (world.state(BROKEN), world.state(WELL)) == ("trial", "expired")

    monkeypatch.undo()
    world.advance(hours=1)
    assert world.state(BROKEN) == "expired"


def test_a_firing_whose_key_exists_already_is_put_off_and_costs_no_other_site_its_own(world):
    broken_id = two_trials(world)
    at = world.show(BROKEN)["trial_ends_at"]
    with writing(world.context.database) as tx:
        row = {"source": "tenure:clock", "id": f"{broken_id}:expire:0:{at}", "type": "site.expire", "digest": ""}
        tx.execute(receipt.RECEIPTS.insert(), {**row, "at": engine_now(tx), "outcome": "applied"})

    world.advance(days=30)
    assert (world.state(BROKEN), world.state(WELL)) == ("trial", "expired")
    with reading(world.context.database) as tx:
        assert stamp(timer.of_site(tx, broken_id)["expire"]) > at


def test_a_host_that_fails_unexpectedly_stops_no_renewal(world, monkeypatch):
    renewal = world.start_active()["period_ends_at"]

    def broken(_site_id):
        raise KeyError("agents")

    monkeypatch.setattr(world.context.host, "used_agents", broken)
    world.advance_to(renewal)
    assert len(world.charges()) == 2


def test_a_renewal_that_cannot_ask_the_host_remembers_how_many_agents_were_in_use(world, monkeypatch):
    world.start_active(agents=7)
    world.use_agents(6)
    world.send("change_plan", agents=6)
    world.use_agents(7)
    world.send("update_contact", email="new@acme.example")
    site = world.show()
    assert site["plan"]["next_agents"] == 6

    monkeypatch.setattr(world.context.host, "used_agents", lambda _site_id: None)
    with reading(world.context.database) as tx:
        assert sites.find(tx, site["id"]).used_agents == 6


def test_two_clocks_that_fire_at_once_move_each_site_once(world):
    hosts = [f"s{number}.example.com" for number in range(5)]
    for host in hosts:
        world.start_trial(host)
    run, world.rest = world.rest, lambda: None
    world.advance(days=30, seconds=-1)
    settings = world.context.settings
    other = World(world.data_dir, settings.redis_url, DATABASE_URL=settings.database_url)
    world.advance(seconds=1)
    assert timers.fire_due(other.context) == 0
    world.rest = run
    other.close()
    for host in hosts:
        assert [move["type"] for move in world.history(host)].count("site.expire") == 1


def test_a_timer_without_a_site_does_not_keep_the_clock_busy_for_ever(world):
    world.start_trial()
    with writing(world.context.database) as tx:
        now = engine_now(tx)
        row = {"site_id": "site_gone", "kind": "expire", "generation": 0, "due_at": now, "wakes_at": now}
        tx.execute(timer.TIMERS.insert(), row)

    world.advance(seconds=1)
    with reading(world.context.database) as tx:
        assert timer.earliest(tx) > engine_now(tx)
