"""What is kept, and for how long: what matters stays for ever, and the rest goes a few rows at a time."""

import json
from datetime import timedelta

import pytest

from models import clock, effect, event, history, letter, receipt, safety
from models.database import reading, writing
from models.timestamps import stamp
from tests.quick import QuickWorld
from workers.health import doctor_history as doctor
from workers.timers import history as rooms

MONEY = ("site.renew", "site.charge_succeeded")


@pytest.fixture
def world(tmp_path, redis_url, databases):
    """A world whose outside only remembers: years pass in seconds."""
    made = QuickWorld(tmp_path / "data", redis_url, **databases())
    yield made
    made.close()


@pytest.fixture
def removal(world):
    """Removes until nothing is old; what was to be published is published before."""
    job = rooms.Removal(world.context)

    def run(*, published=True):
        total = 0
        if published:
            with writing(world.context.database) as tx:
                tx.execute(event.EVENTS.update().values(sent=True))
        for _ in range(1000):
            count = job.run()
            total += count
            if not count:
                break
        return total

    return run


def age(world, **length):
    """Let so much time pass in which nothing is done."""
    with writing(world.context.database) as tx:
        clock.move(tx, clock.engine_now(tx) + timedelta(**length))


def rows(world, table):
    with reading(world.context.database) as tx:
        return list(tx.execute(table.select().order_by(table.c.seq)))


def seqs(world, table):
    return [row.seq for row in rows(world, table)]


def is_removable(row):
    return (row.type in {"site.back_up_nightly", "site.effect_done"} or ":back_up.nightly:" in row.id) and (
        row.from_state == row.to_state
    )


def test_nothing_goes_before_its_time(world, removal):
    world.start_trial()
    before = [seqs(world, table) for table in (receipt.RECEIPTS, effect.EFFECTS, event.EVENTS)]
    first = rows(world, effect.EFFECTS)[0].asked_at
    age(world, microseconds=(first + timedelta(days=30) - world.now) / timedelta(microseconds=1))
    assert removal() == 0
    after = [seqs(world, table) for table in (receipt.RECEIPTS, effect.EFFECTS, event.EVENTS)]
    assert [set(old) - set(new) for old, new in zip(before, after, strict=True)] == [set()] * 3


def test_nights_and_reports_that_moved_nothing_go_after_30_days_and_the_rest_of_the_receipts_stays(world, removal):
    world.start_active()
    world.advance(days=2)
    age(world, days=29)
    before, edge = rows(world, receipt.RECEIPTS), world.now - timedelta(days=30)
    assert removal() > 0
    gone = {row.seq for row in before} - set(seqs(world, receipt.RECEIPTS))
    assert gone == {row.seq for row in before if is_removable(row) and row.at < edge}
    assert len(gone) > 20
    assert {row.type for row in rows(world, receipt.RECEIPTS) if row.at < edge} >= {"site.start_trial", *MONEY}


def test_effects_that_are_done_go_after_30_days_and_younger_and_open_ones_stay(world, removal):
    world.start_active()
    age(world, days=29)
    before, edge = rows(world, effect.EFFECTS), world.now - timedelta(days=30)
    removal()
    gone = {row.seq for row in before} - set(seqs(world, effect.EFFECTS))
    assert gone == {row.seq for row in before if row.status in {"done", "void", "dropped"} and row.settled_at < edge}
    assert gone


@pytest.mark.parametrize("days", [89, 91])
def test_refused_commands_are_answered_the_same_for_90_days(world, removal, days):
    world.start_trial()
    refused = world.say("pay", "other.example.com", key="once")
    no_op = world.say("keep", key="twice")
    assert (refused["outcome"], no_op["outcome"]) == ("refused", "no_op")
    age(world, days=days)
    removal()
    again = world.say("pay", "other.example.com", key="once")
    assert again["duplicate"] is (days < 90)


def test_an_applied_command_that_comes_again_after_two_years_does_nothing_twice(world, removal):
    world.start_active()
    first = world.say("change_plan", key="plan", agents=9)
    world.rest()
    age(world, days=740)
    removal()
    charges, effects = len(world.charged()), world.effect_count()
    again = world.say("change_plan", key="plan", agents=9)
    world.rest()
    assert again == {**first, "duplicate": True}
    assert (len(world.charged()), world.effect_count()) == (charges, effects)


def test_a_wake_up_of_an_effect_that_is_gone_does_nothing(world, removal):
    world.start_active()
    old = [row.id for row in rows(world, effect.EFFECTS)]
    age(world, days=40)
    removal()
    left = {row.id for row in rows(world, effect.EFFECTS)}
    gone = [one for one in old if one not in left]
    charges, mails, count = len(world.charged()), len(world.outside.mails), len(left)
    world.wakeups.waiting += gone
    world.rest()
    assert gone
    assert (len(world.charged()), len(world.outside.mails), world.effect_count()) == (charges, mails, count)


def test_the_books_lose_nothing(world, removal):
    from models.invoices import INVOICES, PAYMENTS  # noqa: PLC0415 - beside what it asks

    world.start_active()
    world.send("change_plan", agents=9)
    age(world, days=400)
    with reading(world.context.database) as tx:
        before = [list(tx.execute(table.select().order_by(table.c.id))) for table in (INVOICES, PAYMENTS)]
    removal()
    with reading(world.context.database) as tx:
        after = [list(tx.execute(table.select().order_by(table.c.id))) for table in (INVOICES, PAYMENTS)]
    assert before == after
    assert all(before)


