"""Commands as other systems send them: answered once, refused with a code, and nothing is lost."""

import gc
import json
import weakref

import pytest

from engine import Refused
from tests.world import HOST
from workers.commands.envelope import read


def envelope(**changes):
    whole = {
        "specversion": "1.0",
        "source": "shop",
        "id": "order-1",
        "type": "site.start_trial",
        "subject": HOST,
        "data": {"account": "acme", "email": "owner@acme.example"},
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def test_the_same_command_twice_moves_once_and_is_answered_twice(world):
    first, second = world.hand_over(envelope()), world.hand_over(envelope())

    assert (first["outcome"], first["duplicate"]) == ("applied", False)
    assert second == {**first, "duplicate": True}
    assert [event["data"]["duplicate"] for event in world.events("command.answered")] == [False, True]
    assert len(world.history()) == 1


def test_the_same_id_with_other_content_is_refused(world):
    world.hand_over(envelope())
    said = world.hand_over(envelope(data={"account": "other", "email": "owner@acme.example"}))

    assert (said["outcome"], said["code"]) == ("refused", "command.id_conflict")


def test_the_same_id_of_another_source_is_another_command(world):
    world.hand_over(envelope())
    said = world.hand_over(envelope(source="portal", subject="two.example.com"))

    assert said["outcome"] == "applied"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "site.delete", "data": {}}, "command.unknown_type"),
        ({"type": "site.site_deleted", "data": {}}, "command.unknown_type"),
        ({"type": "site.charge_succeeded", "data": {}}, "command.unknown_type"),
        ({"type": "site.explode"}, "command.unknown_type"),
        ({"subject": "unknown.example.com", "type": "site.cancel", "data": {}}, "site.unknown"),
        ({"subject": "no hostname"}, "host.invalid"),
        ({"subject": "-bad.example.com"}, "host.invalid"),
        ({"subject": "localhost"}, "host.invalid"),
        ({"subject": "10.0.0.1"}, "host.invalid"),
        ({"data": {"account": "acme", "email": "owner@acme.example", "colour": "red"}}, "command.unexpected_field"),
        ({"data": {"account": "acme"}}, "command.invalid_field"),
        ({"data": {"account": "acme", "email": "nobody"}}, "command.invalid_field"),
        ({"data": {"account": 7, "email": "owner@acme.example"}}, "command.invalid_field"),
        ({"specversion": "0.3"}, "envelope.malformed"),
        ({"data": "text"}, "envelope.malformed"),
        ({"type": None}, "envelope.malformed"),
        ({"subject": None}, "envelope.malformed"),
        ({"time": "yesterday"}, "envelope.malformed"),
        ({"time": "2026-01-01T00:00:00"}, "envelope.malformed"),
        ({"dryrun": "yes"}, "envelope.malformed"),
        ({"replyto": "elsewhere"}, "envelope.malformed"),
        ({"note": "x" * 70_000}, "envelope.too_large"),
        ({"data": {"account": "\ud800", "email": "owner@acme.example"}}, "envelope.malformed"),
        ({"review": "made up"}, "review.stale"),
    ],
)
def test_a_bad_command_is_refused_with_its_code_and_the_queue_goes_on(world, changes, code):
    said = world.hand_over(envelope(**changes))

    assert (said["outcome"], said["code"]) == ("refused", code)
    assert said["message"]
    (answered,) = world.events("command.answered")
    assert answered["data"]["code"] == code
    assert world.hand_over(envelope(id="order-2"))["outcome"] == "applied"


def test_what_a_refused_command_leaves_is_forgotten_without_a_search_for_rings(world):
    refusals = []
    gc.collect()
    gc.disable()
    try:
        refusals += [weakref.ref(read(({"source": "tests", "id": "1", "note": "x" * 70_000},)).fault)]
        world.hand_over({"specversion": "1.0", "source": "tests", "id": "2", "type": "site.pay"})
        kept = [one for one in gc.get_objects() if isinstance(one, Refused)]
    finally:
        gc.enable()
    assert [one() for one in refusals] == [None]
    assert kept == []


@pytest.mark.parametrize(
    "args", [(), ("text",), (1, 2, 3), ({},), ({"id": "x"},), ({"id": 1, "source": "s"},), ("{", "v1,k,x"), ([],)]
)
def test_a_message_without_a_readable_id_is_passed_over(world, args):
    assert world.hand_over(*args) is None
    assert world.events() == []


