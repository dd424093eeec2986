"""Four lives that pass every crash point between them. Begun again after a death, all asks come again as they were."""

from collections import Counter

import pytest

from models import dead as letters
from models.database import reading
from tests.crash.mishaps import Mishaps
from workers.cli import deletion_reports
from workers.commands import dead_letters
from workers.queue.redis_keys import EVENTS
from workers.safety import breaker
from workers.timers import history

SETTINGS = {"LEASE_SECONDS": "0.3", "DELETIONS_SHARE": "1", "TRIAL_DAYS": "1"}
OWNER = {"account": "acme", "email": "owner@acme.example"}


def visitor(world):
    """Tries it, leaves within the day, and is forgotten."""
    world.go_to(0)
    world.ask("start_trial", **OWNER)
    world.go_to(0.05)
    world.ask("cancel")
    world.go_to(14.2)
    world.finish()


def customer(world):
    """Subscribes, is charged, grows, restores, leaves, comes back, leaves for good."""
    world.go_to(0)
    world.ask("start_trial", **OWNER)
    write(world, "old")
    world.go_to(0.5)
    world.ask("subscribe", agents=7, payment_method="pm_visa")
    world.go_to(1.5)
    world.ask("change_plan", agents=9)
    world.ask("back_up")
    write(world, "new")
    world.ask("restore", **{"from": "previous_day"})
    must_read(world, "old")
    world.ask("cancel")
    world.go_to(1.6)
    world.ask("subscribe", "back", agents=9, payment_method="pm_visa")
    world.go_to(1.7)
    world.ask("cancel", "again")
    world.go_to(16)
    world.finish()


def debtor(world):
    """Is declined until the site is suspended, pays with another card, and stays."""
    world.go_to(0)
    world.ask("start_trial", **OWNER)
    world.go_to(0.5)
    world.ask("subscribe", agents=7, payment_method="pm_declined")
    world.go_to(8.5)
    world.ask("pay", payment_method="pm_visa")
    world.go_to(11)
    world.finish()


def unlucky(world):
    """Much goes wrong and an operator mends it; the trial expires, and its events grow old."""
    with pytest.MonkeyPatch.context() as patch:
        Mishaps(world, patch).prepare()
        world.go_to(0)
        world.ask("start_trial", **OWNER)
        bad_messages(world)
        bad_effects(world)
        lose_the_stream(world)
        breaker.pause(world.context)
        world.go_to(1.1)
        world.mark("timer")
        world.go_to(14)
        breaker.resume(world.context, deletion_reports.preview(world.context)["count"])
        world.go_to(110)
        world.finish()
        forget_the_past(world)


LIVES = {"visitor": visitor, "customer": customer, "unlucky": unlucky, "debtor": debtor}
"""By name, the shortest first."""


def write(world, text):
    if not world.is_marked(text):
        (world.site_folder() / "attachments" / "note.txt").write_text(text)
        world.mark(text)


def must_read(world, text):
    """What was live before a restore is read once: later there may be no site any more."""
    if not world.is_marked("read"):
        assert (world.site_folder() / "attachments" / "note.txt").read_text() == text
        world.mark("read")


def bad_messages(world):
    """One nobody can run, one nobody can answer, one that fails for good and one that is done at its second try."""
    world.go_to(0.1)
    if not world.is_marked("sent"):
        world.context.redis.hset("dramatiq:effects.msgs", "bad", "no message")
        world.context.redis.rpush("dramatiq:effects", "bad")
        world.hand_over("no envelope")
        world.hand_over(world.envelope("back_up"), retries=1000)
        world.mark("sent")
    world.rest()
    if not world.is_marked("law"):
        reasons = Counter(reason_of(row) for row in kept(world))
        assert (reasons["failed"], reasons["is not"]) == (1, 1)
        assert reasons["refused"] in {1, 2}, "nothing tells two of these apart, so one may be kept again"
        world.mark("law")
    for row in kept(world):
        (dead_letters.retry if reason_of(row) == "failed" else dead_letters.drop)(world.context, row.id)
    world.rest()
    world.ask("suspend", reason="fails once")
    world.go_to(0.2)
    world.ask("resume")


def kept(world):
    with reading(world.context.database) as tx:
        return letters.messages(tx)


def reason_of(row):
    return next(word for word in ("is not", "refused", "failed") if row.reason.startswith(word))


def bad_effects(world):
    """Two that give up: one is tried again by an operator, one is dropped; a letter to an old address drops itself."""
    world.go_to(0.3)
    world.ask("export")
    world.ask("update_contact", email="other@acme.example")
    world.finish()
    world.mark("outside")
    for one in dead_letters.listing(world.context)["dead"]:
        (dead_letters.retry if one["what"] == "export" else dead_letters.drop)(world.context, one["id"])
    world.rest()


def forget_the_past(world):
    """One batch for each pass, however slow the machine is: so each point is passed as often in every life."""
    removal = history.Removal(world.context)
    removal.size = history.MOST
    while removal.run():
        removal.size = history.MOST


def lose_the_stream(world):
    world.go_to(0.4)
    if not world.is_marked("lost"):
        world.context.redis.delete(EVENTS)
        world.mark("lost")
    world.sweep()
