"""Forgetting: an address is found in every spelling and in every store, and its bytes are gone afterwards."""

import json
import quopri
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.spelling import has_at_sign, names, plain
from engine.words import addresses_in, masked, without
from models import personal_data, receipt
from models.clock import review_secret
from models.database import reading, writing
from models.dead import DEAD
from models.event import EVENTS
from models.receipt import RECEIPTS
from models.site import SITES
from workers.safety import erasure

ADDRESS = "jörg.canary@äcme.example"
A_LABEL = "xn--cme-pla"
RAW = ADDRESS.encode()

SPELLINGS = {
    "other case": "JÖRG.Canary@ÄCME.Example",
    "decomposed": "jo\u0308rg.canary@a\u0308cme.example",
    "A-label": f"jörg.canary@{A_LABEL}.example",
    "A-label in capitals": f"JÖRG.CANARY@{A_LABEL.upper()}.EXAMPLE",
    "JSON": json.dumps(ADDRESS)[1:-1],
    "JSON in capitals": json.dumps(ADDRESS)[1:-1].replace("\\u00f6", "\\u00F6").replace("\\u00e4", "\\u00E4"),
    "JSON in JSON": json.dumps(json.dumps(ADDRESS)[1:-1])[1:-1],
    "JSON throughout": "".join(f"\\u{ord(one):04x}" for one in ADDRESS),
    "URL": quote(ADDRESS),
    "URL in small letters": quote(ADDRESS).lower(),
    "URL in URL": quote(quote(ADDRESS)),
    "URL throughout": "".join(f"%{one:02X}" for one in RAW),
    "quoted-printable": quopri.encodestring(RAW, quotetabs=True).decode().strip().replace("@", "=40"),
    "quoted-printable of Latin-1": quopri.encodestring(ADDRESS.encode("latin-1")).decode().strip(),
    "encoded word Q": "=?utf-8?Q?j=C3=B6rg=2Ecanary=40=C3=A4cme=2Eexample?=",
    "encoded word B": f"=?UTF-8?b?{b64encode(RAW).decode()}?=",
    "encoded word of Latin-1": f"=?iso-8859-1?B?{b64encode(ADDRESS.encode('latin-1')).decode()}?=",
    "full width": "ｊörg.canary＠äcme．example",
    "small at sign": "jörg.canary﹫äcme.example",
    "ideographic dot": "jörg.canary@äcme。example",
    "HTML": "j&#246;rg.canary&#64;&auml;cme.example",
    "HTML in hex": "j&#xF6;rg.canary&#x40;&#xe4;cme.example",
    "zero width": "jörg.\u200bcanary@äcme.example",
    "escaped bytes": ADDRESS.encode("latin-1").decode("utf-8", "backslashreplace"),
    "Python bytes": repr(RAW)[2:-1],
}


@pytest.fixture(params=SPELLINGS, ids=[name.replace(" ", "-") for name in SPELLINGS])
def spelled(request):
    return SPELLINGS[request.param]


def test_an_address_is_known_in_this_spelling_wherever_it_stands(spelled):
    known = [plain(ADDRESS)]
    for text in (spelled, f"write to <{spelled}>, please", json.dumps({"a": spelled})):
        assert has_at_sign(text)
        assert names(text, known), text
    left = without(f"before {spelled} after", known)
    assert (left.startswith("before "), left.endswith(" after"), names(left, known)) == (True, True, False)


def test_an_address_in_this_spelling_is_masked_before_anybody_knows_it(spelled):
    left = masked(f"before {spelled} after")
    assert left == "before *** after"
    assert not names(left, [plain(ADDRESS)])
    assert plain(ADDRESS) in {plain(one) for one in addresses_in(f"before {spelled} after")}


@pytest.mark.parametrize(
    "text",
    [
        "status=404",
        "x=40.5",
        "100%40",
        "a%20b",
        "path\\u0040",
        "=?",
        "a=b&c=d",
        "50% of 40",
        "C:\\x40",
        "",
        "=40",
        "%40",
    ],
)
def test_a_text_without_an_address_is_left_as_it_is(text):
    assert masked(f"before {text} after") == f"before {text} after"


