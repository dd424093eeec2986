"""Wake-ups grow with the effects and not faster, and sites take turns."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from models import admission, effect
from models.clock import machine_now
from models.database import reading, writing
from workers.base.errors import Temporary
from workers.effects import executor as effects
from workers.effects.registry import EFFECTS

OTHER = "other.example.com"


@pytest.fixture
def hot(world, monkeypatch):
    """A site in its trial, in a world that counts the wake-ups of every effect from now on."""
    world.start_trial()
    world.sent = []
    announce = world.wakeups.announce
    monkeypatch.setattr(world.wakeups, "announce", lambda queue, ids: world.sent.extend(ids) or announce(queue, ids))
    return world


def rows(world):
    with reading(world.context.database) as tx:
        return list(tx.execute(effect.EFFECTS.select().order_by(effect.EFFECTS.c.seq)))


def long_ago(world, **more):
    """As if all that is open had been announced ten minutes ago."""
    with writing(world.context.database) as tx:
        unfinished = effect.EFFECTS.update().where(effect.IS_UNFINISHED)
        tx.execute(unfinished.values(announced_at=machine_now() - timedelta(minutes=10), **more))


def write_letters(world, commands):
    for number in range(commands):
        assert world.say("update_contact", email=f"owner{number}@acme.example.com")["outcome"] == "applied"


def test_each_letter_of_a_site_has_one_wake_up(hot):
    before = len(rows(hot))
    write_letters(hot, 30)
    hot.rest()

    asked = [row.id for row in rows(hot)[before:]]
    assert len(asked) == 60
    assert Counter(hot.sent) == Counter(asked)
    assert hot.open_effects() == []


def test_a_site_with_many_letters_has_a_few_in_the_queue_at_a_time(hot):
    write_letters(hot, 30)
    assert len(hot.wakeups.waiting) == admission.LETTERS

    hot.say("start_trial", OTHER, account="other", email="o@other.example.com")
    assert len(hot.wakeups.waiting) == admission.LETTERS + 1
    for _ in range(admission.LETTERS + 1):
        effects.run(hot.context, hot.wakeups.waiting.pop(0))
    assert hot.state(OTHER) == "trial"
    assert len(hot.wakeups.waiting) <= 2 * admission.LETTERS
    assert len(hot.open_effects()) > 50


def test_effects_of_every_lane_have_one_wake_up_each(hot):
    before = len(rows(hot))
    hot.say("back_up")
    for number in range(8):
        hot.say("suspend", reason=f"abuse {number}")
        hot.say("resume")
    hot.say("export")
    hot.say("subscribe", agents=3, payment_method="pm_visa")
    hot.rest()

    asked = rows(hot)[before:]
    assert {row.lane for row in asked} == {"access", "data", "mail"}
    assert len(asked) > 30
    assert Counter(hot.sent) == Counter(row.id for row in asked)
    assert {row.status for row in asked} == {"done"}


def test_charges_of_one_site_follow_each_other_with_one_wake_up_each(hot):
    before = len(rows(hot))
    hot.send("subscribe", agents=3, payment_method="pm_visa")
    hot.advance_to(hot.show()["trial_ends_at"])
    for agents in range(4, 9):
        hot.send("change_plan", agents=agents)

    asked = [row for row in rows(hot)[before:] if row.lane == "money"]
    assert len(asked) == 6
    assert {Counter(hot.sent)[row.id] for row in asked} == {1}


def test_data_waits_for_access_and_is_woken_by_its_end(hot):
    hot.say("suspend", reason="abuse")
    hot.say("resume")
    hot.say("back_up")
    access = [row.id for row in rows(hot) if row.lane == "access"][-2:]
    saved = rows(hot)[-1].id
    assert saved not in hot.sent

    hot.rest()
    assert hot.sent.index(access[1]) < hot.sent.index(saved)
    assert rows(hot)[-1].status == "done"


def test_letters_that_fail_give_their_places_to_others(hot, monkeypatch):
    act, failing = EFFECTS["mail"].handler, []

    def busy_for_the_first(context, work):
        if len(failing) < admission.LETTERS or work.row.id in failing:
            failing.append(work.row.id)
            raise Temporary("the mail server is busy")
        return act(context, work)

    with monkeypatch.context() as busy:
        busy.setitem(EFFECTS, "mail", replace(EFFECTS["mail"], handler=busy_for_the_first))
        write_letters(hot, 10)
        hot.rest()
    assert len(hot.open_effects()) == admission.LETTERS

    hot.retry_now()
    assert hot.open_effects() == []


def test_what_redis_has_lost_is_offered_again_sites_in_turn(hot):
    hot.start_trial(OTHER)
    write_letters(hot, 10)
    hot.say("update_contact", OTHER, email="new@other.example.com")
    hot.wakeups.waiting.clear()
    hot.sweep()
    assert hot.wakeups.waiting == []

    long_ago(hot)
    hot.sweep()
    ids = {row.id: row.site_id for row in rows(hot)}
    sites = [ids[one] for one in hot.wakeups.waiting]
    assert Counter(sites) == {sites[0]: admission.LETTERS, hot.show(OTHER)["id"]: 2}
    assert len(set(sites[:2])) == 2
    hot.rest()
    assert hot.open_effects() == []


def test_what_waits_for_a_place_is_not_taken_for_lost(hot):
    write_letters(hot, 10)
    long_ago(hot)
    hot.sweep()
    hot.sweep()
    assert max(Counter(hot.sent).values()) == 2
    hot.rest()
    assert hot.open_effects() == []
    assert len(hot.sent) == 20 + admission.LETTERS


def test_a_place_that_nobody_gave_on_is_given_by_the_sweep(hot):
    write_letters(hot, 3)
    hot.wakeups.waiting.clear()
    with writing(hot.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.IS_UNFINISHED).values(admitted=False))

    hot.sweep()
    assert len(hot.wakeups.waiting) == admission.LETTERS
    hot.rest()
    assert hot.open_effects() == []


def test_what_an_older_version_has_announced_all_at_once_is_done_in_turns(hot):
    write_letters(hot, 10)
    hot.wakeups.waiting.clear()
    long_ago(hot, admitted=True, waits_since=None)

    hot.sweep()
    assert len(hot.wakeups.waiting) == admission.LETTERS
    hot.rest()
    assert hot.open_effects() == []


def test_a_wake_up_that_comes_too_early_is_forgotten_until_its_turn(hot):
    hot.say("suspend", reason="abuse")
    hot.say("resume")
    first, second = [row for row in rows(hot) if row.lane == "access"][-2:]
    with writing(hot.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.IS_UNFINISHED).values(admitted=True))

    effects.run(hot.context, second.id)
    assert next(row for row in rows(hot) if row.id == second.id).status == "pending"
    effects.run(hot.context, first.id)
    assert second.id in hot.wakeups.waiting
    hot.rest()
    assert hot.open_effects() == []


def test_a_charge_that_is_withdrawn_gives_its_place_on(hot):
    hot.send("subscribe", agents=3, payment_method="pm_visa")
    hot.advance_to(hot.show()["trial_ends_at"])
    hot.say("change_plan", agents=5)
    hot.say("cancel")
    hot.say("subscribe", agents=6, payment_method="pm_visa")
    hot.rest()

    assert hot.open_effects() == []
    assert hot.state() == "active"


def test_what_is_revived_is_announced_at_once(hot, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(effects, "MOST_ATTEMPTS", 0)
        hot.send("export")
    hot.sent.clear()

    hot.say("retry")
    assert [one.split(":")[2] for one in hot.sent] == ["export"]
    hot.rest()
    assert hot.open_effects() == []


def test_one_that_an_older_version_announced_keeps_no_place_from_an_older_one_that_stepped_back(hot):
    """A worker of 0.1 announces all at once; its second wake-up was heard by nobody who would step back."""
    hot.say("cancel")
    with writing(hot.context.database) as tx:
        tx.execute(effect.EFFECTS.update().where(effect.IS_UNFINISHED).values(admitted=True))
    offline, export, backup = (one for one in rows(hot) if one.status == "pending" and one.kind != "mail")
    assert [one.kind for one in (offline, export, backup)] == ["take_offline", "export", "back_up"]
    hot.wakeups.waiting.clear()
    effects.run(hot.context, export.id)  # too early: it steps back
    effects.run(hot.context, offline.id)

    hot.rest()
    assert export.id not in hot.open_effects()
    long_ago(hot)
    hot.sweep()
    hot.rest()
    assert hot.open_effects() == []