def test_events_go_after_90_days_and_those_of_work_after_30(world, removal):
    world.start_active()
    age(world, days=35)
    before, now = rows(world, event.EVENTS), world.now
    removal()
    gone = {row.seq for row in before} - set(seqs(world, event.EVENTS))
    assert gone == {row.seq for row in before if row.type in event.BOOKKEEPING and row.at < now - timedelta(days=30)}
    world.send("update_contact", email="new@acme.example.com")
    age(world, days=30)
    before, now = rows(world, event.EVENTS), world.now
    removal()
    kept = set(seqs(world, event.EVENTS))
    assert {row.seq for row in before if row.at < now - timedelta(days=90)}.isdisjoint(kept)
    assert {
        row.seq for row in before if row.type not in event.BOOKKEEPING and row.at >= now - timedelta(days=90)
    } <= kept


def test_an_event_that_is_not_sent_stays_and_so_do_those_behind_it(world, removal):
    world.start_trial()
    age(world, days=100)
    with writing(world.context.database) as tx:
        tx.execute(event.EVENTS.update().values(sent=True))
        first = tx.execute(event.EVENTS.select().order_by(event.EVENTS.c.seq)).first()
        tx.execute(event.EVENTS.update().where(event.EVENTS.c.seq == first.seq).values(sent=False))
    before = seqs(world, event.EVENTS)
    removal(published=False)
    assert seqs(world, event.EVENTS) == before


def test_what_a_guard_may_look_at_stays_while_the_site_is_leaving(world, removal):
    world.start_trial()
    world.send("cancel")
    generation = max(row.generation for row in rows(world, effect.EFFECTS))
    before = {row.seq for row in rows(world, effect.EFFECTS) if row.generation == generation}
    age(world, days=200)
    removal()
    assert before <= set(seqs(world, effect.EFFECTS))


def test_the_proof_of_a_deletion_stays_and_the_site_can_still_be_verified(world, removal):
    from workers.cli import deletion_reports  # noqa: PLC0415 - beside what it asks

    world.start_trial()
    world.send("cancel")
    world.advance(days=20)
    assert world.state() == "deleted"
    age(world, days=400)
    removal()
    assert [row.kind for row in rows(world, effect.EFFECTS)] == ["delete"]
    checked = deletion_reports.verify(world.context)
    assert (checked["receipts"], checked["broken_at"], checked["left"]) == (1, None, {})


def test_an_effect_that_gave_up_stays_for_ever(world, removal):
    world.start_active()
    world.outside.broken = {"build": "the store is full"}
    world.send("export")
    world.outside.broken = {}
    (given_up,) = [row.seq for row in rows(world, effect.EFFECTS) if row.status == "gave_up"]
    age(world, days=100)
    removal()
    assert given_up in seqs(world, effect.EFFECTS)


def test_a_letter_that_went_out_leaves_a_row_and_an_event_and_the_row_outlives_both(world, removal):
    world.start_active()
    site_id = world.show()["id"]
    with reading(world.context.database) as tx:
        before = letter.of_site(tx, site_id)
    assert [row.name for row in before] == [data["letter"] for data in world.events_of("letter.sent")]
    assert len(before) == len(world.outside.mails)
    assert "@" not in json.dumps([row.facts for row in before])
    age(world, days=200)
    removal()
    assert world.events_of("letter.sent") == []
    with reading(world.context.database) as tx:
        assert letter.of_site(tx, site_id)[: len(before)] == before


def test_the_letter_to_an_address_before_is_forgotten_with_the_site_and_known_until_then(world, removal):
    world.start_trial()
    world.send("update_contact", email="new@acme.example.com")
    age(world, days=31)
    removal()
    world.send("cancel")
    world.advance(days=20)
    assert world.state() == "deleted"
    with reading(world.context.database) as tx:
        for table in (effect.EFFECTS, letter.LETTERS, event.EVENTS):
            assert f"owner@{world.show()['site']}" not in str(list(tx.execute(table.select())))


def test_in_safe_mode_nothing_goes(world, removal):
    world.start_trial()
    age(world, days=100)
    with writing(world.context.database) as tx:
        safety.enter(tx, "the wall clock jumped by +1:00:00", clock.machine_now())
    before = seqs(world, event.EVENTS)
    assert removal() == 0
    assert seqs(world, event.EVENTS) == before


def test_a_clock_that_was_overtaken_by_another_removes_nothing(world):
    with writing(world.context.database) as tx:
        history.begin(tx, "events")
        assert history.move_on(tx, "events", 0, 5, world.now)
        assert not history.move_on(tx, "events", 0, 7, world.now)
        assert history.positions(tx) == {"events": 5}


def test_a_batch_becomes_smaller_when_it_takes_long_and_larger_when_it_is_quick(world):
    job = rooms.Removal(world.context)
    job._keep_pace(10 * rooms.AIM_SECONDS, job.size)
    assert job.size == max(rooms.LEAST, rooms.FIRST // 10)
    before = job.size
    job._keep_pace(rooms.AIM_SECONDS / 100, job.size)
    assert job.size == 2 * before


def test_the_doctor_says_how_much_is_kept_and_since_when(world, removal):
    world.start_active()
    age(world, days=20)
    removal()
    with reading(world.context.database) as tx:
        found = doctor.history(tx)
    assert (found.what, found.well) == ("history", True)
    assert f"{len(seqs(world, event.EVENTS))} events" in found.value
    assert f"work of every day since {stamp(world.now - timedelta(days=30))}" in found.value
