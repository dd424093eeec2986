"""Every letter of a random life is true at the moment at which it leaves, however late that is."""

from collections import Counter
from itertools import count

import pytest

from engine import letter, letter_contents, letters
from tests.model.post import Post, without_a_database
from tests.model.seen import Broken
from tests.model.wander import wander
from workers.adapters.mailer import Mail
from workers.effects import mail
from workers.effects.letters import KINDS, Unwritable

TURNS = 60


@pytest.fixture(autouse=True)
def _without_a_database(monkeypatch):
    without_a_database(monkeypatch)


@pytest.fixture(scope="module")
def lives():
    """Some dozens of lives of 60 turns; one that breaks a promise fails here, with its story."""
    with pytest.MonkeyPatch.context() as patched:
        without_a_database(patched)
        return [wander(seed, TURNS, Post) for seed in range(48)]


def test_every_letter_of_48_lives_of_60_turns_is_true_when_it_leaves(lives):
    assert all(life.commands >= TURNS for life in lives)
    assert sum(life.sent.total() for life in lives) > 1_000


def test_these_lives_send_letters_of_nearly_every_kind_and_drop_those_that_are_not_true_any_more(lives):
    sent = sum((life.sent for life in lives), Counter())
    dropped = sum((life.unsent for life in lives), Counter())

    rare = {"restored", "reduction_withdrawn", "agents_over_plan", "reduction_impossible", "cancellation_withdrawn"}
    assert {kind.removesuffix("_to_old") for kind in sent} >= {*KINDS} - rare
    assert {"cancelled", "download_ready", "suspended_operator", "cancellation_scheduled"} <= dropped.keys()


@pytest.mark.long
@pytest.mark.parametrize("part", range(20))
def test_every_letter_of_2000_lives_is_true_when_it_leaves(part):
    lives, seeds = 0, (f"{part}-{number}" for number in count())
    while lives < 100:
        wander(next(seeds), TURNS, Post)
        lives += 1

    assert lives == 100


# What holds letters to the truth, undone


class Every:
    """A set that has everything."""

    def __contains__(self, _name):
        return True


def stands_always(monkeypatch, *names):
    """They leave whatever has happened, with the words that were asked for."""
    monkeypatch.setattr(letter, "ANY_GENERATION", Every())
    for name in names:
        monkeypatch.setitem(letter.STANDS, name, lambda *_: True)
        monkeypatch.delitem(letter.FACTS, name)


def cancelled_reaches_who_came_back(monkeypatch):
    stands_always(monkeypatch, "cancelled")
    facts = {"kept_days": 14, "open_cents": None}
    tell = {"cancelled": lambda asked, site, *_: {**facts, "cancelled_at": asked.asked_at, "ready_at": site.ready_at}}
    monkeypatch.setattr(letter, "FACTS", {**letter.FACTS, **tell})


def expired_reaches_who_came_back(monkeypatch):
    stands_always(monkeypatch, "trial_expired")


def a_deletion_is_told_to_who_came_back(monkeypatch):
    stands_always(monkeypatch, "deletion_in_7_days", "deletion_in_48_hours")


def a_suspension_is_threatened_to_who_has_paid(monkeypatch):
    stands_always(monkeypatch, "suspension_near")


def a_decline_is_told_to_who_has_paid(monkeypatch):
    stands_always(monkeypatch, "declined")


def an_end_is_told_that_is_past(monkeypatch):
    stands_always(monkeypatch, "cancellation_scheduled")


def a_first_charge_is_told_with_the_old_plan_and_date(monkeypatch):
    monkeypatch.delitem(letter.FACTS, "subscribed")


def no_further_charge_is_promised_while_one_is_open(monkeypatch):
    monkeypatch.setattr(letter_contents, "_open", lambda site: (None, site.currency))


def a_next_charge_is_told_that_is_past(monkeypatch):
    monkeypatch.setattr(letter_contents, "next_charge_at", lambda site, _now: site.period_ends_at)


def a_stolen_card_is_named(monkeypatch):
    for module in (letters, letter_contents):
        monkeypatch.setattr(module, "plain_decline", lambda code: code)


def a_deletion_is_told_under_a_hold(monkeypatch):
    monkeypatch.setattr(mail, "FAREWELLS", ())


def a_letter_goes_to_the_address_of_the_account(monkeypatch):
    monkeypatch.setattr(mail, "Mail", lambda key, _to, *rest: Mail(key, "owner@acme.example", *rest))


UNDONE = {
    cancelled_reaches_who_came_back: ("cancelled goes to a site in", 54),
    expired_reaches_who_came_back: ("trial_expired goes to a site in", 8),
    a_deletion_is_told_to_who_came_back: ("goes to a site in", 52),
    a_suspension_is_threatened_to_who_has_paid: ("suspension_near goes to a site in", 33),
    a_decline_is_told_to_who_has_paid: ("declined", 22),
    an_end_is_told_that_is_past: ("cancellation_scheduled", 0),
    a_first_charge_is_told_with_the_old_plan_and_date: ("subscribed: its", 47),
    no_further_charge_is_promised_while_one_is_open: ("no further charge is promised", 0),
    a_next_charge_is_told_that_is_past: ("receipt", 6),
    a_stolen_card_is_named: ("a stolen card reads as a plain decline", 4),
    a_deletion_is_told_under_a_hold: ("no deletion is told of under a hold", 0),
    a_letter_goes_to_the_address_of_the_account: ("a letter goes to the contact of now", 10),
}
"""What each undone guard lets through, and the first seed whose life shows it."""


@pytest.mark.parametrize("undo", UNDONE, ids=lambda undo: undo.__name__)
def test_an_untrue_letter_is_found(undo, monkeypatch):
    promise, seed = UNDONE[undo]
    undo(monkeypatch)

    assert promise in found_from(seed, promise)


def found_from(seed, promise, lives=400):
    """What the first life shows that breaks this promise."""
    for number in range(seed, seed + lives):
        post = Post()
        try:
            for step in post.story(number, TURNS):
                post.do(step)
        except (Broken, Unwritable) as wrong:
            if promise in str(wrong):
                return str(wrong)
    return "nothing"
