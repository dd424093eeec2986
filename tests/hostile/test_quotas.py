"""How many commands may come in a minute: both sides of the edge, and whom it does not touch."""

import re

import pytest
import redis

from models.database import reading
from models.receipt import RECEIPTS
from tests.world import World
from workers.commands import handler
from workers.commands.quotas import Asked, Quotas

OTHER = "other.example.com"


@pytest.fixture
def start(tmp_path, redis_url, databases):
    """Make worlds with a quota; those after the first are other processes on the same database."""
    made, database = [], databases()

    def start(**settings):
        made.append(World(tmp_path / "data", redis_url, **database, **settings))
        return made[-1]

    yield start
    for world in made:
        world.close()


@pytest.fixture
def world(start):
    """A trial whose site takes the default of 120 commands a minute, all of which are left."""
    world = start(SITE_COMMANDS_PER_MINUTE="120")
    world.start_trial()
    let_pass(world, 100)
    return world


def let_pass(world, seconds):
    """Let the counts be so many seconds older: the clock is Redis's own."""
    for key in world.context.redis.scan_iter("tenure:rate:*"):
        told = re.sub(r"(\d+):", lambda found: f"{int(found[1]) - seconds}:", world.context.redis.get(key).decode())
        world.context.redis.set(key, told, keepttl=True)


def body(world, kind="update_contact", host="acme.example.com", *, key=None, source="portal", **more):
    key = key or next(world.ids)
    data = {"email": f"{key}@acme.example.com"} if kind == "update_contact" else {}
    head = {"specversion": "1.0", "source": source, "id": key, "type": f"site.{kind}", "subject": host, "data": data}
    return {**head, **more}


def at_once(world, bodies):
    return handler.take_each(world.context, [(one,) for one in bodies])


def say(world, *words, **more):
    return world.hand_over(body(world, *words, **more))


def codes(answers):
    return [one["code"] for one in answers]


def test_the_120th_command_of_a_minute_passes_and_the_121st_is_refused(world):
    assert codes(at_once(world, [body(world) for _ in range(119)])) == [None] * 119
    assert say(world)["outcome"] == "applied"

    refused = say(world)
    assert (refused["outcome"], refused["code"]) == ("refused", "quota.exceeded")
    assert 50 <= refused["retry_after_s"] <= 60
    assert f"ask again in {refused['retry_after_s']} s, with the same id" in refused["message"]


def test_it_leaves_no_receipt_and_the_same_id_passes_after_the_wait_it_names_and_not_before(world):
    at_once(world, [body(world) for _ in range(120)])
    late = body(world, key="late")
    wait = world.hand_over(late)["retry_after_s"]
    with reading(world.context.database) as tx:
        assert tx.execute(RECEIPTS.select().where(RECEIPTS.c.id == "late")).all() == []

    let_pass(world, wait - 5)
    assert world.hand_over(late)["code"] == "quota.exceeded"
    let_pass(world, 5)
    said = world.hand_over(late)
    assert (said["outcome"], said["duplicate"]) == ("applied", False)


def test_of_200_at_once_120_pass_in_their_order(world):
    assert codes(at_once(world, [body(world) for _ in range(200)])) == [None] * 120 + ["quota.exceeded"] * 80


def test_a_command_that_was_answered_is_answered_again_and_not_counted(world):
    bodies = [body(world) for _ in range(119)]
    at_once(world, bodies)
    assert all(said["duplicate"] for said in at_once(world, bodies))
    assert say(world, key="last")["outcome"] == "applied"
    assert say(world)["code"] == "quota.exceeded"
    again = at_once(world, [bodies[0], body(world), bodies[1]])
    assert [said["duplicate"] for said in again] == [True, False, True]
    assert codes(again) == [None, "quota.exceeded", None]


def test_the_same_command_twice_in_one_batch_counts_once_and_is_refused_as_one(world):
    at_once(world, [body(world) for _ in range(119)])
    twice = body(world, key="twice")
    said = at_once(world, [twice, twice])
    assert [one["duplicate"] for one in said] == [False, True]
    late = body(world, key="late")
    assert codes(at_once(world, [late, late])) == ["quota.exceeded"] * 2


def test_a_dry_run_a_question_and_a_command_with_a_fault_count(world):
    at_once(world, [body(world) for _ in range(117)])
    assert say(world, dryrun=True)["outcome"] == "preview"
    assert say(world, "show")["document"] is not None
    assert say(world, "dance")["code"] == "command.unknown_type"
    assert codes([say(world, dryrun=True), say(world, "show"), say(world, "dance")]) == ["quota.exceeded"] * 3


