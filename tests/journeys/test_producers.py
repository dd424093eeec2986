"""Who may send what, on both databases: each check of a signed command from both sides, and what each leaves behind."""

import json
from datetime import timedelta
from itertools import count

import pytest

from models import producers
from models.clock import machine_now
from models.database import reading
from models.dead import messages
from models.receipt import RECEIPTS
from models.timestamps import stamp
from tests.producers import LATER, SECRETS, SOON, entry, load, signed
from workers.commands import handler
from workers.producers import rejections, unknown_keys
from workers.queue.queue_names import COMMANDS
from workers.queue.redis_keys import UNKNOWN_KEYS, bodies
from workers.queue.redis_keys import messages as queue_of

HOST = "acme.example.com"
DAY = timedelta(days=1)


def envelope(key="1", kind="start_trial", host=HOST, source="/billing", **more):
    data = {"account": "acme", "email": "owner@acme.example.com"} if kind == "start_trial" else {}
    head = {"specversion": "1.0", "source": source, "id": key, "type": f"site.{kind}", "subject": host}
    return {**head, "data": data, **more}


@pytest.fixture
def guarded(world):
    """A world in which billing and the portal have keys."""
    load(world, entry("billing", fields='types = ["*"]') + entry("portal", fields='accounts = ["acme"]'))
    return world


def send(world, body, **how):
    return world.hand_over(*signed(body, **how))


def left(world):
    """What commands leave behind: receipts, dead letters, events, replies."""
    with reading(world.context.database) as tx:
        receipts, dead = len(tx.execute(RECEIPTS.select()).all()), len(messages(tx))
    world.sweep()
    return receipts, dead, len(world.events()), len(world.context.redis.keys("tenure:reply:*"))


def rejected(world):
    return rejections.counts(world.context.redis)


def assert_left_nothing(world, args, code):
    """It is not let in: nobody is answered, nothing is written, it is counted once."""
    before, counted = left(world), rejected(world).get(code, 0)
    assert world.hand_over(*args) is None
    assert left(world) == before
    assert rejected(world) == {**rejected(world), code: counted + 1}


def test_without_a_producer_commands_come_unsigned_as_ever(world):
    assert world.hand_over(envelope())["outcome"] == "applied"


def test_with_a_producer_a_signed_command_is_answered_and_an_unsigned_one_leaves_nothing(guarded):
    assert send(guarded, envelope())["outcome"] == "applied"
    assert_left_nothing(guarded, [envelope("2")], "auth.bad_signature")


def test_once_signed_always_signed_even_when_all_producers_are_gone(guarded):
    load(guarded, "")
    assert_left_nothing(guarded, [envelope()], "auth.bad_signature")


@pytest.mark.parametrize(
    "signature", ["v2,billing,{}", "v1,billing", "v1,billing,{},x", "v1,billing,AAAA", "v1,billing,é", "", "{}"]
)
def test_a_signature_that_is_none_leaves_nothing(guarded, signature):
    text, right = signed(envelope())
    assert_left_nothing(guarded, (text, signature.format(right.rpartition(",")[2])), "auth.bad_signature")


def test_a_signature_is_that_of_the_exact_bytes(guarded):
    text, signature = signed(envelope())
    assert_left_nothing(guarded, (text.replace(", ", ",", 1), signature), "auth.bad_signature")
    assert_left_nothing(guarded, (text + " ", signature), "auth.bad_signature")
    assert guarded.hand_over(text, signature)["outcome"] == "applied"


def test_the_key_of_another_producer_is_no_key(guarded):
    args = signed(envelope(), key="billing", secret=SECRETS["portal"])
    assert_left_nothing(guarded, args, "auth.bad_signature")


def test_half_a_character_can_not_be_signed(guarded):
    _, signature = signed(envelope())
    assert_left_nothing(guarded, ('{"id": "\ud800"}', signature), "auth.bad_signature")


def test_a_signed_envelope_of_64_kib_is_read_and_one_byte_more_leaves_nothing(guarded):
    room = 64 * 1024 - len(signed(envelope(note=""))[0])
    assert send(guarded, envelope(note="x" * room))["outcome"] == "applied"
    assert_left_nothing(guarded, signed(envelope("2", note="x" * (room + 1))), "envelope.too_large")


@pytest.mark.parametrize(("since", "until"), [(SOON, timedelta(seconds=-1)), (timedelta(minutes=1), LATER)])
def test_a_key_that_has_ended_or_not_begun_signs_nothing(world, since, until):
    load(world, entry("billing", since=since, until=until))
    assert_left_nothing(world, signed(envelope()), "auth.stale")


