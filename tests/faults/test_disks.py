"""A disk is full, or the database is locked: what can't be done now is said, kept, and done when there is room."""

import json
import os
import shutil
from contextlib import closing, contextmanager

import dramatiq
import pytest
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy.exc import OperationalError

from models import database, effect
from models.database import reading
from schedules.clock import Clock
from tests.live_engine import HOST, until
from tests.world import World
from workers.cli import backup_reports, sending
from workers.commands import handler
from workers.effects import executor as effects
from workers.queue.broker import make_broker

TRIAL = {"account": "acme", "email": "owner@acme.example"}
HOSTS = [f"site{number}.example.com" for number in range(4)]


@pytest.fixture
def made(tmp_path, redis_url, log_lines):
    """Makes worlds, and the lines of their log."""
    worlds = []

    def make(folder=tmp_path / "data", **settings):
        worlds.append(World(folder, redis_url, **settings))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def lines_of(path, word):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["msg"] == word]


@pytest.mark.parametrize(("store", "kind"), [("BACKUPS_URL", "back_up"), ("HOST_URL", "provision")])
def test_a_store_whose_disk_is_full_says_so_and_the_work_is_done_when_there_is_room(
    made, small_disk, log_lines, store, kind
):
    world = made(**{store: f"file:{small_disk.folder}"})
    if kind == "back_up":
        world.start_trial()
        (world.site_folder() / "attachments" / "large.bin").write_bytes(os.urandom(2 << 20))
    small_disk.fill()
    said = world.send("back_up") if kind == "back_up" else world.send("start_trial", **TRIAL)

    assert said["outcome"] == "applied"
    (row,) = [row for row in open_rows(world) if row.kind == kind]
    assert (row.status, row.retry_at is not None) == ("pending", True)
    (line,) = [line for line in lines_of(log_lines, "failed") if line["effect"] == kind]
    assert line["next"]
    assert "full" in line["error"] or "No space left on device" in line["error"]
    assert line["error"].startswith(str(small_disk.folder))
    assert line["error"].endswith("; free space on this disk")
    assert whole_files(small_disk.folder) == ["ballast"]

    small_disk.make_room()
    world.retry_now()
    assert open_rows(world) == []
    assert len([line for line in lines_of(log_lines, "done") if line["effect"] == kind]) == 1
    assert world.state() == "trial"
    assert len(backup_reports.listing(world.context, HOST)["backups"]) == (kind == "back_up")