def test_a_site_counts_by_its_name_and_its_id_together(world):
    by_id = world.show()["id"]
    at_once(world, [body(world, host=host) for host in ("acme.example.com", by_id) for _ in range(60)])
    assert say(world, host=by_id)["code"] == "quota.exceeded"


def test_other_sites_and_other_sources_are_not_touched(world):
    at_once(world, [body(world) for _ in range(121)])
    assert say(world)["code"] == "quota.exceeded"
    assert say(world, source="support")["outcome"] == "applied"
    assert world.start_trial(OTHER)["state"] == "trial"
    assert say(world, host=OTHER)["outcome"] == "applied"


@pytest.mark.parametrize("source", ["tenure-cli", "tenure-cli:jane", "console:jane"])
def test_operators_are_exempt(world, source):
    assert codes(at_once(world, [body(world, source=source) for _ in range(150)])) == [None] * 150


@pytest.mark.parametrize("source", ["tenure-client", "console", "my-tenure-cli:x"])
def test_who_only_sounds_like_an_operator_is_not(world, source):
    assert codes(at_once(world, [body(world, source=source) for _ in range(121)]))[-1] == "quota.exceeded"


def test_a_source_has_a_limit_over_all_its_sites_where_one_is_set(start):
    world = start(COMMANDS_PER_MINUTE="10", SITE_COMMANDS_PER_MINUTE="6")
    for host in ("acme.example.com", OTHER):
        world.say("start_trial", host, account="a", email=f"o@{host}")
    let_pass(world, 100)
    assert codes(at_once(world, [body(world) for _ in range(7)])) == [None] * 6 + ["quota.exceeded"]
    assert codes(at_once(world, [body(world, host=OTHER) for _ in range(5)])) == [None] * 4 + ["quota.exceeded"]
    assert say(world, host=OTHER, source="another")["outcome"] == "applied"


def test_zero_is_no_limit(start):
    world = start(COMMANDS_PER_MINUTE="0", SITE_COMMANDS_PER_MINUTE="0")
    world.start_trial()
    assert codes(at_once(world, [body(world) for _ in range(300)])) == [None] * 300
    assert list(world.context.redis.scan_iter("tenure:rate:*")) == []


def test_processes_count_together(start, world):
    other = start(SITE_COMMANDS_PER_MINUTE="120")
    at_once(world, [body(world) for _ in range(70)])
    said = at_once(other, [body(world) for _ in range(70)])
    assert codes(said).count("quota.exceeded") == 20


def test_commands_that_were_rolled_back_are_not_counted(world, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("workers.commands.batch.CommandBatch.judge", _broken)
        with pytest.raises(ValueError, match="no such thing"):
            say(world)
        assert [type(one) for one in at_once(world, [body(world) for _ in range(50)])] == [ValueError] * 50
    assert codes(at_once(world, [body(world) for _ in range(121)]))[-2:] == [None, "quota.exceeded"]


def _broken(*_given):
    raise ValueError("no such thing")


def test_an_emptied_redis_begins_anew(world):
    at_once(world, [body(world) for _ in range(121)])
    world.context.redis.flushall()
    assert say(world)["outcome"] == "applied"


def test_keys_of_another_type_are_written_over(world):
    at_once(world, [body(world) for _ in range(121)])
    for key in list(world.context.redis.scan_iter("tenure:rate:*")):
        world.context.redis.delete(key)
        world.context.redis.rpush(key, "nonsense")
    assert codes(at_once(world, [body(world) for _ in range(121)]))[-2:] == [None, "quota.exceeded"]


def test_while_redis_can_not_count_all_may_pass(world, log_lines):
    world.context.__dict__["rates"] = redis.Redis(port=1, socket_timeout=0.1)
    assert codes(at_once(world, [body(world) for _ in range(130)])) == [None] * 130
    assert "commands were not counted and may all pass" in log_lines.read_text()


def test_no_key_shows_who_asked_about_whom_and_none_stays(world):
    say(world, source="owner@acme.example.com")
    keys = list(world.context.redis.scan_iter("tenure:rate:*"))
    assert keys
    assert not any(b"acme" in key or b"acme" in world.context.redis.get(key) for key in keys)
    assert all(0 < world.context.redis.ttl(key) <= 60 for key in keys)


def test_the_window_slides(world):
    quotas = Quotas(world.context)
    first, second = [Asked("a", "s")] * 70, [Asked("a", "s")] * 50
    assert quotas.take(first) == [0] * 70
    let_pass(world, 40)
    assert quotas.take(second) == [0] * 50
    (wait,) = quotas.take([Asked("a", "s")])
    assert 17 <= wait <= 20
    let_pass(world, 20)
    assert [bool(one) for one in quotas.take([Asked("a", "s")] * 71)] == [False] * 70 + [True]
