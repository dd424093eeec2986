"""Effects that fail in ways nobody thought of, that were overtaken, or whose site moved on meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

import engine
from models import claims, effect
from models.clock import machine_now
from models.database import reading, writing
from workers.base.errors import Permanent, Temporary
from workers.cli import deletion_reports
from workers.commands import dead_letters
from workers.effects import executor as effects
from workers.effects.claim import NOTHING
from workers.effects.registry import EFFECTS
from workers.safety import breaker


def row_of(world, effect_id):
    with reading(world.context.database) as tx:
        return effect.find(tx, effect_id)


def put_in_place(monkeypatch, kind, handler):
    monkeypatch.setitem(EFFECTS, kind, replace(EFFECTS[kind], handler=handler))


def the_open_effect(world):
    (effect_id,) = world.open_effects()
    return effect_id


def try_until_it_gives_up(world, effect_id):
    for _ in range(effects.MOST_ATTEMPTS + 3):
        if row_of(world, effect_id).status not in effect.UNFINISHED:
            return
        world.retry_now()
    raise AssertionError("it never gave up")


@pytest.mark.parametrize("wrong", [KeyError("number"), ValueError("no"), IntegrityError("insert", {}, Exception("x"))])
def test_an_act_that_fails_unexpectedly_is_tried_again_and_then_gives_up_for_all_to_see(world, wrong, monkeypatch):
    world.start_trial()

    def broken(_place, _work):
        raise wrong

    put_in_place(monkeypatch, "export", broken)
    world.say("export")
    effect_id = the_open_effect(world)
    world.rest()
    assert type(wrong).__name__ in row_of(world, effect_id).error

    try_until_it_gives_up(world, effect_id)
    assert "gave up" in world.show()["attention"]
    assert [one["id"] for one in dead_letters.listing(world.context)["dead"]] == [effect_id]
    assert len(world.events("effect.gave_up")) == 1


def test_a_report_that_cannot_be_written_down_gives_up_for_all_to_see(world, monkeypatch):
    world.start_trial()
    real = engine.decide

    def unlawful(site, command, now, policy):
        if command.type == "site.export_ready":
            raise LookupError("the law met a fact that is not set")
        return real(site, command, now, policy)

    monkeypatch.setattr(engine, "decide", unlawful)
    world.say("export")
    effect_id = the_open_effect(world)
    world.rest()
    try_until_it_gives_up(world, effect_id)
    assert "LookupError" in world.show()["attention"]


def test_an_effect_that_kills_each_of_its_workers_gives_up(world):
    world.start_trial()
    world.say("export")
    effect_id = the_open_effect(world)
    for number in range(effects.MOST_ATTEMPTS):
        with writing(world.context.database) as tx:
            later = machine_now() + timedelta(minutes=number)
            assert claims.take(tx, [effect_id], later, timedelta(seconds=20)).get(effect_id), number
    with writing(world.context.database) as tx:
        tx.execute(effect.EFFECTS.update().values(leased_until=machine_now() - timedelta(seconds=1)))

    effects.run(world.context, effect_id)
    assert row_of(world, effect_id).status == "gave_up"
    assert "worker" in world.show()["attention"]


def test_a_held_deletion_never_gives_up_and_goes_on_when_the_hold_is_released(world):
    world.start_trial()
    world.send("cancel")
    world.advance(days=14, seconds=-1)
    run, world.rest = world.rest, lambda: None
    world.advance(seconds=1)
    world.say("hold", reason="court order 7")
    world.rest = run
    effect_id = next(one for one in world.open_effects() if ":delete:" in one)
    for _ in range(effects.MOST_ATTEMPTS + 3):
        world.retry_now()
    assert (row_of(world, effect_id).status, world.state()) == ("pending", "deleting")

    world.send("release")
    world.fire()
    assert world.state() == "deleting"
    world.advance(days=2, seconds=-1)
    assert world.state() == "deleting"
    world.advance(seconds=1)
    assert world.state() == "deleted"


def test_resumed_deletions_tell_anew_and_go_on_48_hours_later(world):
    world.start_trial()
    world.send("cancel")
    world.advance(days=14, seconds=-1)
    run, world.rest = world.rest, lambda: None
    world.advance(seconds=1)
    breaker.pause(world.context)
    world.rest = run
    world.rest()
    assert world.state() == "deleting"

    breaker.resume(world.context, 0)
    world.sweep()
    world.fire()
    world.advance(days=2, seconds=-1)
    assert world.state() == "deleting"
    world.advance(seconds=1)
    assert world.state() == "deleted"


def test_a_hold_between_two_stores_stops_the_deletion_of_the_second(world, monkeypatch):
    world.start_trial()
    world.send("cancel")
    world.advance(days=14, seconds=-1)
    site_id, real = world.show()["id"], world.context.host.remove

    def held_meanwhile(one, *, key):
        removed = real(one, key=key)
        world.say("hold", reason="court order 7")
        return removed

    monkeypatch.setattr(world.context.host, "remove", held_meanwhile)
    world.advance(seconds=1)
    assert (world.data_dir / "backups" / site_id).exists()
    assert world.state() == "deleting"
    monkeypatch.undo()
    world.send("release")
    assert world.state() == "deleted"


@pytest.mark.parametrize("kind", ["provision", "export", "back_up"])
def test_what_gave_up_is_not_made_again_for_a_deleted_site(world, kind):
    world.start_trial()
    site_id = world.show()["id"]
    world.send("export")
    world.send("cancel")
    world.advance(days=14)
    with writing(world.context.database) as tx:
        ids = [row.id for row in effect.of_site(tx, site_id) if row.kind == kind]
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == ids[0]).values(status="gave_up"))

    with pytest.raises(ValueError, match="not wanted any more"):
        dead_letters.retry(world.context, ids[0])
    world.rest()
    assert deletion_reports.remains(world.context, site_id) == []
    assert row_of(world, ids[0]).status == "gave_up"


def test_an_upload_that_arrives_after_the_deletion_is_taken_away(world, monkeypatch):
    world.start_trial()
    site_id = world.show()["id"]
    world.say("export")
    effect_id = the_open_effect(world)
    real = EFFECTS["export"].handler

    def slow(_place, _work):
        put_in_place(monkeypatch, "export", real)
        overtake(world, effect_id)
        world.send("cancel")
        world.advance(days=14)
        assert deletion_reports.remains(world.context, site_id) == []
        late = world.data_dir / "exports" / site_id / "exp_late.zip"
        late.parent.mkdir()
        late.write_bytes(b"late")
        return NOTHING

    put_in_place(monkeypatch, "export", slow)
    effects.run(world.context, effect_id)
    assert world.state() == "deleted"
    assert deletion_reports.remains(world.context, site_id) == []


def overtake(world, effect_id):
    """Another worker takes the claim over and finishes."""
    with writing(world.context.database) as tx:
        expired = machine_now() - timedelta(seconds=1)
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == effect_id).values(leased_until=expired))
    effects.run(world.context, effect_id)


def test_a_worker_that_wakes_up_late_does_not_bring_a_cancelled_site_online(world, monkeypatch):
    world.start_trial()
    world.send("suspend", reason="abuse")
    world.say("resume")
    effect_id = next(one for one in world.open_effects() if "bring_online" in one)
    real = EFFECTS["bring_online"].handler

    def slow(context, work):
        put_in_place(monkeypatch, "bring_online", real)
        overtake(world, effect_id)
        world.send("cancel")
        return real(context, work)

    put_in_place(monkeypatch, "bring_online", slow)
    effects.run(world.context, effect_id)
    assert world.state() == "cancelled"
    assert '"online": false' in (world.site_folder() / ".tenure.json").read_text()


def test_a_deletion_notice_that_waited_is_not_sent_to_somebody_who_came_back(world, monkeypatch):
    world.start_trial()
    world.send("cancel")
    world.advance(days=12, seconds=-1)

    def away(_mail):
        raise Temporary("the mail server is away")

    monkeypatch.setattr(world.context.mailer, "send", away)
    world.advance(seconds=2)
    world.send("keep")
    monkeypatch.undo()
    world.retry_now()

    assert world.open_effects() == []
    assert not any("will be deleted" in mail["Subject"] or "48 hours" in mail["Subject"] for mail in world.mails()[3:])


def test_no_deletion_notice_is_sent_under_a_hold(world, monkeypatch):
    world.start_trial()
    world.send("cancel")
    world.advance(days=12, seconds=-1)
    sent = len(world.mails())

    def away(_mail):
        raise Temporary("the mail server is away")

    monkeypatch.setattr(world.context.mailer, "send", away)
    world.advance(seconds=2)
    world.send("hold", reason="court order 7")
    monkeypatch.undo()
    world.retry_now()
    assert len(world.mails()) == sent

    world.send("release")
    world.retry_now()
    assert len(world.mails()) == sent + 1
    world.advance(days=2)
    assert world.state() == "deleted"


def test_a_lease_from_a_clock_that_was_far_ahead_holds_nobody_up(world):
    world.start_trial()
    world.say("export")
    effect_id = the_open_effect(world)
    ahead = machine_now() + timedelta(days=400)
    with writing(world.context.database) as tx:
        assert claims.take(tx, [effect_id], ahead, timedelta(seconds=20)).get(effect_id)
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == effect_id).values(announced_at=ahead))
    world.wakeups.waiting.clear()

    world.sweep()
    world.rest()
    assert row_of(world, effect_id).status == "done"


def test_a_retry_from_a_clock_that_was_far_ahead_is_made_now(world):
    world.start_trial()
    world.say("export")
    effect_id = the_open_effect(world)
    ahead = machine_now() + timedelta(days=400)
    with writing(world.context.database) as tx:
        row = claims.take(tx, [effect_id], machine_now(), timedelta(seconds=20)).get(effect_id)
        assert effect.put_off(tx, effect_id, row.fence, ahead, "the disk is full")
    world.wakeups.waiting.clear()

    world.sweep()
    world.rest()
    assert row_of(world, effect_id).status == "done"


def test_an_effect_whose_wake_up_waits_in_a_long_queue_is_not_offered_again_and_again(world):
    world.start_trial()
    world.say("export")
    world.wakeups.waiting.clear()
    long_ago = machine_now() - timedelta(minutes=10)
    with writing(world.context.database) as tx:
        tx.execute(effect.EFFECTS.update().values(announced_at=long_ago))
    world.context.redis.rpush("dramatiq:data", *range(1000))

    world.sweep()
    assert world.wakeups.waiting == []
    world.context.redis.delete("dramatiq:data")
    world.sweep()
    assert len(world.wakeups.waiting) == 1
    world.sweep()
    assert len(world.wakeups.waiting) == 1


def test_a_charge_that_gave_up_may_be_tried_again_under_its_key(world, monkeypatch):
    world.start_active()

    def refused(_charge):
        raise Permanent("the key of the card network is wrong")

    monkeypatch.setattr(world.context.payments, "charge", refused)
    world.send("change_plan", agents=9)
    (kept,) = dead_letters.listing(world.context)["dead"]

    monkeypatch.undo()
    dead_letters.retry(world.context, kept["id"])
    world.rest()
    assert (len(world.charges()), world.show()["agents_allowed"]) == (2, 9)