def whole_files(folder):
    """What passes for a site or a backup: what is being built is hidden."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def open_rows(world):
    with reading(world.context.database) as tx:
        return effect.unfinished(tx)


def test_books_whose_disk_is_full_book_nothing_and_one_charge_when_there_is_room(made, small_disk, tmp_path, log_lines):
    world = made(small_disk.folder / "data", DATABASE_URL=f"sqlite:///{tmp_path}/elsewhere.db", TRIAL_DAYS="1")
    world.start_trial()
    world.send("subscribe", agents=3, payment_method="pm_visa")
    world.advance(hours=23)
    small_disk.fill()
    world.advance(hours=1)

    (row,) = [row for row in open_rows(world) if row.kind == "charge"]
    assert (row.status, world.charges(), world.state()) == ("pending", [], "active")
    assert [invoice["status"] for invoice in world.show()["invoices"]] == ["open"]
    (line,) = [line for line in lines_of(log_lines, "failed") if line["effect"] == "charge"]
    assert "No space left on device" in line["error"]
    assert line["next"]

    small_disk.make_room()
    world.retry_now()
    assert (len(world.charges()), world.state()) == (1, "active")
    assert [invoice["status"] for invoice in world.show()["invoices"]] == ["paid"]


def test_a_database_whose_disk_is_full_keeps_commands_waiting_and_answers_them_when_there_is_room(live, small_disk):
    live.start(DATABASE_URL=f"sqlite:///{small_disk.folder}/tenure.db", LEASE_SECONDS="2")
    live.start_trial()
    small_disk.fill()
    for host in HOSTS:
        live.say("start_trial", "account=acme", f"email=owner@{host}", host=host, key=f"{host}:start")
    until(lambda: [line for line in live.log() if line.get("code") == "database.away"])
    until(lambda: [line for line in live.log() if "the heartbeat was not written" in str(line.get("error"))])
    small_disk.make_room()

    until(lambda: states(live) == ["trial"] * 5, 60)
    live.advance("0s")
    said = next(line["error"] for line in live.log() if line.get("code") == "database.away")
    assert "database or disk is full" in said
    assert "they are judged again in" in said
    assert all([move["type"] for move in live.history(host)].count("site.start_trial") == 1 for host in HOSTS)
    assert len(list((live.data_dir / "outbox").glob("*.eml"))) == 5
    assert live.json("dead", "list")["dead"] == []


def states(live):
    return [site["state"] for site in live.json("site", "list")["sites"]]


@contextmanager
def locked_by_another(world):
    """Another program holds the database's write lock."""
    other = sqlite.connect(world.data_dir / "tenure.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits half a minute for the lock."""
    monkeypatch.setattr(database, "LOOKING_SECONDS", 0.1)
    monkeypatch.setattr(database, "BUSY_MS", 100)


def test_a_command_that_finds_the_database_locked_waits_in_its_queue(made, impatient, redis_url, log_lines):
    world = made()
    broker = make_broker(redis_url, threads=8)
    broker.take = lambda batch: handler.take_each(world.context, batch)
    dramatiq.actor(print, actor_name="command", queue_name="lifecycle", broker=broker)
    consumer = broker.consume("lifecycle", timeout=0)
    body = sending.envelope(
        "start_trial", HOST, ("account=acme", "email=o@a.example"), source="t", key="once", extra={}
    )
    sending.enqueue(world.context, body)
    with locked_by_another(world):
        next(consumer)
    assert broker.client.llen("dramatiq:lifecycle") == 1
    (line,) = lines_of(log_lines, "failed")
    assert line["code"] == "database.away"
    assert "database is locked; 1 commands wait, they are judged again in" in line["error"]

    next(consumer)
    world.rest()
    assert (world.state(), broker.client.hlen("dramatiq:lifecycle.msgs")) == ("trial", 0)
    broker.close()


def test_effects_and_timers_that_find_the_database_locked_lose_nothing(made, impatient, log_lines):
    world = made(TRIAL_DAYS="1")
    world.start_trial()
    world.advance(hours=23)
    world.say("export")
    (export,) = world.open_effects()
    clock = Clock(world.context)
    with locked_by_another(world):
        with pytest.raises(OperationalError, match="locked"):
            effects.run(world.context, export)
        clock.fire_all()
        clock.sweep_all()
        clock.beat()
    assert world.open_effects() == [export]
    said = [line["error"] for line in lines_of(log_lines, "alarm")]
    assert [one.split(":")[0] for one in said] == [
        "due timers could not be fired, they are tried again in a second",
        "the heartbeat was not written",
    ]
    world.rest()
    world.advance(hours=1)
    assert world.state() == "expired"
    assert world.open_effects() == []


def test_the_clock_carries_what_was_committed_over_into_the_database_s_own_file(made, tmp_path, log_lines):
    world = made()
    world.start_trial()
    clock = Clock(world.context)
    with locked_by_another(world):
        clock.carry_over()
    alone = shutil.copy(world.data_dir / "tenure.db", tmp_path / "alone.db")
    with closing(sqlite.connect(alone)) as database:
        assert database.execute("SELECT host, state FROM site").fetchall() == [(HOST, "trial")]
    assert lines_of(log_lines, "alarm") == []


def test_a_log_that_can_not_be_carried_over_is_told_and_tried_again(made, log_lines):
    world = made()
    world.context.database.dispose()
    database = world.data_dir / "tenure.db"
    database.rename(database.with_suffix(".aside"))
    database.mkdir()
    Clock(world.context).carry_over()
    assert "the database's log could not be carried over" in lines_of(log_lines, "alarm")[0]["error"]
    database.rmdir()
    database.with_suffix(".aside").rename(database)
    Clock(world.context).carry_over()
    assert len(lines_of(log_lines, "alarm")) == 1


def test_a_backup_store_that_is_full_for_a_night_costs_that_night_only(made, small_disk):
    world = made(BACKUPS_URL=f"file:{small_disk.folder}")
    world.start_trial()
    (world.site_folder() / "attachments" / "large.bin").write_bytes(os.urandom(2 << 20))
    small_disk.fill()
    world.advance(days=1)
    small_disk.make_room()
    world.retry_now()
    world.advance(days=1)

    assert len(backup_reports.listing(world.context, HOST)["backups"]) == 2
    assert world.show()["attention"] is None