@given(st.text())
def test_masking_is_total_and_leaves_no_at_sign_that_reads_as_one(text):
    left = masked(text)
    assert not {"@", "＠", "﹫"} & set(left)
    assert masked(left) == left


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
)
def test_json_that_is_masked_stays_json(value):
    json.loads(masked(json.dumps(value)))
    json.loads(masked(json.dumps(value, ensure_ascii=False)))


def plant(world, site_id, text):
    """The address in a row of every table with text, the site's own and nobody's, and in every store of Redis."""
    document = {"a": [f"say {text} now", {"b": text}], "source": "shop"}
    with writing(world.context.database) as tx:
        for number, owner in enumerate((site_id, None)):
            tx.execute(RECEIPTS.insert().values(
                source=f"shop {text}", id=f"{number} {text}", site_id=owner, type="site.cancel", digest="",
                at=world.now, outcome="refused", answer=document,
            ))  # fmt: skip
            tx.execute(EVENTS.insert().values(
                id=f"{number}", site_id=owner, type="x", at=world.now, body=json.dumps(document), sent=True
            ))  # fmt: skip
        tx.execute(DEAD.insert().values(id="1", queue="q", reason=f"no {text}", body=f"x {text} y", at=world.now))
        tx.execute(SITES.update().values(account=text, attention=f"say {text}", held_for=text, suspended_reason=text))
    redis = world.context.redis
    redis.hset("dramatiq:lifecycle.XQ.msgs", mapping={"m1": json.dumps({"a": text}), "m2": "another"})
    redis.zadd("dramatiq:lifecycle.XQ", {"m1": 1, "m2": 2})
    redis.hset("dramatiq:lifecycle.msgs", mapping={"m3": text, "m4": "another"})
    entry = redis.xadd("tenure:events", {"event": json.dumps(document, ensure_ascii=False)})
    redis.sadd(f"tenure:named:{site_id}", entry)
    redis.xadd("tenure:reply:portal", {"event": json.dumps(document)})


def left(world):
    """Every text of every table, and every value in Redis, that still names the address."""
    known, found = [plain(ADDRESS)], []
    with reading(world.context.database) as tx:
        for table in personal_data._tables():
            for row in tx.execute(table.select()).mappings():
                found += [(table.name, name) for name, value in row.items() if names(str(value), known)]
    redis = world.context.redis
    for key in redis.scan_iter("*"):
        kind = redis.type(key)
        values: Any = redis.hgetall(key) if kind == b"hash" else redis.xrange(key) if kind == b"stream" else ()
        found += [key for value in (values.items() if kind == b"hash" else values) if names(str(value), known)]
    return found


def test_an_address_in_any_spelling_is_gone_from_every_table_and_every_store_of_redis(world):
    """One world for all spellings: each is planted, seen, forgotten, and looked for."""
    world.send("start_trial", account="a", email=ADDRESS)
    site_id = world.show()["id"]
    for name, text in SPELLINGS.items():
        with writing(world.context.database) as tx:
            tx.execute(SITES.update().values(email=f"jörg.canary@{A_LABEL}.example"))
            tx.execute(DEAD.delete())
            tx.execute(RECEIPTS.delete())
            tx.execute(EVENTS.delete())
        plant(world, site_id, text)
        assert len(left(world)) > 15, name

        erasure.forget_others(world.context, site_id)

        assert left(world) == [("site", "email")], name
        assert world.context.redis.hkeys("dramatiq:lifecycle.XQ.msgs") == [b"m2"]
        assert world.context.redis.hkeys("dramatiq:lifecycle.msgs") == [b"m4"]
    erasure.forget_address(world.context, site_id)
    assert left(world) == []


