"""A site that can't say how many agents are in use costs its neighbours nothing, and operators see what is wrong."""

import os
import threading
import time
from contextlib import closing
from itertools import count
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest

from models import site as sites
from models import site_fault
from models.database import reading
from tests.hostile import databases
from tests.world import HOST
from workers.adapters import agents_in_use
from workers.adapters.agents_in_use import PATIENCE_SECONDS
from workers.cli import reports
from workers.commands import handler
from workers.health import doctor
from workers.storage.held_database import Unusable

HEALTHY = "healthy.example.com"
SLACK = 0.7
"""Seconds that a machine busy with other tests may add."""


def asked(kind, host, key, **data):
    return (
        {
            "specversion": "1.0",
            "source": "tests",
            "id": key,
            "type": f"site.{kind}",
            "subject": host,
            "data": data,
        },
    )


@pytest.fixture
def neighbours(world):
    """A healthy site with two agents, and a hostile one."""
    for host in (HOST, HEALTHY):
        world.start_trial(host)
    world.use_agents(2, HEALTHY)
    return world


def test_a_batch_with_a_hostile_site_is_answered_in_time_and_the_neighbour_by_its_own_number(neighbours):
    databases.endless_view(neighbours.site_folder())
    batch = [
        asked("subscribe", HOST, "h", agents=3, payment_method="pm_visa"),
        asked("subscribe", HEALTHY, "n", agents=1, payment_method="pm_visa"),
        asked("show", HOST, "s"),
    ]
    began = time.monotonic()
    answers: list[Any] = handler.take_each(neighbours.context, batch)
    hostile, healthy, shown = answers
    assert time.monotonic() - began < PATIENCE_SECONDS + SLACK
    assert hostile["outcome"] == "applied"  # by the number that was known last
    assert healthy["code"] == "agents.below_used"
    assert shown["document"]["site"] == HOST


def test_what_was_counted_last_holds_for_who_breaks_the_database_to_hide_agents(neighbours):
    world = neighbours
    world.use_agents(5)
    assert world.say("show")["document"]["used_agents"] == 5
    databases.endless_view(world.site_folder())
    assert world.say("subscribe", agents=3, payment_method="pm_visa")["code"] == "agents.below_used"
    assert world.say("show")["document"]["used_agents"] == 5
    assert world.show()["version"] == world.say("show")["version"]


def test_what_is_wrong_and_what_to_do_stands_in_the_document_and_goes_when_it_is_mended(neighbours, monkeypatch):
    world = neighbours
    whole = (world.site_folder() / "helpdesk.db").read_bytes()
    databases.endless_view(world.site_folder())
    attention = world.show()["attention"]
    assert "agents is a view, not a table" in attention
    assert "make `agents` a table" in attention
    assert world.show(HEALTHY)["attention"] is None
    findings = [one.sentence for one in doctor.examine(world.context) if one.what == "sites' content"]
    assert len(findings) == 1
    assert "database.odd in 1" in findings[0]
    (world.site_folder() / "helpdesk.db").write_bytes(whole)
    world.context.agents.look_again()  # too soon
    assert world.show()["attention"] == attention
    monkeypatch.setattr(agents_in_use, "monotonic", later(agents_in_use.ASIDE_SECONDS))
    world.context.agents.look_again()
    assert world.show()["attention"] is None


def later(seconds):
    real = time.monotonic
    return lambda: real() + seconds


def test_a_site_that_could_not_tell_is_not_asked_again_while_somebody_waits(neighbours, monkeypatch):
    numbers = count(1)
    real = neighbours.context.host.used_agents

    def used_agents(site_id):
        if site_id == hostile:
            next(numbers)
            raise Unusable("database.slow", "helpdesk.db: it can't be read in time", "mend it")
        return real(site_id)

    hostile = neighbours.show()["id"]
    monkeypatch.setattr(neighbours.context.host, "used_agents", used_agents)
    for number in range(5):
        handler.take_each(neighbours.context, [asked("show", HOST, f"{number}")])
    assert next(numbers) == 2
    monkeypatch.setattr(agents_in_use, "monotonic", later(agents_in_use.ASIDE_SECONDS + 1))
    handler.take_each(neighbours.context, [asked("show", HOST, "again")])
    assert next(numbers) == 4


