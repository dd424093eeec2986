"""A database that goes away, comes back, or says nothing: no act is done twice, and nobody waits without an end."""

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from models import effect, event
from models.clock import machine_now
from models.database import connect, reading, writing
from models.timestamps import unstamp
from tests.postgres.proxy import Proxy
from tests.world import World
from workers.base import fault_points, logs
from workers.base.away import AWAY, OWN
from workers.effects import executor as effects
from workers.effects import site_lock
from workers.health import preflight


@pytest.fixture
def wire(tmp_path, redis_url, databases):
    """A proxy, and a world behind it."""
    proxy = Proxy(databases()["DATABASE_URL"])
    world = World(tmp_path / "data", redis_url, DATABASE_URL=proxy.url)
    yield proxy, world
    fault_points.hooks.clear()
    world.close()
    proxy.close()


@pytest.fixture
def said():
    """The lines of the log."""

    class Lines(list):
        def write(self, line):
            self.append(line)

        def flush(self):
            return None

        def isatty(self):
            return False

    lines = Lines()
    logs.configure("json", lines)
    yield lambda: [json.loads(line) for line in "".join(lines).splitlines()]
    logs.configure("json", Lines())


def once_at(point, verb):
    """Do something at the first time that a point is reached."""
    done = []

    def hook(reached):
        if reached == point and not done:
            done.append(point)
            verb()

    fault_points.hooks[:] = [hook]
    return done


def lose_the_commit_after(proxy, point):
    return once_at(point, lambda: setattr(proxy, "loses_a_commit", True))


def the_only(world):
    (effect_id,) = world.open_effects()
    return effect_id


def row_of(world, effect_id):
    with reading(world.context.database) as tx:
        return effect.find(tx, effect_id)


def test_a_command_whose_commit_got_no_reply_is_delivered_again_and_answered_from_its_receipt(wire):
    proxy, world = wire
    world.start_trial()
    lose_the_commit_after(proxy, "command.judged")
    with pytest.raises(OperationalError):
        world.say("subscribe", key="once", agents=3, payment_method="pm_visa")
    assert proxy.lost == 1

    again = world.say("subscribe", key="once", agents=3, payment_method="pm_visa")
    assert (again["outcome"], again["duplicate"]) == ("applied", True)
    assert [move["id"] for move in world.history()].count("once") == 1


@pytest.mark.parametrize("word", ["charge", "delete"])
def test_an_effect_whose_last_commit_got_no_reply_is_found_settled_and_not_done_again(wire, said, word):
    proxy, world = wire
    site = world.start_trial()
    if word == "charge":
        world.send("subscribe", agents=7, payment_method="pm_visa")
    else:
        world.send("cancel")
    end = world.show()["trial_ends_at" if word == "charge" else "deletes_at"]
    world.advance_to(unstamp(end) - timedelta(seconds=1))
    run, world.rest = world.rest, lambda: None
    world.advance(seconds=1)
    world.rest = run
    with reading(world.context.database) as tx:
        open_one = next(row.id for row in effect.unfinished(tx) if row.kind == word)
    lose_the_commit_after(proxy, "effect.settling")

    effects.run(world.context, open_one)

    row = row_of(world, open_one)
    assert (proxy.lost, row.status, row.attempt, row.fence) == (1, "done", 1, 1)
    world.retry_now()
    assert world.state() == ("active" if word == "charge" else "deleted")
    assert len(world.charges()) == (1 if word == "charge" else 0)
    done = [event["data"]["effect"] for event in world.events("effect.done")]
    assert done.count(open_one) == 1
    warned = [line for line in said() if "tried again" in str(line.get("error"))]
    assert [line["site_id"] for line in warned] == [site["id"]]


def end_all_connections(world):
    """What a server that is stopped does to its clients."""
    with reading(world.context.database) as tx:
        tx.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        )


def test_an_effect_whose_connection_is_cut_in_its_last_transaction_is_settled_by_another(world):
    world.start_trial()
    world.say("export")
    only = the_only(world)
    done = once_at("effect.settling", lambda: end_all_connections(world))

    effects.run(world.context, only)

    row = row_of(world, only)
    assert (done, row.status, row.attempt) == (["effect.settling"], "done", 1)


@contextmanager
def cut_behind(world):
    """A transaction whose connection the server has closed already."""
    with writing(world.context.database) as tx:
        event.add(tx, [{"id": "before", "type": "x", "at": machine_now(), "body": "", "sent": True}])
        end_all_connections(world)
        yield tx


def test_rows_that_are_copied_on_a_connection_that_is_cut_leave_nothing_and_are_tried_again(world):
    rows = [{"id": f"e{number}", "type": "x", "at": machine_now(), "body": "", "sent": True} for number in range(50)]
    with pytest.raises(DBAPIError) as cut, cut_behind(world) as tx:
        event.add(tx, rows)
    assert cut.value.connection_invalidated
    assert isinstance(cut.value, AWAY)
    assert not isinstance(cut.value, OWN)

    with writing(world.context.database) as tx:
        event.add(tx, rows)
        assert tx.execute(text("SELECT count(*) FROM event")).scalar_one() == len(rows)


def test_after_a_restart_of_the_server_the_next_transaction_finds_a_new_connection(world):
    world.start_trial()
    end_all_connections(world)
    assert world.state() == "trial"


def test_a_server_that_stays_away_is_asked_so_often_and_then_the_error_is_told(world, monkeypatch, said):
    world.start_trial()
    world.say("export")
    monkeypatch.setattr(site_lock, "PAUSES", (0.001, 0.001, 0.001))
    tries = []

    def away(*_given):
        tries.append(None)
        raise OperationalError("commit", {}, ConnectionError("nobody listens"), connection_invalidated=True)

    monkeypatch.setattr(site_lock, "writing", away)
    with pytest.raises(OperationalError):
        effects.run(world.context, the_only(world))
    assert len(tries) == 4
    warned = [line["error"] for line in said() if "error" in line]
    assert warned == ["nobody listens; the transaction is tried again for 0 s"]


def test_a_start_waits_for_a_server_that_comes_up_and_says_so_once(databases, said, monkeypatch):
    given = databases()["DATABASE_URL"]
    monkeypatch.setattr(preflight, "PAUSE_SECONDS", 0.01)
    nobody = connect("postgresql://me:secret@127.0.0.1:1/tenure")
    comes, answers = connect(given), iter([preflight._why_not(nobody), preflight._why_not(nobody)])
    monkeypatch.setattr(preflight, "_why_not", lambda _database: next(answers, None))

    preflight.migrate(comes, test_clock=True)

    (warned,) = [line["error"] for line in said() if "error" in line]
    assert "Connection refused" in warned
    assert warned.endswith("it is asked again for 30 s")
    comes.dispose()


def test_a_server_that_does_not_come_up_is_named_without_its_password(monkeypatch):
    monkeypatch.setattr(preflight, "PATIENCE_SECONDS", 0)
    nobody = connect("postgresql://me:secret@127.0.0.1:1/tenure")
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:1/tenure.*refused; start it, or correct DATABASE_URL") as told:
        preflight.check(nobody, test_clock=True)
    assert "secret" not in str(told.value)
