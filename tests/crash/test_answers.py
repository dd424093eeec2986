"""Each command is answered once and remembered once, however strange it is."""

import json

import pytest

from models import receipt
from models.database import reading
from tests.world import HOST
from workers.base.errors import Permanent
from workers.commands import dead_letters


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


def receipts(world):
    with reading(world.context.database) as tx:
        return [(row.source, row.id) for row in tx.execute(receipt.RECEIPTS.select())]


@pytest.mark.parametrize("subject", [HOST, "unknown.example.com"])
@pytest.mark.parametrize("data", [{}, {"colour": "red"}])
def test_a_question_is_answered_under_a_used_id_and_leaves_no_receipt(world, subject, data):
    world.hand_over(envelope())
    question = envelope(type="site.show", subject=subject, data=data)

    for _ in range(2):
        assert world.hand_over(question)["duplicate"] is False
    assert receipts(world) == [("shop", "order-1")]


def test_a_malformed_question_under_a_used_id_is_answered(world):
    world.hand_over(envelope())

    assert world.hand_over(envelope(type="site.show", time="yesterday"))["outcome"] == "refused"


def test_two_malformed_envelopes_with_one_id_and_other_content_conflict(world):
    first = world.hand_over(envelope(time="yesterday"))
    again = world.hand_over(envelope(time="yesterday"))
    other = world.hand_over(envelope(time="yesterday", subject="two.example.com"))

    assert (first["code"], first["duplicate"]) == ("envelope.malformed", False)
    assert again == {**first, "duplicate": True}
    assert (other["code"], other["duplicate"]) == ("command.id_conflict", False)


@pytest.mark.parametrize("wrong", [{"time": "yesterday"}, {"expectedversion": "one"}, {"type": "site.explode"}])
def test_a_dry_run_with_a_fault_does_not_use_up_its_id(world, wrong):
    assert world.hand_over(envelope(dryrun=True, **wrong))["outcome"] == "refused"

    assert world.hand_over(envelope())["outcome"] == "applied"


@pytest.mark.parametrize("source", ["tenure:clock", "tenure:effect", "TENURE:clock"])
def test_nobody_may_ask_under_the_engines_own_name(world, source):
    world.start_trial()
    expire = next(line for line in world.show()["next"] if line["what"] == "expire")
    stolen = f"{world.show()['id']}:expire:0:{expire['at']}"

    said = world.hand_over(envelope(source=source, id=stolen, type="site.pay", data={}))
    assert (said["code"], said["duplicate"]) == ("envelope.malformed", False)
    assert (source, stolen) not in receipts(world)
    world.advance(days=30)
    assert world.state() == "expired"


@pytest.mark.parametrize("stray", [{"id": float("nan")}, {"source": "\ud800"}])
def test_a_message_that_nobody_can_answer_is_kept_whatever_is_in_it(world, stray):
    assert world.hand_over(stray) is None
    assert len(dead_letters.listing(world.context)["dead"]) == 1


def test_an_id_that_is_no_text_is_answered_with_the_id_escaped(world):
    said = world.hand_over({"id": "\ud800", "source": "s"})
    assert (said["code"], said["command"]["id"]) == ("envelope.malformed", "\\ud800")


def test_a_tombstone_answers_that_it_is_deleted_whatever_version_is_expected(world):
    world.start_trial()
    world.send("cancel")
    world.advance(days=14)

    assert world.send("export", extra={"expectedversion": 1})["code"] == "site.deleted"


@pytest.mark.parametrize("kind", ["show", "subscribe"])
def test_a_host_that_cannot_count_agents_keeps_nobody_waiting(world, kind, monkeypatch):
    world.start_trial()

    def broken(_site_id):
        raise Permanent("the help desk's database is damaged")

    monkeypatch.setattr(world.context.host, "used_agents", broken)
    data = {"agents": 7, "payment_method": "pm_visa"} if kind == "subscribe" else {}
    assert world.say(kind, **data)["outcome"] in {"applied", "no_op"}


def test_a_message_that_was_put_aside_is_run_when_it_is_tried_again(world):
    body = {
        "queue_name": "lifecycle",
        "actor_name": "command",
        "args": [envelope()],
        "kwargs": {},
        "options": {"redis_message_id": "old", "retries": 100, "traceback": "…", "eta": 1},
        "message_id": "m",
        "message_timestamp": 1,
    }
    dead_letters.keep(world.context, "lifecycle.DQ", "old", json.dumps(body).encode(), "failed for good")
    (kept,) = dead_letters.listing(world.context)["dead"]
    dead_letters.retry(world.context, kept["id"])

    (redis_id,) = world.context.redis.lrange("dramatiq:lifecycle", 0, -1)
    again = json.loads(world.context.redis.hget("dramatiq:lifecycle.msgs", redis_id))
    assert again["queue_name"] == "lifecycle"
    assert again["options"] == {"redis_message_id": redis_id.decode()}
