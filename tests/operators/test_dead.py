"""Many that gave up, tried again or dropped by kind, reason, site or all; first looked at."""

import pytest

from models import dead
from models.clock import machine_now
from models.database import writing

HOSTS = ("a.example.com", "b.example.com", "c.example.com")


@pytest.fixture
def three(troubled):
    """Two letters refused for one reason and one for another, a charge that gave up, and a message."""
    troubled.start_active("paying.example.com")
    for number, host in enumerate(HOSTS):
        why = "552 full" if host == "c.example.com" else f"550 no mailbox {number} here"
        troubled.outside.broken[f"owner@{host}"] = why
        troubled.start_trial(host)
    troubled.outside.broken["charge"] = "the card network refuses this key"
    troubled.send("change_plan", "paying.example.com", agents=9)
    with writing(troubled.context.database) as tx:
        dead.add_unreadable(tx, "lifecycle", "it is no JSON", "?", machine_now())
    return troubled


def do_what_is_open(world):
    """What workers do with effects that the command line has announced."""
    world.wakeups.waiting += world.open_effects()
    world.rest()


def rows(asked, world):
    return [(one["what"], one["site"]) for one in asked(world, "dead", "list")["dead"]]


def test_they_are_counted_by_reason_most_first(three, asked, typed):
    found = asked(three, "dead", "list", "--by", "reason")
    assert found["schema"] == "tenure/dead-reasons/1"
    assert [(one["count"], one["what"], one["sites"], one["reason"]) for one in found["reasons"]] == [
        (2, "mail", 2, "N no mailbox N here"),
        (1, "mail", 1, "N full"),
        (1, "message", 0, "it is no JSON"),
        (1, "charge", 1, "the card network refuses this key"),
    ]
    assert "2  mail" in typed(three, "dead", "list", "--by", "reason").stdout


COUNTS = {
    ("--kind", "mail"): 3,
    ("--kind", "charge"): 1,
    ("--kind", "message"): 1,
    ("--reason", "no mailbox"): 2,
    ("--reason", "N no mailbox N here"): 2,
    ("--reason", "no mailbox 1"): 1,
    ("--site", "c.example.com"): 1,
    ("--kind", "mail", "--site", "paying.example.com"): 0,
    ("--all",): 5,
}


@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_a_dry_run_says_how_many_and_changes_nothing(three, asked, verb):
    before = rows(asked, three)
    for words, count in COUNTS.items():
        found = asked(three, "dead", verb, *words, "--dry-run")
        assert (found["schema"], found["count"], found["dry_run"]) == (f"tenure/dead-{verb}/1", count, True), words
        assert (len(found["would"]), found["done"], found["not_done"]) == (count, 0, [])
    assert rows(asked, three) == before


def test_all_of_one_reason_are_tried_again_and_no_other(three, asked):
    three.outside.broken = {}
    found = asked(three, "dead", "retry", "--reason", "N no mailbox N here")
    assert (found["done"], found["count"], found["not_done"]) == (2, 2, [])
    assert sorted(row for row in rows(asked, three) if row[0] == "mail") == [("mail", "c.example.com")]
    do_what_is_open(three)
    assert {mail.to for mail in three.outside.mails} >= {"owner@a.example.com", "owner@b.example.com"}
    assert "owner@c.example.com" not in {mail.to for mail in three.outside.mails}


def test_a_kind_is_dropped_whole(three, asked, typed):
    done = typed(three, "dead", "drop", "--kind", "mail")
    assert (done.exit_code, done.stdout) == (0, "3 of 3 dropped\n")
    assert {what for what, _ in rows(asked, three)} == {"charge", "message"}


def test_what_can_not_be_done_is_named_and_the_rest_is_done(three, typed):
    with writing(three.context.database) as tx:
        dead.add_unreadable(tx, "lifecycle", "it is too long", "", machine_now())
    done = typed(three, "dead", "retry", "--reason", "it is")
    assert done.exit_code == 1
    assert done.stdout.startswith("1 of 2 tried again\nnot tried again: msg_")
    assert "was too long to be kept" in done.stdout
    assert "1 of 2 could not be done" in done.stderr


UNCLEAR = ("", "--dry-run", "some-id --all", "some-id --kind mail", "--all --kind mail", "--kind unknown")


@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_words_that_do_not_say_which_exit_2_before_anything_is_done(three, asked, typed, verb):
    before = rows(asked, three)
    for words in UNCLEAR:
        assert typed(three, "dead", verb, *words.split()).exit_code == 2, words
    assert rows(asked, three) == before


def test_a_site_and_an_id_that_are_not_there_exit_4(three, typed):
    assert typed(three, "dead", "retry", "--site", "nope.example.com").exit_code == 4
    assert typed(three, "dead", "retry", "some-id").exit_code == 4


def test_the_effects_that_fail_are_listed_by_state_kind_site_and_reason(three, asked, typed):
    everything = asked(three, "effect", "list", "--state", "gave_up")["effects"]
    assert len(everything) == 4
    assert [one["kind"] for one in asked(three, "effect", "list", "--kind", "charge")["effects"]] == ["charge"]
    (one,) = asked(three, "effect", "list", "--site", "c.example.com")["effects"]
    assert (one["state"], one["reason"], one["error"], one["about"]) == ("gave_up", "N full", "552 full", "welcome")
    assert len(asked(three, "effect", "list", "--reason", "no mailbox")["effects"]) == 2
    assert asked(three, "effect", "list", "--state", "running")["effects"] == []
    page = typed(three, "effect", "list", "--limit", "1")
    assert (len(page.stdout.splitlines()), "these are the first 1" in page.stderr) == (1, True)
    assert typed(three, "effect", "list", "--state", "stuck").stdout == "none\n"