def test_no_log_line_holds_an_address_in_any_spelling(world, log_lines):
    world.start_trial()
    for number, text in enumerate(SPELLINGS.values()):
        world.say("cancel", key=f"{number} {text}"[:200], extra={"correlationid": text[:200]})
    lines = [json.loads(line) for line in log_lines.read_text().splitlines()]
    assert len(lines) >= len(SPELLINGS)
    assert [line for line in lines for value in line.values() if names(str(value), [plain(ADDRESS)])] == []


def test_rows_of_others_and_what_only_looks_alike_stay(world):
    world.send("start_trial", account="a", email=ADDRESS)
    with writing(world.context.database) as tx:
        tx.execute(DEAD.insert().values(id="1", queue="q", reason="other@acme.example", body="a=40b", at=world.now))
    erasure.forget_others(world.context, world.show()["id"])
    with reading(world.context.database) as tx:
        (row,) = tx.execute(DEAD.select()).all()
    assert (row.reason, row.body) == ("other@acme.example", "a=40b")


# Keys


KEYS = (
    *(("shop", f"signup {ADDRESS}"), ("shop", f"signup {quote(ADDRESS)}"), (f"shop/{ADDRESS}", "order-1")),
    *(
        (f"shop/{ADDRESS}", f"signup {ADDRESS}"),
        ("shop", f"=?utf-8?b?{b64encode(RAW).decode()}?="),
        ("shop", "order-1"),
    ),
)
OPERATORS = ("tenure-cli:jane@ops.example", "console:jane@ops.example")


def test_a_late_redelivery_of_a_key_that_named_the_customer_is_known_and_starts_nothing(world):
    first = [start(world, number, *key) for number, key in enumerate(KEYS)]
    assert [one["outcome"] for one in first] == ["applied"] * len(KEYS)
    world.send("hold", "s0.example.com", reason=f"asked by {ADDRESS}", extra={"source": OPERATORS[0]})
    world.send("release", "s0.example.com", extra={"source": OPERATORS[1]})
    old = rewritten_by_0_1(world, KEYS[-2])
    for number in range(len(KEYS)):
        world.send("cancel", f"s{number}.example.com")
    world.advance(days=15)
    assert {world.state(f"s{number}.example.com") for number in range(len(KEYS))} == {"deleted"}
    kept = {(move["source"], move["id"]) for n in range(len(KEYS)) for move in world.history(f"s{n}.example.com")}

    for number, key in enumerate(KEYS):
        again = start(world, number, *key)
        assert (again["outcome"], again["duplicate"]) == ("applied", True), key
        assert again["site_id"] == first[number]["site_id"]
        assert world.state(f"s{number}.example.com") == "deleted"
        assert start(world, number, *key, account="another")["code"] == "command.id_conflict"

    assert left(world) == []
    assert {source for source, _ in kept} >= {*OPERATORS, "shop"}
    assert old in kept
    with reading(world.context.database) as tx:
        assert ("shop", receipt.forgotten(review_secret(tx), KEYS[0][1])) in kept
        operators = tx.execute(RECEIPTS.select().where(RECEIPTS.c.source == OPERATORS[0])).one()
    assert operators.answer["command"]["source"] == OPERATORS[0]


def start(world, number, source, key, account="a"):
    host = f"s{number}.example.com"
    return world.send("start_trial", host, account=account, email=ADDRESS, key=key, extra={"source": source})


def rewritten_by_0_1(world, key):
    """A receipt as version 0.1 left it: its id without a secret. No life of its site rewrites it again."""
    old = receipt._ways(b"", key[1])[2]
    with writing(world.context.database) as tx:
        tx.execute(RECEIPTS.update().where(RECEIPTS.c.id == key[1]).values(id=old))
    return key[0], old


def test_a_key_can_not_be_found_without_the_engines_secret():
    assert receipt.forgotten(b"one", ADDRESS) != receipt.forgotten(b"another", ADDRESS)
    assert len(receipt.forgotten_keys(b"one", ("shop", "order-1"))) == 0
    assert ("shop", "order-1") not in receipt.forgotten_keys(b"one", ("shop", f"order {ADDRESS}"))
