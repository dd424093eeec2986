"""One deletion among many: the others stay as they are, byte for byte, and one that is killed finishes."""

import contextlib
import hashlib
import os
import signal
import sys
import warnings
from datetime import timedelta

import pytest
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import event

from models import deletion, effect
from models.database import reading, writing
from models.site import SITES
from tests.world import HOST, World
from workers.base.errors import Permanent
from workers.cli import deletion_reports
from workers.effects import executor as effects

STEPS = {"open", "os.rename", "os.remove", "os.rmdir", "sqlite3.connect"}
LEAVER = "leaver.example.com"


def stand(world, hosts):
    """Sites with a backup and a download each; the first one leaves, and its id is the answer."""
    for host in hosts:
        world.start_trial(host)
        (world.site_folder(host) / "attachments" / "mine.txt").write_text(f"the data of {host}")
        world.send("back_up", host)
        world.send("export", host)
    world.send("cancel", hosts[0])
    return world.show(hosts[0])["id"]


def stores(world, leaver):
    """Every file of every other site, in all stores, by its hash."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for store in ("sites", "backups", "exports")
        for path in sorted((world.data_dir / store).rglob("*"))
        if path.is_file() and leaver not in str(path)
    }


def others(world, leaver):
    with reading(world.context.database) as tx:
        return tx.execute(SITES.select().where(SITES.c.id != leaver).order_by(SITES.c.id)).all()


def receipts(world):
    with reading(world.context.database) as tx:
        return deletion.all_receipts(tx)


def come_to_the_deletion(world, *hosts):
    """Up to the moment at which their deletion is decided and nothing of it is done."""
    world.advance(days=14, seconds=-1)
    run, world.rest = world.rest, lambda: None
    world.advance(seconds=1)
    world.rest = run
    assert {world.state(host) for host in hosts} == {"deleting"}


@pytest.mark.parametrize("count", [5, pytest.param(200, marks=pytest.mark.long)])
def test_a_deletion_leaves_every_other_site_identical_in_all_stores(world, count):
    leaver = stand(world, [LEAVER, *(f"s{number}.example.com" for number in range(count - 1))])
    come_to_the_deletion(world, LEAVER)
    files, rows = stores(world, leaver), others(world, leaver)
    assert len(files) >= 4 * (count - 1)

    world.rest()

    assert world.state(LEAVER) == "deleted"
    assert stores(world, leaver) == files
    assert others(world, leaver) == rows
    assert deletion_reports.remains(world.context, leaver) == []
    assert [row.site_id for row in receipts(world)] == [leaver]


class Killer:
    """Kills its own process at its so-many-th step: a file of the data, or a statement of the database."""

    def __init__(self, number):
        self.left = number

    def __call__(self, event, arguments):
        if event in STEPS and any(
            store in str(arguments[0]) for store in ("/sites", "/backups", "/exports", "/outbox")
        ):
            self.step()

    def step(self):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


def killed_at(world, number):
    """Do what waits in a process that is killed at a step; whether it lived to the end."""
    world.context.database.dispose()
    world.context.redis.connection_pool.disconnect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            killer = Killer(number)
            sys.addaudithook(killer)
            _step_at_each_transaction(world, killer)
            world.rest()
            os._exit(0)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "it failed instead of being killed"
    return os.WIFEXITED(status)


def _let_go_of(world, effect_id):
    """The lease of a dead worker has run out."""
    with writing(world.context.database) as tx:
        rows = effect.EFFECTS.update().where(effect.EFFECTS.c.id == effect_id)
        tx.execute(rows.values(leased_until=world.now - timedelta(days=99)))


def _step_at_each_transaction(world, killer):
    """Before each transaction and before its commit."""
    for moment in ("begin", "commit"):
        event.listen(world.context.database, moment, lambda _connection: killer.step())


@pytest.mark.parametrize(("stride", "count"), [(7, 10), pytest.param(1, 72, marks=pytest.mark.long)])
def test_killed_at_each_step_a_deletion_finishes_and_has_one_receipt(tmp_path, redis_url, databases, stride, count):
    wide = {"DELETIONS_PER_HOUR": "1000", "DELETIONS_PER_DAY": "1000", "DELETIONS_SHARE": "1"}
    world = World(tmp_path / "many", redis_url, **wide, **databases())
    leavers = {stand(world, [f"s{number}.example.com"]): f"s{number}.example.com" for number in range(count)}
    come_to_the_deletion(world, *leavers.values())
    waiting, steps, lived = iter(list(world.wakeups.waiting)), 0, False
    while not lived:
        world.wakeups.waiting = [one := next(waiting)]
        leaver = one.partition(":")[0]
        files = stores(world, leaver)

        lived = killed_at(world, steps)

        assert stores(world, leaver) == files
        _let_go_of(world, one)
        effects.run(world.context, one)
        assert world.state(leavers[leaver]) == "deleted"
        assert deletion_reports.remains(world.context, leaver) == []
        assert [row.site_id for row in receipts(world)].count(leaver) == 1
        steps += stride
    assert deletion_reports.verify(world.context)["broken_at"] is None
    assert len(receipts(world)) == steps // stride
    assert steps > 4 * stride
    world.close()


def test_the_bytes_of_a_deleted_site_are_in_no_store(world):
    leaver = stand(world, [LEAVER])
    with sqlite.connect(world.site_folder(LEAVER) / "helpdesk.db") as database:
        database.execute("create table notes as select 'word-of-the-leaver' as text")
    database.close()
    world.advance(days=14)
    mine = f"the data of {LEAVER}".encode()
    for path in world.data_dir.rglob("*"):
        if path.is_file() and "outbox" not in path.parts:
            assert mine not in path.read_bytes(), path
            assert b"word-of-the-leaver" not in path.read_bytes(), path
    assert leaver not in {path.name for path in world.data_dir.glob("*/*")}


def test_a_mailbox_that_is_gone_stops_no_deletion(world, monkeypatch, log_lines):
    world.start_trial()
    world.send("cancel")
    come_to_the_deletion(world, HOST)

    def is_gone(mail):
        raise Permanent(f"550 {mail.to} is unknown: it will not take this mail")

    monkeypatch.setattr(world.context.mailer, "send", is_gone)
    world.rest()

    assert world.state() == "deleted"
    assert len(receipts(world)) == 1
    (told,) = [line for line in log_lines.read_text().splitlines() if "could not be told" in line]
    assert "owner@" not in told
