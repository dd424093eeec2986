"""The door: whatever comes is answered, no answer harms its reader, and a name is one in every spelling."""

import json
import re
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.printable import UNSAFE, is_printable
from models import receipt
from models.database import reading, writing
from models.receipt import RECEIPTS
from models.site import SITES
from models.timestamps import is_rfc3339
from tests.hostile.envelopes import HARMFUL, HOST, envelope, twice, written
from tests.runtime.mutations import Mutations
from workers.base import json_reader
from workers.commands import dead_letters as graveyard
from workers.commands import fingerprint, handler
from workers.commands.envelope import Unreadable, read
from workers.commands.payloads import checked
from workers.queue.message import Undecodable

ATTRIBUTES = ("subject", "type", "source", "id", "correlationid", "time", "replyto", "review", "traceparent")
FIELDS = {
    "account": {"account": None, "email": "owner@acme.example"},
    "email": {"account": "acme", "email": None},
    "payment_method": {"agents": 2, "payment_method": None},
    "reason": {"reason": None},
}
TYPES = {"payment_method": "site.subscribe", "reason": "site.cancel"}


def test_a_harmful_character_anywhere_in_an_envelope_is_answered_and_goes_no_further(world):
    numbers = count()
    for text in HARMFUL.values():
        for name in ATTRIBUTES:
            number = next(numbers)
            said = world.hand_over(envelope(**{"id": f"id-{number}", "subject": f"s{number}.example.com", name: text}))
            is_ignored = name == "traceparent" and is_utf8(text)
            assert said["outcome"] == ("applied" if is_ignored else "refused"), (name, text)
            assert said["code"] == expected(name, text), (name, text)
    assert_nothing_harmful(world)


def expected(name, text):
    """The code for a harmful text in an attribute; what can't be written as UTF-8 is no JSON at all."""
    if not is_utf8(text):
        return "envelope.malformed"
    return {"subject": "host.invalid", "review": "review.stale", "traceparent": None}.get(name, "envelope.malformed")


def test_a_harmful_character_in_the_data_is_a_field_that_is_named(world):
    numbers = count()
    world.start_trial()
    for text in HARMFUL.values():
        for field, data in FIELDS.items():
            sent = envelope(
                id=f"id-{next(numbers)}", type=TYPES.get(field, "site.start_trial"), data={**data, field: text}
            )
            said = world.hand_over(sent)
            assert said["code"] == ("command.invalid_field" if is_utf8(text) else "envelope.malformed"), (field, text)
            assert field in said["message"] or not is_utf8(text)
    assert_nothing_harmful(world)


def is_utf8(text):
    return text.isascii() or "\ud800" not in text


def assert_nothing_harmful(world):
    for _, fields in world.context.redis.xrange("tenure:events"):
        assert all(map(is_printable, texts_of(json.loads(fields[b"event"]))))


def texts_of(value):
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts_of(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    return [value] if isinstance(value, str) else []


def test_every_mutated_envelope_is_answered_or_kept_and_none_fails(world):
    mutations, batch = Mutations(7, HOST), []
    while len(batch) < 600:
        body = next(mutations).body
        try:
            batch.append(written(json.dumps(json.loads(body)["args"][0])))
        except (ValueError, TypeError, KeyError, IndexError, RecursionError, Undecodable):
            continue
    assert [one for one in handler.take_each(world.context, batch) if isinstance(one, Exception)] == []


def test_an_id_that_can_not_be_kept_is_answered_each_time_and_uses_up_nothing(world):
    said = [world.hand_over(envelope(id="a\0b")) for _ in range(2)]
    assert [(one["code"], one["duplicate"]) for one in said] == [("envelope.malformed", False)] * 2
    assert said[0]["command"]["id"] == "a\\x00b"
    assert world.hand_over(envelope(id="a\\x00b"))["outcome"] == "applied"


# Hostnames


SPELLINGS = (
    *("bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE", "bücher.example."),
    *("bu\u0308cher.example", "ｂücher．example", "bücher。example"),
)


def test_a_hostname_is_found_in_every_spelling_and_shown_in_both_forms(world):
    world.send("start_trial", "Bücher.Example", account="acme", email="owner@acme.example")
    for number, spelled in enumerate(SPELLINGS):
        assert world.say("show", spelled)["site"] == "xn--bcher-kva.example", spelled
        assert (
            world.say("start_trial", spelled, account="a", email="a@b.example", key=f"k{number}")["code"]
            == "host.taken"
        )
        assert world.show(spelled)["site_unicode"] == "bücher.example"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://Acme.example.com/portal", HOST),
        ("acme.example.com:8443", HOST),
        (" acme.example.com ", HOST),
        ("acme.ex\u200bample.com", HOST),
        ("acme_support.example.com", "acme-support.example.com"),
        ("acme.example.com..", HOST),
        ("xn--a.example.com", None),
        ("xn--.example.com", None),
        ("localhost", None),
        ("10.0.0.1", None),
        ("[::1]", None),
        ("☃.example.com", None),
        ("-acme.example.com", None),
        ("a..example.com", None),
        (f"{'a' * 64}.example.com", None),
        (f"{'ä' * 60}.example.com", None),
        ("1.\u05d0\u05d1.com", None),
    ],
)
def test_a_refused_hostname_is_told_the_form_that_would_be_accepted(given, meant):
    fault = read((envelope(subject=given),)).fault
    assert fault.code == "host.invalid"
    assert (f"{meant} would be accepted" if meant else "give a hostname like help.example.com") in str(fault)