def test_a_key_is_valid_from_its_first_moment_until_just_before_its_end(guarded):
    key = guarded.context.producers.now().keys["billing"]
    microsecond = timedelta(microseconds=1)
    assert key.is_valid(key.not_before)
    assert not key.is_valid(key.not_before - microsecond)
    assert key.is_valid(key.not_after - microsecond)
    assert not key.is_valid(key.not_after)


@pytest.mark.parametrize(
    ("apart", "is_let_in"),
    [
        (timedelta(minutes=4, seconds=50), True),
        (timedelta(minutes=5, seconds=10), False),
        (-7 * DAY + timedelta(seconds=10), True),
        (-7 * DAY - timedelta(seconds=10), False),
    ],
)
def test_the_time_is_at_most_5_minutes_ahead_and_7_days_behind(guarded, apart, is_let_in):
    args = signed(envelope(), time=stamp(machine_now() + apart))
    if is_let_in:
        assert guarded.hand_over(*args)["outcome"] == "applied"
    else:
        assert_left_nothing(guarded, args, "auth.stale")


@pytest.mark.parametrize("time", ["", "today", "2026-11-30", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"])
def test_a_signed_command_without_a_time_leaves_nothing(guarded, time):
    assert_left_nothing(guarded, signed({**envelope(), "time": time}), "auth.stale")


def test_a_leap_second_and_lower_case_are_a_time(guarded):
    minute = stamp(machine_now())[:17].lower()
    assert send(guarded, envelope(), time=f"{minute}60z")["outcome"] == "applied"


def test_a_replayed_command_is_answered_as_the_first_time_and_does_nothing_again(guarded):
    args = signed(envelope())
    first = guarded.hand_over(*args)
    again = guarded.hand_over(*args)
    assert again == {**first, "duplicate": True}
    assert len(guarded.history()) == 1


def test_signed_anew_with_another_time_it_is_the_same_command(guarded):
    first = send(guarded, envelope(), time=stamp(machine_now() - DAY))
    assert send(guarded, envelope()) == {**first, "duplicate": True}


def test_re_ordered_commands_are_each_answered(guarded):
    early, late = signed(envelope()), signed(envelope("2", "show"))
    assert guarded.hand_over(*late)["code"] == "site.unknown"
    assert guarded.hand_over(*early)["outcome"] == "applied"
    assert guarded.hand_over(*late)["document"]["site"] == HOST


def test_a_command_with_a_key_that_is_not_known_waits_for_it(guarded):
    args = signed(envelope(), key="billing-2")
    assert guarded.hand_over(*args) is None
    assert look_again(guarded) == 0
    assert guarded.context.redis.llen(queue_of(COMMANDS)) == 0
    load(guarded, entry("billing", fields='types = ["*"]') + entry("portal") + second_key())
    assert look_again(guarded) == 0
    assert [guarded.hand_over(*found)["outcome"] for found in enqueued(guarded)] == ["applied"]
    assert not guarded.context.redis.exists(UNKNOWN_KEYS)


def second_key():
    return '[[producers.billing.keys]]\nid = "billing-2"\nsecret_file = "billing-2.key"\n'


def look_again(world):
    return unknown_keys.look_again(world.context.redis, world.context.producers.now())


def enqueued(world):
    return [tuple(json.loads(body)["args"]) for body in world.context.redis.hvals(bodies(COMMANDS))]


@pytest.mark.parametrize(("seconds", "over"), [(59, 0), (60, 1)])
def test_it_waits_for_a_minute(guarded, seconds, over):
    before = left(guarded)
    guarded.hand_over(*signed(envelope(), key="billing-2"))
    raw = json.loads(guarded.context.redis.lpop(UNKNOWN_KEYS))
    guarded.context.redis.lpush(UNKNOWN_KEYS, json.dumps({**raw, "at": raw["at"] - seconds - 0.5 * (1 - over)}))
    assert look_again(guarded) == over
    assert guarded.context.redis.exists(UNKNOWN_KEYS) == 1 - over
    assert left(guarded) == before


def test_so_many_wait_and_no_more(guarded):
    flood = [signed(envelope(str(number)), key="billing-2") for number in range(unknown_keys.MOST + 50)]
    handler.take_each(guarded.context, flood)
    assert guarded.context.redis.llen(UNKNOWN_KEYS) == unknown_keys.MOST
    handler.take_each(guarded.context, [signed(envelope("large", note="x" * 9000), key="billing-2")])
    assert rejected(guarded) == {"auth.key_unknown": 1}


def test_a_source_of_another_producer_is_denied_and_uses_up_no_id(guarded):
    said = send(guarded, envelope(source="/portal"))
    assert (said["outcome"], said["code"]) == ("refused", "authz.denied")
    assert "/billing" in said["message"]
    assert left(guarded)[0] == 0
    assert send(guarded, envelope(source="/portal"), key="portal")["outcome"] == "applied"


@pytest.mark.parametrize(("source", "is_own"), [("/billing", True), ("/billing/a", True), ("/billings", False)])
def test_a_pattern_is_a_beginning(guarded, source, is_own):
    said = send(guarded, envelope(source=source))
    assert (said["outcome"], said["code"]) == (("applied", None) if is_own else ("refused", "authz.denied"))


def test_a_type_that_is_not_allowed_is_denied_with_a_receipt(guarded):
    send(guarded, envelope())
    hold = {**envelope("2", "hold", source="/portal"), "data": {"reason": "court"}}
    assert send(guarded, hold, key="portal")["code"] == "authz.denied"
    assert send(guarded, hold, key="portal")["duplicate"]
    assert guarded.show()["hold"] is None
    assert send(guarded, {**hold, "source": "/billing"})["outcome"] == "applied"


def test_the_engines_own_types_are_unknown_to_everybody(guarded):
    assert send(guarded, envelope(kind="delete"))["code"] == "command.unknown_type"


@pytest.mark.parametrize("kind", ["show", "cancel", "subscribe"])
def test_a_site_of_another_account_is_denied_and_nothing_of_it_is_told(guarded, kind):
    body = envelope(host="other.example.com")
    send(guarded, {**body, "data": {**body["data"], "account": "other"}})
    said = send(guarded, envelope("2", kind, "other.example.com", "/portal"), key="portal")
    told = ("site_id", "from", "to", "version", "document")
    assert (said["code"], [said[name] for name in told]) == ("authz.denied", [None] * 5)
    assert guarded.state("other.example.com") == "trial" or guarded.state("other.example.com") == "provisioning"


def test_a_trial_of_another_account_is_denied_and_a_taken_hostname_is_only_taken(guarded):
    body = envelope(source="/portal")
    other = {**body, "data": {**body["data"], "account": "other"}}
    assert send(guarded, other, key="portal")["code"] == "authz.denied"
    send(guarded, {**other, "source": "/billing", "id": "2"})
    said = send(guarded, {**body, "id": "3"}, key="portal")
    assert (said["code"], said["site_id"], said["to"], said["version"]) == ("host.taken", None, None, None)


def test_an_answer_goes_to_the_producers_own_streams_only(guarded):
    redis, numbers = guarded.context.redis, count()
    for name, is_own in (("billing:1", True), ("portal:1", False), ("billing", False)):
        said = send(guarded, envelope(str(next(numbers)), "show", replyto=f"tenure:reply:{name}"))
        assert said["code"] == ("site.unknown" if is_own else "authz.denied")
        guarded.sweep()
        assert redis.exists(f"tenure:reply:{name}") == is_own


def test_the_rate_is_the_producers_over_all_its_sources(world):
    load(world, entry("billing", fields='types = ["*"]\nper_minute = 3') + entry("portal"))
    said = [send(world, envelope(str(number), "show", source=f"/billing/{number}")) for number in range(4)]
    assert [one["code"] for one in said] == ["site.unknown"] * 3 + ["quota.exceeded"]
    assert said[3]["retry_after_s"] > 0
    assert send(world, envelope("4", "show", source="/portal"), key="portal")["code"] == "site.unknown"


def test_what_is_denied_is_denied_over_the_rate_too_and_leaves_no_receipt_then(world):
    load(world, entry("billing", fields='types = ["site.show"]\nper_minute = 1'))
    said = [send(world, envelope(str(number), "keep")) for number in range(3)]
    assert [one["code"] for one in said] == ["authz.denied"] * 3
    assert left(world)[0] == 1


def test_rotation_under_load_refuses_no_command(world):
    numbers = count()

    def batch(key):
        args = [signed(envelope(str(next(numbers)), "show"), key=key) for _ in range(20)]
        return {one["code"] for one in handler.take_each(world.context, args)}  # type: ignore[index]

    load(world, entry("billing"))
    assert batch("billing") == {"site.unknown"}
    load(world, entry("billing") + second_key())
    assert batch("billing") | batch("billing-2") == {"site.unknown"}
    load(world, entry("billing", until=timedelta(seconds=-1)) + second_key())
    assert batch("billing-2") == {"site.unknown"}
    assert rejected(world) == {}
    assert_left_nothing(world, signed(envelope("old")), "auth.stale")


def test_no_secret_stands_in_the_table(guarded):
    with reading(guarded.context.database) as tx:
        body = json.dumps(producers.loaded(tx).body)
    for name, secret in SECRETS.items():
        assert secret.hex() not in body
        assert (guarded.data_dir / f"{name}.key").read_text().strip() not in body
    assert guarded.context.producers.now().keys["billing"].secret == SECRETS["billing"]