def test_a_signed_command_whose_key_nobody_knows_is_not_answered(world):
    assert world.hand_over(json.dumps(envelope()), "v1,key,AAAA") is None
    assert world.events() == []


def test_unknown_attributes_and_a_time_with_an_offset_are_accepted(world):
    said = world.hand_over(envelope(traceparent="00-1", time="2026-01-01T00:00:00+02:00", correlationid="c-1"))

    assert said["outcome"] == "applied"
    assert world.events("command.answered")[0]["correlationid"] == "c-1"


def test_a_hostname_is_the_same_in_any_case(world):
    world.hand_over(envelope(subject="ACME.example.com"))

    assert world.show(HOST)["site"] == HOST
    assert world.hand_over(envelope(id="2"))["code"] == "host.taken"


def test_an_illegal_command_says_what_is_allowed_instead(world):
    world.start_trial()
    said = world.send("pay")
    assert said["outcome"] == "no_op"

    said = world.send("update_payment", payment_method="pm_visa")
    assert (said["code"], said["from"], said["to"]) == ("state.illegal", "trial", "trial")
    assert "site.subscribe" in said["message"]
    assert "site.subscribe" in said["allowed"]


def test_a_dry_run_changes_nothing_and_does_not_use_up_its_id(world):
    world.start_trial()
    before = world.show()
    previewed = world.say("cancel", key="cancel-1", extra={"dryrun": True})

    assert (previewed["outcome"], previewed["to"]) == ("preview", "cancelled")
    assert previewed["review"]
    assert world.show() == before

    said = world.send("cancel", key="cancel-1", extra={"review": previewed["review"]})
    assert (said["outcome"], said["duplicate"], world.state()) == ("applied", False, "cancelled")


def test_a_review_holds_its_amount_for_15_minutes_and_not_a_second_longer(world):
    world.start_active()
    world.advance(days=3)
    review = world.say("change_plan", agents=9, extra={"dryrun": True})

    world.advance(minutes=14, seconds=59)
    fresh = world.say("change_plan", agents=9, extra={"dryrun": True, "review": review["review"]})
    assert fresh["charge"]["amount_cents"] == review["charge"]["amount_cents"]

    world.advance(seconds=1)
    stale = world.send("change_plan", agents=9, extra={"review": review["review"]})
    assert stale["code"] == "review.stale"
    assert len(world.charges()) == 1


def test_a_review_is_stale_when_the_site_has_moved_on(world):
    world.start_trial()
    review = world.say("cancel", extra={"dryrun": True})["review"]
    world.send("update_contact", email="new@acme.example")

    assert world.send("cancel", extra={"review": review})["code"] == "review.stale"


def test_a_command_for_an_older_version_is_refused(world):
    version = world.start_trial()["version"]
    world.send("update_contact", email="new@acme.example", extra={"expectedversion": version})

    said = world.send("cancel", extra={"expectedversion": version})
    assert said["code"] == "state.stale"
    assert world.send("cancel", extra={"expectedversion": version + 1})["outcome"] == "applied"


def test_show_is_a_question_that_leaves_no_trace(world):
    world.start_trial()
    moves = world.history()
    said = world.say("show")

    assert said["document"]["state"] == "trial"
    assert {entry["type"]: entry["label"] for entry in said["document"]["menu"]}["site.cancel"] == "End Trial"
    assert world.history() == moves


def test_an_answer_goes_to_the_stream_that_was_asked_for_too(world):
    world.hand_over(envelope(replyto="tenure:reply:me"))

    ((_, fields),) = world.context.redis.xrange("tenure:reply:me")
    assert json.loads(fields[b"event"])["data"]["outcome"] == "applied"


def test_agents_below_those_in_use_are_refused_with_how_many_to_remove(world):
    world.start_trial()
    world.use_agents(4)

    said = world.send("subscribe", agents=3, payment_method="pm_visa")
    assert said["code"] == "agents.below_used"
    assert "1 agent" in said["message"]
    assert world.send("subscribe", agents=4, payment_method="pm_visa")["outcome"] == "applied"


def test_every_event_names_the_command_that_caused_it(world):
    world.start_trial()
    world.send("subscribe", agents=7, payment_method="pm_visa", key="sub-1")

    caused = [event["type"] for event in world.events() if event["causationid"] == "sub-1"]
    assert caused == ["command.answered", "site.moved", "effect.done"]
    assert world.unsent() == 0