def test_a_host_that_never_answers_keeps_a_batch_two_seconds_and_the_next_one_not_at_all(neighbours, monkeypatch):
    world, over = neighbours, threading.Event()
    silent, real = world.show()["id"], world.context.host.used_agents

    def used_agents(site_id):
        if site_id == silent:
            over.wait(60)
        return real(site_id)

    monkeypatch.setattr(world.context.host, "used_agents", used_agents)
    try:
        took = []
        for key in ("first", "second"):
            began = time.monotonic()
            answers: list[Any] = handler.take_each(
                world.context, [asked("show", HOST, key), asked("show", HEALTHY, f"{key}.n")]
            )
            took.append(time.monotonic() - began)
            assert answers[1]["document"]["used_agents"] == 2
        assert took[0] < PATIENCE_SECONDS + SLACK
        assert took[1] < SLACK
    finally:
        over.set()


def test_many_sites_that_never_answer_do_not_use_up_the_askers_for_ever(world, monkeypatch):
    hosts = [f"h{number}.example.com" for number in range(12)]
    for host in [*hosts, HEALTHY]:
        world.start_trial(host)
    over, real = threading.Event(), world.context.host.used_agents
    silent = {world.show(host)["id"] for host in hosts}
    monkeypatch.setattr(
        world.context.host, "used_agents", lambda site_id: over.wait(60) and 1 if site_id in silent else real(site_id)
    )
    try:
        handler.take_each(world.context, [asked("show", host, host) for host in hosts])
        began = time.monotonic()
        handler.take_each(world.context, [asked("show", HEALTHY, "n")])
        assert time.monotonic() - began < PATIENCE_SECONDS + SLACK
    finally:
        over.set()


def test_askers_end_when_there_is_nothing_to_ask_and_begin_again(neighbours, monkeypatch):
    monkeypatch.setattr(agents_in_use, "IDLE_SECONDS", 0.05)
    agents = agents_in_use.AgentsInUse(neighbours.context)
    site_id = neighbours.show(HEALTHY)["id"]
    for _ in range(3):
        assert agents.ask([site_id]) == {site_id: 2}
        until = time.monotonic() + 10
        while agents._askers:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_renewal_is_on_time_while_a_neighbour_hangs_and_its_own_is_charged_by_what_was_known(neighbours):
    world = neighbours
    for host in (HOST, HEALTHY):
        world.send("subscribe", host, agents=3, payment_method="pm_visa")
    world.advance_to(world.show()["trial_ends_at"])
    databases.endless_view(world.site_folder())
    began = time.monotonic()
    world.advance_to(max(world.show(host)["period_ends_at"] for host in (HOST, HEALTHY)))
    charged = [charge["site"] for charge in world.charges()]
    assert charged.count(world.show(HEALTHY)["id"]) == charged.count(world.show()["id"]) == 2
    assert time.monotonic() - began < 120


def test_a_lock_is_told_only_when_it_is_found_twice(neighbours, monkeypatch):
    world = neighbours
    path = world.site_folder() / "helpdesk.db"
    os.utime(path)
    with closing(sqlite.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert reports.show(world.context, HOST)["attention"] is None
        monkeypatch.setattr(agents_in_use, "monotonic", later(agents_in_use.ASIDE_SECONDS + 1))
        assert "locked" in reports.show(world.context, HOST)["attention"]
        holder.execute("ROLLBACK")
    monkeypatch.setattr(agents_in_use, "monotonic", later(2 * agents_in_use.ASIDE_SECONDS + 2))
    world.context.agents.look_again()
    assert reports.show(world.context, HOST)["attention"] is None


def test_the_number_that_is_counted_when_a_fault_goes_is_kept(neighbours, monkeypatch):
    world = neighbours
    site_id = world.show()["id"]
    path = world.site_folder() / "helpdesk.db"
    path.rename(path.with_name("aside"))
    assert "is missing" in world.show()["attention"]
    path.with_name("aside").rename(path)
    world.use_agents(4)
    monkeypatch.setattr(agents_in_use, "monotonic", later(agents_in_use.ASIDE_SECONDS + 1))
    world.context.agents.look_again()
    with reading(world.context.database) as tx:
        assert sites.find(tx, site_id).used_agents == 4
        assert site_fault.of_site(tx, site_id) == []


def test_a_deletion_takes_the_faults_along(neighbours):
    world = neighbours
    folder = world.site_folder()
    site_id = folder.name
    with closing(sqlite.connect(folder / "helpdesk.db")) as desk, desk:
        desk.execute("ALTER TABLE agents RENAME TO people")
    assert "agents is missing" in world.show()["attention"]
    with reading(world.context.database) as tx:
        assert len(site_fault.of_site(tx, site_id)) == 1
    world.send("cancel")
    world.advance(days=15)
    assert world.state() == "deleted"
    with reading(world.context.database) as tx:
        assert site_fault.of_site(tx, site_id) == []
    assert not os.path.lexists(folder)
