"""Work that fails and is tried again is seen long before it gives up."""

import errno
import os

import pytest

from workers.base.errors import Held, Permanent, Temporary
from workers.cli import deletion_reports, figures, reports
from workers.health import doctor_fleet


class Failing:
    """An adapter whose call raises as often as the test wants."""

    def __init__(self, real, name, error=None, times=1000):
        self.real, self.name, self.times = real, name, times
        self.error = error or Temporary("connection refused by 192.0.2.1")

    def __getattr__(self, name):
        if name != self.name or not self.times:
            return getattr(self.real, name)
        self.times -= 1
        return self._fail

    def _fail(self, *_args, **_named):
        raise self.error


def failing(world, adapter, name, **how):
    world.context.__dict__[adapter] = Failing(getattr(world.context, adapter), name, **how)


def tried(world, times):
    """Let what waits for its next try be tried."""
    for _ in range(times):
        world.retry_now()


@pytest.mark.parametrize("times", [1, 2])
def test_a_letter_that_fails_is_seen_from_its_second_failure(world, times):
    failing(world, "mailer", "send")
    world.start_trial()
    tried(world, times - 1)
    seen = times == 2
    assert ("the letter welcome failed 2 times: connection refused" in (world.show()["attention"] or "")) == seen
    found = figures.stats(world.context)
    assert found["effects_failing"] == ({"mail": 1} if seen else {})
    assert ("1  mail" in figures.text(found)) == seen
    assert ('tenure_effects_failing{kind="mail"} 1' in figures.prometheus(found)) == seen
    told = [one for one in doctor_fleet.judge(world.context) if one.what == "work at mailer"]
    assert [one.level for one in told] == (["warn"] if seen else [])


def test_it_is_gone_when_the_work_is_done(world):
    failing(world, "mailer", "send", times=2)
    world.start_trial()
    tried(world, 1)
    assert world.show()["attention"]
    tried(world, 1)
    assert world.show()["attention"] is None
    assert figures.stats(world.context)["effects_failing"] == {}


def test_what_only_a_guard_has_stopped_does_not_fail(world):
    failing(world, "mailer", "send", error=Held("on purpose"))
    world.start_trial()
    tried(world, 3)
    assert figures.stats(world.context)["effects_failing"] == {}


def test_a_deletion_that_is_retried_says_what_is_left_everywhere(world):
    world.start_trial()
    world.send("cancel")
    failing(world, "vault", "remove_all", times=2)
    world.advance(days=14)
    left = "connection refused by 192.0.2.1"
    assert world.show()["state"] == "deleting"
    assert f"the deletion is not done: {left}" in world.show()["attention"]
    verdict = next(
        one for one in reports.why(world.context, "acme.example.com")["verdicts"] if one["type"] == "deletion"
    )
    assert left in verdict["because"]
    (row,) = [one for one in deletion_reports.listing(world.context)["sites"] if one["state"] == "deleting"]
    assert row["waits_for"] == [left]
    tried(world, 3)
    assert world.show()["state"] == "deleted"


def test_a_deletion_that_gave_up_still_says_why(world):
    world.start_trial()
    world.send("cancel")
    failing(world, "host", "remove", error=Permanent("its marker names another site"))
    world.advance(days=14)
    (row,) = deletion_reports.listing(world.context)["sites"]
    assert row["waits_for"] == ["its marker names another site"]


def test_the_receipt_of_an_interrupted_deletion_counts_every_try(world):
    world.start_trial()
    attachments = world.site_folder() / "attachments"
    for number in range(5):
        (attachments / f"{number}.txt").write_text("x" * 100)
    world.send("cancel")
    failing(world, "vault", "remove_all", times=2)
    world.advance(days=14)
    tried(world, 3)
    found = deletion_reports.receipt(world.context, "acme.example.com")
    assert found["tries"] == 3
    assert found["removed"]["site"]["files"] >= 6
    assert found["removed"]["site"]["bytes"] >= 500
    assert found["removed"]["backups"]["files"] >= 1


@pytest.mark.parametrize("kept", [0, 3])
def test_what_went_before_a_removal_failed_stands_in_the_receipt(world, monkeypatch, kept):
    world.start_trial()
    attachments = world.site_folder() / "attachments"
    for number in range(5):
        (attachments / f"{number}.txt").write_text("x" * 100)
    world.send("cancel")
    whole = world.site_folder()
    before = sum(1 for path in whole.rglob("*") if path.is_file())
    unlink, left = os.unlink, [kept]

    def fails_after(name, **where):
        if str(name).endswith(".txt"):
            if left[0] == 0:
                left[0] = -1
                raise OSError(errno.EIO, "Input/output error")
            left[0] -= 1
        unlink(name, **where)

    monkeypatch.setattr("workers.storage.removal.os.unlink", fails_after)
    world.advance(days=14)
    monkeypatch.undo()
    tried(world, 2)
    found = deletion_reports.receipt(world.context, "acme.example.com")
    assert (found["tries"], found["removed"]["site"]["files"]) == (2, before)
