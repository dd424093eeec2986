"""What is kept of a living site: nights are thinned as they age, in the store and in the table alike."""

from datetime import timedelta

import pytest
from pysqlite3 import dbapi2 as sqlite

from models import backup
from models.database import reading
from models.timestamps import unstamp
from workers.effects import backup as saving
from workers.effects import executor as effects
from workers.effects.settle import Done

DAY = timedelta(days=1)


def rows(world):
    with reading(world.context.database) as tx:
        return backup.backups_of(tx, world.show()["id"])


def archives(world):
    return {path.name.removesuffix(".tar.zst") for path in (world.data_dir / "backups" / world.show()["id"]).iterdir()}


def ages(world):
    points = world.show()["restore_points"]
    return {name: world.now - unstamp(point["taken_at"]) for name, point in points.items() if point}


@pytest.fixture
def aged(world):
    """A site with 12 nights behind it; one backup on demand was made on its first day."""
    world.start_trial()
    world.send("subscribe", agents=5, payment_method="pm_visa")
    world.send("back_up")
    world.advance(days=12)
    return world


def test_after_45_days_every_point_is_there_the_store_has_what_the_table_has_and_no_more(aged):
    aged.advance(days=33)
    found = rows(aged)
    assert {row.id for row in found} == archives(aged)
    assert len(found) <= 16
    assert {row.purpose for row in found} == {"nightly"}
    assert ages(aged)["previous_day"] < 1 * DAY
    assert 7 * DAY <= ages(aged)["7_day"] < 8 * DAY
    assert 30 * DAY <= ages(aged)["30_day"] < 38 * DAY


def test_nothing_is_pruned_while_a_hold_is_on_it_and_all_is_caught_up_afterwards(aged):
    before = {row.id for row in rows(aged)}
    aged.send("hold", reason="court order 7")
    aged.advance(days=3)
    assert before < {row.id for row in rows(aged)}

    aged.send("release")
    aged.advance(days=1)
    assert not before <= {row.id for row in rows(aged)}
    assert {row.id for row in rows(aged)} == archives(aged)


def test_nothing_is_pruned_while_it_is_offline_however_long(aged):
    before = {row.id for row in rows(aged)}
    aged.send("suspend", reason="abuse")
    aged.advance(days=60)
    assert {row.id for row in rows(aged)} == before == archives(aged)


def test_a_backup_that_a_restore_waits_for_is_not_pruned(aged, monkeypatch):
    wanted = next(row.id for row in rows(aged) if row.purpose == "on_demand")
    aged.advance(days=17)
    monkeypatch.setattr(aged.context.vault, "extract", _broken)
    aged.send("restore", **{"from": wanted})
    aged.advance(days=4)
    assert wanted in archives(aged)


def _broken(*_call):
    raise OSError("the disk is slow today")


def test_a_crash_between_the_store_and_the_table_is_mended_by_the_next_try(aged, monkeypatch):
    night = next(step["at"] for step in aged.show()["next"] if step["what"] == "back_up_nightly")
    aged.context.__dict__["lease"] = timedelta(0)
    run, aged.rest = aged.rest, lambda: None
    aged.advance_to(night)
    monkeypatch.setattr(effects.claims, "close", _crash)
    with pytest.raises(sqlite.OperationalError):
        effects.settle_together(aged.context, [_one_try(aged)])
    monkeypatch.undo()
    left = {row.id for row in rows(aged)} - archives(aged)
    assert left

    aged.rest = run
    aged.retry_now()
    assert aged.open_effects() == []
    assert {row.id for row in rows(aged)} == archives(aged)


def _crash(*_call):
    raise sqlite.OperationalError("the machine stopped")


def _one_try(world):
    (work,) = effects.claim_all(world.context, world.open_effects()[:1])
    return Done(work, saving.back_up(world.context, work), began=0.0)


def test_a_store_that_can_not_remove_loses_no_good_night(aged, monkeypatch):
    monkeypatch.setattr(aged.context.vault, "remove", _broken)
    aged.advance(days=3)
    assert ages(aged)["previous_day"] < 1 * DAY
    assert aged.show()["attention"] is None
    monkeypatch.undo()
    aged.advance(days=1)
    assert {row.id for row in rows(aged)} == archives(aged)


def test_a_hold_that_comes_while_backups_are_pruned_stops_it(aged, monkeypatch):
    aged.advance(days=7)
    remove = aged.context.vault.remove
    gone = []

    def held_after_the_first(*which):
        gone.append(remove(*which))
        aged.say("hold", reason="court order 7")

    monkeypatch.setattr(saving.engine, "to_keep", lambda *_given: set())
    monkeypatch.setattr(aged.context.vault, "remove", held_after_the_first)
    aged.advance(days=1)
    assert len(gone) == 1
    assert len(rows(aged)) > 5