def test_no_secret_hides_in_the_form_that_is_proposed():
    said = str(read((envelope(subject="jo@acme.example.com"),)).fault)
    assert "jo@" not in said
    assert "would be accepted" not in said


def test_a_site_that_was_started_under_a_name_refused_today_is_still_found(world):
    world.start_trial()
    with writing(world.context.database) as tx:
        tx.execute(SITES.update().values(host="xn--a.example.com"))
    assert world.say("show", "xn--a.example.com")["site"] == "xn--a.example.com"
    assert world.say("cancel", "XN--A.example.com")["outcome"] == "applied"


@given(st.text(max_size=40))
def test_what_is_taken_as_a_hostname_is_its_own_normal_form(text):
    taken = read((envelope(subject=text or "x", type="site.start_trial"),))
    if taken.fault is None:
        again = read((envelope(subject=taken.subject),))
        assert (again.subject, again.fault) == (taken.subject, None)
        assert taken.subject.isascii()
    else:
        assert taken.fault.code in {"host.invalid", "envelope.malformed"}
        assert is_printable(str(taken.fault))


# Moments


@pytest.mark.parametrize(
    "text",
    [
        *("2026-01-31T09:30:00Z", "2026-01-31t09:30:00z", "2026-01-31T09:30:00.123456789+05:30"),
        *("2016-12-31T23:59:60Z", "2024-02-29T00:00:00-00:00", "0000-02-29T00:00:00Z", "9999-12-31T23:59:59.9Z"),
    ],
)
def test_a_moment_of_rfc_3339_is_taken(text):
    assert read((envelope(time=text),)).fault is None


@pytest.mark.parametrize(
    "text",
    [
        *("2026-W05-6T09:30:00Z", "2026-031T09:30:00Z", "20260131T093000Z", "2026-01-31T09:30:00,5Z"),
        *("2026-01-31T09:30:00", "2026-01-31T09:30Z", "2026-01-31 09:30:00Z", "2026-01-31", "2026-01-31T24:00:00Z"),
        *("2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z"),
        *("2026-01-31T09:30:61Z", "2026-01-31T09:60:00Z", "2026-01-31T09:30:00+0530", "2026-01-31T09:30:00+24:00"),
        *("2026-01-31T09:30:00.Z", "2026-01-31T09:30:00Z\n", "+2026-01-31T09:30:00Z", "٢٠٢٦-01-31T09:30:00Z", ""),
    ],
)
def test_a_moment_in_another_form_is_refused_with_one_that_is_right(text):
    assert not is_rfc3339(text)
    fault = read((envelope(time=text),)).fault
    assert fault.code == "envelope.malformed"
    assert "like 2026-01-31T09:30:00Z" in str(fault)


# Members twice, and nothing


@pytest.mark.parametrize("name", ["data", "type", "subject", "time", "id", "source", "surprise", "dryrun"])
def test_a_member_twice_is_malformed_whatever_it_is(name):
    text = json.dumps(envelope(surprise=1, time="2026-01-31T09:30:00Z", dryrun=False))
    taken = read(written(twice(text, name, "another")))
    assert taken.fault.code == "envelope.malformed"
    assert repr(name) in str(taken.fault)


