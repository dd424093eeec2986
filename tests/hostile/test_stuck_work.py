"""Work that moves nothing loses its claim, is named where operators look, and is in nobody's way."""

import os
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from models import claims, effect
from models.clock import machine_now
from models.database import reading, writing
from tests.hostile import databases
from tests.world import HOST, World
from workers.base.progress import Progress, moved, watched
from workers.effects import executor as effects
from workers.effects import lease
from workers.health import doctor

LEASE = 0.3


@pytest.fixture
def hasty(tmp_path, redis_url, databases, monkeypatch):
    """A world in which a lease is short, and work counts as stuck soon."""
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.5)
    made = World(tmp_path / "data", redis_url, LEASE_SECONDS=str(LEASE), **databases())
    yield made
    made.close()


def claimed(world):
    """The first effect of a new site, claimed by this process."""
    world.say("start_trial", account="acme", email="owner@acme.example")
    with writing(world.context.database) as tx:
        (row,) = claims.take(tx, world.wakeups.waiting[:1], machine_now(), timedelta(seconds=LEASE)).values()
    return row


def row_of(world, row):
    with reading(world.context.database) as tx:
        return effect.find(tx, row.id)


def until(is_so, seconds=20):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextmanager
def acting(world, row, step=None):
    """An act of another thread that does nothing, or one step again and again, until the block ends."""
    over = threading.Event()

    def act():
        with lease.keeping(world.context, row):
            while not over.wait(0.05 if step else None):
                step()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def stuck_findings(world):
    return [one for one in doctor.examine(world.context) if one.what == "stuck work"]


def test_an_act_that_waits_for_nothing_loses_its_claim_and_is_named_everywhere(hasty):
    row = claimed(hasty)
    with acting(hasty, row):
        until(lambda: row_of(hasty, row).stuck_since is not None)
        until(lambda: row_of(hasty, row).leased_until < machine_now())
        (found,) = stuck_findings(hasty)
        assert found.fails
        assert row.site_id in found.value
        assert "provision has moved nothing since" in hasty.show()["attention"]
        with writing(hasty.context.database) as tx:
            again = claims.take(tx, [row.id], machine_now(), timedelta(seconds=60)).get(row.id)
    assert again.fence == row.fence + 1
    assert row_of(hasty, row).stuck_since is None
    assert stuck_findings(hasty)[0].well
    assert "moved nothing" not in (hasty.show()["attention"] or "")
    stuck, alarm = told(hasty, "work.stuck"), told(hasty, "alarm.raised")
    assert (stuck["effect"], stuck["kind"], stuck["since"][-1]) == (row.id, "provision", "Z")
    assert alarm["code"] == "work.stuck"
    assert row.site_id in alarm["what"]
    assert alarm["do"]


def told(world, kind):
    """The data of the one event of a kind."""
    effects.relay.publish(world.context)
    (body,) = world.events(kind)
    return body["data"]


def test_an_act_that_moves_bytes_keeps_its_claim_however_long_it_takes(hasty, tmp_path):
    row = claimed(hasty)
    with acting(hasty, row, lambda: (tmp_path / "some").write_bytes(b"x")):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert row_of(hasty, row).stuck_since is None
            time.sleep(0.05)
    assert row_of(hasty, row).leased_until > row.leased_until


def test_an_act_that_is_stuck_and_moves_again_gets_its_claim_back_if_nobody_took_it(hasty, tmp_path):
    row, moves = claimed(hasty), threading.Event()
    with acting(hasty, row, lambda: moves.is_set() and (tmp_path / "some").write_bytes(b"x")):
        until(lambda: row_of(hasty, row).stuck_since is not None)
        moves.set()
        until(lambda: row_of(hasty, row).stuck_since is None)
        until(lambda: row_of(hasty, row).leased_until > machine_now())


@pytest.mark.parametrize("kind", ["mail", "charge"])
def test_who_waits_for_an_answer_from_outside_is_given_longer_and_not_for_ever(world, kind):
    world.start_trial()
    with reading(world.context.database) as tx:
        row = effect.of_site(tx, world.show()["id"])[0]
    named = SimpleNamespace(**{**row._mapping, "kind": kind})
    assert lease.STILL_SECONDS < lease.Act(world.context, named, Progress()).patience <= 1_200


class TestProgress:
    def test_a_thread_that_waits_does_not_move(self):
        ready, over, seen = threading.Event(), threading.Event(), []

        def wait():
            with watched() as progress:
                seen.append(progress)
                ready.set()
                over.wait(20)

        thread = threading.Thread(target=wait)
        thread.start()
        ready.wait(20)
        seen[0].has_moved()
        assert not seen[0].has_moved()
        over.set()
        thread.join()

    def test_a_thread_that_is_blocked_in_a_fifo_does_not_move(self, tmp_path):
        fifo, seen, ready = tmp_path / "fifo", [], threading.Event()
        os.mkfifo(fifo)

        def open_it():
            seen.append(Progress())
            ready.set()
            fifo.open("rb").close()

        thread = threading.Thread(target=open_it)
        thread.start()
        ready.wait(20)
        time.sleep(0.05)
        seen[0].has_moved()
        assert not seen[0].has_moved()
        os.close(os.open(fifo, os.O_WRONLY))
        thread.join()

    def test_reading_writing_and_words_of_others_are_movement(self, tmp_path):
        with watched() as progress:
            progress.has_moved()
            (tmp_path / "some").write_bytes(b"x")
            assert progress.has_moved()
            moved(0)
            assert progress.has_moved()

    def test_work_without_reading_and_writing_is_movement(self):
        with watched() as progress:
            progress.has_moved()
            until_busy = time.thread_time() + 0.6
            while time.thread_time() < until_busy:
                pass
            assert progress.has_moved()


def test_two_sites_with_a_fifo_stop_no_backup(world):
    hosts = [HOST, "second.example.com", "healthy.example.com"]
    for host in hosts:
        world.start_trial(host)
    for host in hosts[:2]:
        folder = world.site_folder(host)
        os.mkfifo(folder / "x")
        os.mkfifo(folder / "x-wal")
        databases.fifo_beside("-wal")(folder)
    began = time.monotonic()
    for host in hosts:
        world.send("back_up", host)
    assert time.monotonic() - began < 30
    assert "healthy.example.com" in [one["subject"] for one in world.events("backup.verified")]
    assert not any(one["type"] == "backup.verified" and one["subject"] in hosts[:2] for one in world.events())
    assert "-wal is a FIFO" in world.show()["attention"]
