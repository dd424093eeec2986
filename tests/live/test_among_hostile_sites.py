"""While hostile sites of every kind are there, a healthy site lives its whole life on time."""

import contextlib
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from models import clock, effect, timer
from models.database import reading
from tests.hostile import trees, writer
from tests.hostile.sites import MAKERS, mounted
from tests.live_engine import until
from workers.cli import backup_reports, deletion_reports, reports, sending, test_clock

HEALTHY = "healthy.example.com"
COMMAND_SECONDS = 2.0
TIMER_SECONDS = 5.0
EFFECT_SECONDS = 60.0
"""Its backups share the workers with those of hostile sites, each of which is given up after its own time."""

DAYS_MORE = 16
"""How many days later than the healthy one the last hostile site is deleted: a late download holds for its own 14."""

WRITERS = ("folders", "helpdesk")
"""Styles of a customer who never stops writing."""

MOUNTED = "mounted"
HOSTILE = (*MAKERS, *WRITERS, MOUNTED)
SETTINGS = {
    "DELETIONS_SHARE": "1",
    "DELETIONS_PER_HOUR": "1000",
    "TRIAL_DAYS": "1",
    "SITE_MAX_FILES": "5000",
    "SITE_SECONDS": "5",
}
NAMED = ("links out of the site", "endless view", "pipes", "much of everything", "not to be restored")
"""Sites of which an operator is told what is wrong; the others are hostile in vain."""


def host_of(name):
    return f"{name.replace(' ', '-')}.example.com"


HOSTS = tuple(map(host_of, HOSTILE))


@pytest.fixture
def mounts():
    """What the hostile customers have mounted; closing it unmounts all."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def fleet(live, mounts, tmp_path):
    """A real `tenure up` with a hostile site of each kind, two of which are written to all the time."""
    live.start(**SETTINGS)
    for host in HOSTS:
        live.say("start_trial", "account=hostile", f"email=owner@{host}", host=host)
    until(lambda: list(states(live.context).values()) == ["trial"] * len(HOSTS), 60)
    for name, make in MAKERS.items():
        make(folder_of(live, host_of(name)))
    if trees.can_mount(tmp_path):
        mounts.enter_context(mounted(folder_of(live, host_of(MOUNTED)), tmp_path))
    with contextlib.ExitStack() as writers:
        for style in WRITERS:
            writers.enter_context(written_to(folder_of(live, host_of(style)), style))
        yield live


def folder_of(live, host):
    return live.data_dir / "sites" / live.show(host)["id"]


@contextlib.contextmanager
def written_to(folder, style):
    """A customer of a few hundred folders changes them all the time, for as long as the block runs."""
    (folder / "attachments" / "many").mkdir()
    for number in range(writer.FOLDERS):
        (folder / "attachments" / "many" / f"{number:04}").mkdir()
    words = [sys.executable, "-S", "-E", writer.__file__, str(folder), style, "1", "0.002"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        try:
            yield
        finally:
            process.kill()


class Life:
    """The healthy site's: every command and every timer of it is timed."""

    def __init__(self, live):
        self.live, self.context = live, live.context

    def ask(self, kind, *fields):
        body = sending.envelope(kind, HEALTHY, fields, source="tests", key=None, extra={})
        asked = time.monotonic()
        said = sending.ask(self.context, body, 30)
        assert time.monotonic() - asked < COMMAND_SECONDS, kind
        assert said["outcome"] == "applied", said
        self.rest()

    def rest(self):
        """Until all that it asked for is done."""
        until(lambda: not self.unfinished(), EFFECT_SECONDS)

    def unfinished(self):
        with reading(self.context.database) as tx:
            return effect.open_of_site(tx, self.site_id)

    @property
    def site_id(self):
        return self.live.show(HEALTHY)["id"]

    def go_on(self, **length):
        """Live through each of its due moments, and through what is due for the others by then."""
        target = self.now() + timedelta(**length)
        while (moment := self.next_due(target)) is not None:
            test_clock._go_to(self.context, moment)
            until(lambda at=moment: not self.has_due(at), TIMER_SECONDS)
            self.rest()
        test_clock._go_to(self.context, target)

    def now(self):
        with reading(self.context.database) as tx:
            return clock.engine_now(tx)

    def dues(self):
        with reading(self.context.database) as tx:
            return list(tx.execute(timer.TIMERS.select().where(timer.TIMERS.c.site_id == self.site_id)))

    def next_due(self, target):
        return min((due.wakes_at for due in self.dues() if self.now() < due.wakes_at <= target), default=None)

    def has_due(self, moment):
        return any(due.wakes_at <= moment for due in self.dues())


def test_a_healthy_site_lives_on_time_among_hostile_ones_and_they_can_be_deleted_too(fleet, mounts):
    life = Life(fleet)
    life.ask("start_trial", "account=acme", f"email=owner@{HEALTHY}")
    (folder_of(fleet, HEALTHY) / "attachments" / "note.txt").write_text("kept")
    life.ask("subscribe", "agents=3", "payment_method=pm_visa")
    for host in HOSTS:
        fleet.say("back_up", host=host)
    life.ask("back_up")
    life.ask("export")
    life.go_on(days=1, hours=1)
    assert fleet.show(HEALTHY)["state"] == "active"
    life.ask("restore", "from=previous_day")
    life.ask("change_plan", "agents=5")
    leave(fleet)
    life.go_on(days=1)
    every_backup_can_be_read(fleet)
    for name in NAMED:
        assert fleet.show(host_of(name))["attention"], name
    life.ask("cancel")
    life.go_on(days=15)
    assert fleet.show(HEALTHY)["state"] == "deleted"
    mounts.close()
    hostile_sites_are_deleted(life)
    told = deletion_reports.verify(fleet.context)
    assert (told["broken_at"], told["left"], told["receipts"]) == (None, {}, 1 + len(HOSTILE))


def leave(live):
    """The hostile ones go, and an operator waives what can't be made of them."""
    for host in HOSTS:
        live.say("cancel", host=host)
        for guard in ("export", "backup"):
            live.say("waive", f"guard={guard}", "reason=the site is hostile", host=host)


def every_backup_can_be_read(live):
    found = backup_reports.listing(live.context, HEALTHY)["backups"]
    assert {one["purpose"] for one in found} == {"nightly", "on_demand", "safety"}
    for one in found:
        assert backup_reports.verify(live.context, one["id"])["verified"]


def hostile_sites_are_deleted(life):
    """Some were told late, so their day comes later; a deletion that waited for a mount is asked for again."""
    for _ in range(DAYS_MORE):
        for host, state in states(life.context).items():
            if state == "deleting":
                life.live.say("retry", host=host)
        if all_are_deleted(life, EFFECT_SECONDS / DAYS_MORE):
            return
        test_clock._go_to(life.context, life.now() + timedelta(days=1))
    left = [host for host, state in states(life.context).items() if state != "deleted"]
    raise AssertionError(
        {host: (life.live.show(host)["deletes_at"], life.live.show(host)["attention"]) for host in left}
    )


def all_are_deleted(life, seconds):
    """Whether all sites are deleted within so many seconds."""
    deadline = time.monotonic() + seconds
    while is_left := set(states(life.context).values()) != {"deleted"}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return not is_left


def states(context):
    """Where each site stands."""
    found = reports.site_list(context, state=None, account=None, after=None, limit=1000)["sites"]
    return {site["site"]: site["state"] for site in found}