@pytest.mark.parametrize(
    "text",
    [
        '{"account": "acme", "email": "a@b.example", "account": "acme"}',
        '{"account": "acme", "email": "a@b.example", "more": {"x": [{"y": 1, "y": 1}]}}',
        '{"account": "acme", "email": "a@b.example", "\\u0061ccount": "acme"}',
        '{"account": "a\\u0022\\u0022\\u0022\\u0022", "email": "a@b.example", "account": "acme"}',
    ],
)
def test_a_member_twice_within_the_envelope_is_malformed_too(text):
    whole = json.dumps(envelope(data="DATA")).replace('"DATA"', text)
    assert read(written(whole)).fault.code == "envelope.malformed"


def test_nothing_is_done_for_a_member_twice_and_the_same_again_is_answered_the_same(world):
    args = written(twice(json.dumps(envelope()), "data", {"account": "other", "email": "a@b.example"}))
    first, second = world.hand_over(*args), world.hand_over(*json.loads(json.dumps(args)))
    assert (first["code"], first["duplicate"]) == ("envelope.malformed", False)
    assert second == {**first, "duplicate": True}
    assert world.hand_over(envelope())["code"] == "command.id_conflict"
    assert world.hand_over(envelope(id="order-2"))["outcome"] == "applied"


@pytest.mark.parametrize("name", ["id", "source"])
def test_a_key_that_stands_twice_uses_up_neither(world, name):
    said = world.hand_over(*written(twice(json.dumps(envelope()), name, "another")))
    assert said["code"] == "envelope.malformed"
    assert world.hand_over(envelope())["outcome"] == "applied"


def test_a_member_twice_in_the_message_around_the_envelope_is_nobodys_to_answer():
    with pytest.raises(Undecodable, match="twice"):
        written(json.dumps(envelope()) + '],"args":[' + json.dumps(envelope()))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), lambda inner: (
    st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)))  # fmt: skip
def test_json_is_read_as_python_reads_it(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, separators=(",", ":"))):
        raw = text.encode("utf-8", "surrogatepass")
        try:
            expected = json.loads(raw.decode())
        except UnicodeDecodeError:
            continue
        found = json_reader.loads(raw)
        assert json.dumps(found) == json.dumps(expected)
        assert repr(found) == repr(expected)


@pytest.mark.parametrize("digits", ["9223372036854775807", "9223372036854775808", "18446744073709551616", "9" * 400])
def test_a_number_of_any_size_is_read_exactly(digits):
    assert json_reader.loads(b'{"a": ' + digits.encode() + b"}") == {"a": int(digits)}


@pytest.mark.parametrize(
    "data",
    ['{"agents": 1e400, "payment_method": "p"}', '{"agents": ' + "9" * 5000 + ', "payment_method": "p"}',
     '{"agents": ' + "9" * 4000 + ', "payment_method": "p"}', '{"agents": -1, "payment_method": "p"}'],
)  # fmt: skip
def test_a_number_out_of_range_is_answered(data):
    taken = read(written(json.dumps(envelope(type="site.subscribe", data="DATA")).replace('"DATA"', data)))
    assert taken.fault.code == "command.invalid_field"
    assert "agents" in str(taken.fault)


@pytest.mark.parametrize("deep", ["[" * 20_000 + "]" * 20_000, '{"a":' * 9_000 + "1" + "}" * 9_000])
def test_deep_nesting_is_answered(deep):
    taken = read(written(json.dumps(envelope(surprise="DEEP")).replace('"DEEP"', deep)))
    assert taken.fault.code == "envelope.malformed"
    assert taken.id == "order-1"


def test_null_is_the_same_as_leaving_it_out(world):
    optional = ("time", "dryrun", "review", "expectedversion", "replyto", "correlationid", "traceparent")
    assert world.hand_over(envelope(**dict.fromkeys(optional)))["outcome"] == "applied"
    assert world.hand_over(envelope())["duplicate"] is True
    nothing = {"reason": None, "when": None}
    assert world.hand_over(envelope(id="2", type="site.cancel", data=nothing))["outcome"] == "applied"
    assert world.hand_over(envelope(id="2", type="site.cancel", data={}))["duplicate"] is True
    assert world.hand_over(envelope(id="2", type="site.cancel", data=None))["duplicate"] is True


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"account": None, "email": "a@b.example"}, "command.invalid_field"),
        ({"account": "a", "email": "a@b.example", "colour": None}, "command.unexpected_field"),
    ],
)
def test_null_for_what_is_needed_or_unknown_is_refused(data, code):
    assert read((envelope(data=data),)).fault.code == code


# Receipts of version 0.1


def as_0_1(raw):
    """The fingerprint as version 0.1 made it: the subject in lower case and nothing more, nulls as content."""
    return fingerprint.of_content(raw["type"], raw["subject"].lower(), raw["data"] or {}, raw.get("expectedversion"))


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (envelope(), envelope(subject="ACME.Example.com.")),
        (envelope(), envelope(subject="ａｃｍｅ.example.com")),
        (envelope(type="site.cancel", data={"reason": None}), envelope(type="site.cancel", data={"reason": None})),
        (envelope(type="site.cancel", data={"reason": None}), envelope(type="site.cancel", data={})),
        (envelope(type="site.cancel", data={}), envelope(type="site.cancel", data={"reason": None})),
        (envelope(type="site.pay", data={"payment_method": None}), envelope(type="site.pay", data={})),
        (envelope(subject="ACME.example.com."), envelope(subject="ACME.example.com.")),
        (envelope(subject="bücher.example"), envelope(subject="bücher.example")),
    ],
)
def test_a_redelivered_command_of_0_1_is_answered_with_its_first_answer(world, first, again):
    world.hand_over(first)
    with writing(world.context.database) as tx:
        tx.execute(RECEIPTS.update().values(digest=as_0_1(first)))
    assert world.hand_over(again)["duplicate"] is True
    assert world.hand_over({**again, "data": {"account": "other"}})["code"] == "command.id_conflict"


# What is kept of what nobody can read


def test_a_reason_that_quotes_the_message_is_kept_on_both_databases(world):
    graveyard.keep_unreadable(world.context, "lifecycle", b'{"a\\ud800": 1}', "does not fit: 'a\0\ud800\x1b'")
    (kept,) = graveyard.listing(world.context)["dead"]
    assert UNSAFE.search(kept["reason"]) is None


def test_no_source_and_id_means_nobody_is_answered():
    for changes in ({"id": ""}, {"id": "x" * 201}, {"source": 7}, {"source": None}):
        with pytest.raises(Unreadable):
            read((envelope(**changes),))


def test_the_receipt_of_a_refusal_is_found_by_the_key_as_it_came(world):
    world.hand_over(envelope(time="yesterday"))
    with reading(world.context.database) as tx:
        assert set(receipt.find_all(tx, [("shop", "order-1")])) == {("shop", "order-1")}


@pytest.mark.parametrize(
    ("kind", "data", "remedy"),
    [
        ("subscribe", {"agents": 0, "payment_method": "pm_visa"}, "data.agents '0' is not accepted: send at least 1"),
        ("subscribe", {"agents": "7", "payment_method": "pm_visa"}, "send a whole number"),
        ("subscribe", {"agents": 7.5, "payment_method": "pm_visa"}, "send a whole number"),
        ("subscribe", {"agents": 100_001, "payment_method": "pm_visa"}, "send at most 100000"),
        ("subscribe", {"agents": 7, "payment_method": ""}, "send at least 1 character"),
        ("subscribe", {"agents": 7, "payment_method": "x" * 201}, "send at most 200 characters"),
        ("subscribe", {"agents": 7, "payment_method": 7}, "send a text"),
        ("cancel", {"when": "tomorrow"}, "send 'now' or 'period_end'"),
        ("waive", {"guard": "all", "reason": "court"}, "send 'export', 'backup' or 'notice'"),
        ("restore", {"from": "../../etc"}, "send previous_day, 7_day, 30_day or the id of a backup"),
        ("extend_trial", {"days": 367}, "send at most 366"),
    ],
)
def test_a_field_is_refused_in_our_words_with_what_to_send_instead(kind, data, remedy):
    _, refused = checked(f"site.{kind}", data)
    assert refused.code == "command.invalid_field"
    assert remedy in refused.message
    assert not re.search(r"Input should|String should|\^\[|\{\w+\}", refused.message)


def test_a_reason_may_hold_joined_emoji_and_no_other_field_may():
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 moving"
    assert checked("site.cancel", {"reason": family})[1] is None
    assert checked("site.cancel", {"reason": f"{family}\u202e"})[1].code == "command.invalid_field"
    assert checked("site.update_payment", {"payment_method": "pm\u200d"})[1].code == "command.invalid_field"
