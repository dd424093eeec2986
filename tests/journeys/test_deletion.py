"""Deletions as a whole: the breaker, its release, warrants, receipts, and what stops a single one."""

from datetime import timedelta

import pytest

from models import breaker, deletion
from models.database import reading, writing
from models.timestamps import stamp
from tests.model.light import LightWorld
from tests.world import World
from workers.cli import deletion_reports, reports
from workers.effects import executor as effects
from workers.safety import breaker as deletions

DAY = timedelta(days=1)


@pytest.fixture
def many(tmp_path, redis_url, databases):
    """A world whose breaker trips at more than 3 deletions an hour."""
    made = World(tmp_path / "many", redis_url, DELETIONS_PER_HOUR="3", DELETIONS_PER_DAY="5", **databases())
    yield made
    made.close()


def hosts(count):
    return [f"s{number}.example.com" for number in range(count)]


def leave(world, count):
    """So many trials that are all cancelled now."""
    for host in hosts(count):
        world.start_trial(host)
        world.send("cancel", host)


def states(world, count):
    return [world.state(host) for host in hosts(count)]


def test_three_deletions_in_an_hour_pass_and_four_trip_the_breaker_before_the_first(many):
    leave(many, 4)
    many.advance(days=14)

    assert states(many, 4) == ["cancelled"] * 4
    (alarm,) = many.events("alarm.raised")
    assert alarm["data"]["alarm"] == "deletions.tripped"


def test_as_many_deletions_as_the_caps_allow_need_nobody(many):
    leave(many, 3)
    many.advance(days=14)

    assert states(many, 3) == ["deleted"] * 3
    assert many.events("alarm.raised") == []


def test_a_tripped_breaker_is_released_by_the_number_that_preview_shows_and_by_no_other(many):
    leave(many, 4)
    many.advance(days=13, hours=23)
    seen = deletion_reports.preview(many.context)
    assert (seen["count"], seen["breaker"]) == (4, "closed")
    assert "above 3" in seen["would_trip"]
    many.advance(hours=1)
    many.advance(days=3, expecting=[])

    with pytest.raises(ValueError, match="is not the 4"):
        deletions.resume(many.context, 3)
    deletions.resume(many.context, 4)
    many.fire()
    many.advance(days=2, seconds=-1)
    assert states(many, 4).count("deleted") == 0  # their date had passed: they are told anew
    many.advance(seconds=1)
    assert states(many, 4).count("deleted") == 3
    many.advance(minutes=59)
    assert states(many, 4).count("deleted") == 3
    many.advance(minutes=1)
    assert states(many, 4).count("deleted") == 4
    assert deletion_reports.preview(many.context)["breaker"] == "closed"


def test_a_large_plan_is_paced_by_the_hour_and_by_the_day(many):
    leave(many, 7)
    many.advance(days=14)
    deletions.resume(many.context, 7)
    many.fire()
    many.advance(days=2)

    many.advance(hours=2)
    assert states(many, 7).count("deleted") == 5
    many.advance(hours=21, minutes=59)
    assert states(many, 7).count("deleted") == 5
    many.advance(hours=2)
    assert states(many, 7).count("deleted") == 7


def test_a_share_of_the_fleet_counts_from_20_sites(tmp_path, redis_url, databases):
    world = World(tmp_path / "fleet", redis_url, DELETIONS_SHARE="0.05", **databases())
    for host in hosts(20):
        world.start_trial(host)
        world.send("subscribe", host, agents=5, payment_method="pm_visa")
    for host in hosts(2):
        world.send("cancel", host)
    world.advance(days=14)

    assert states(world, 2) == ["cancelled", "cancelled"]
    assert len(world.events("alarm.raised")) == 1
    world.close()


def test_paused_deletions_wait_and_resumed_ones_come_48_hours_after_a_new_notice(world):
    world.start_trial()
    world.send("cancel")
    deletions.pause(world.context)
    world.advance(days=20)
    assert world.state() == "cancelled"

    resumed = world.now
    deletions.resume(world.context, 1)
    world.fire()
    assert world.show()["deletes_at"] == stamp(resumed + timedelta(days=2))
    assert world.letters()[-1] == "deletion_in_48_hours"
    world.advance(days=2, seconds=-1)
    assert world.state() == "cancelled"
    world.advance(seconds=1)
    assert world.state() == "deleted"
    assert world.letters().count("deletion_in_48_hours") == 2


def test_a_pause_that_ends_before_the_date_changes_nothing(world):
    world.start_trial()
    world.send("cancel")
    deletions.pause(world.context)
    world.advance(days=13)
    deletes_at = world.show()["deletes_at"]
    deletions.resume(world.context, deletion_reports.preview(world.context)["count"])
    world.advance(days=1)
    assert (world.state(), world.show()["deletes_at"]) == ("deleted", deletes_at)
    assert world.letters().count("deletion_in_48_hours") == 1


def test_a_pause_between_the_warrant_and_the_act_holds_the_act(world):
    world.start_trial()
    world.send("cancel")
    world.advance(days=14, seconds=-1)
    run, world.rest = world.rest, lambda: None
    world.advance(seconds=1)
    assert world.state() == "deleting"
    deletions.pause(world.context)
    run()

    assert world.state() == "deleting"
    assert world.site_folder().exists()
    with writing(world.context.database) as tx:
        breaker.turn(tx, "closed", None, world.now)
    effects.run(world.context, world.open_effects()[0])
    world.rest = run
    world.retry_now()
    assert world.state() == "deleted"


def test_a_hold_stops_a_deletion_until_it_is_released_and_the_customer_told_again(world):
    world.start_trial()
    world.send("cancel")
    world.advance(days=10)
    world.send("hold", reason="court order 7")
    assert world.show()["hold"]["reason"] == "court order 7"
    world.advance(days=30, expecting=[])
    assert world.state() == "cancelled"

    world.send("release")
    world.fire()
    assert world.letters()[-1] == "deletion_in_48_hours"
    world.advance(hours=47, minutes=59, seconds=59)
    assert world.state() == "cancelled"
    world.advance(seconds=1)
    assert world.state() == "deleted"


def test_each_deletion_has_a_warrant_a_receipt_and_its_place_in_the_chain(world):
    for host in hosts(3):
        world.start_trial(host)
        world.send("cancel", host)
        world.advance(hours=2)
    world.advance(days=15)

    checked = deletion_reports.verify(world.context)
    assert (checked["receipts"], checked["broken_at"], checked["left"]) == (3, None, {})
    receipt = deletion_reports.receipt(world.context, hosts(3)[1])
    assert receipt["number"] == 2
    with reading(world.context.database) as tx:
        assert breaker.warrant(tx, receipt["site_id"]).generation == 1


def test_a_changed_receipt_breaks_the_chain_where_it_was_changed(world):
    leave(world, 3)
    world.advance(days=15)
    with writing(world.context.database) as tx:
        forged = deletion.DELETIONS.update().where(deletion.DELETIONS.c.seq == 2)
        tx.execute(forged.values(receipt={"site_id": "another"}))

    assert deletion_reports.verify(world.context)["broken_at"] == 2


def test_an_export_that_fails_leaves_the_date_open_and_holds_the_deletion(world):
    world.start_trial()
    exports = world.data_dir / "exports"
    exports.mkdir(exist_ok=True)
    (exports / world.show()["id"]).write_text("a file where the folder should be")
    world.send("cancel")

    assert world.show()["deletes_at"] is None
    world.advance(days=60)
    assert world.state() == "cancelled"
    assert world.show()["attention"] is not None

    (exports / world.show()["id"]).unlink()
    world.send("retry")
    site = world.show()
    assert site["attention"] is None
    assert site["export"]["ready_at"] == site["export"]["ready_at"]
    world.advance(days=13, hours=23, minutes=59, seconds=59)
    assert world.state() == "cancelled"
    world.advance(seconds=1)
    assert world.state() == "deleted"


@pytest.mark.long
def test_a_thousand_deletions_due_at_once_trip_the_breaker_and_are_paced_later(tmp_path, redis_url, databases):
    world = LightWorld(tmp_path / "light", redis_url, **databases())
    leave(world, 1000)
    world.advance(days=13, hours=23)
    seen = deletion_reports.preview(world.context)
    assert (seen["count"], seen["breaker"], len(seen["sites"])) == (1000, "closed", 1000)
    due = reports.due(world.context, within=DAY, subject=None)["due"]
    assert [step["what"] for step in due].count("delete") == 1000

    world.advance(hours=2)
    assert states(world, 1000).count("deleted") == 0
    deletions.resume(world.context, 1000)
    world.fire()
    world.advance(days=2)
    assert states(world, 1000).count("deleted") == 20
    world.advance(hours=1)
    assert states(world, 1000).count("deleted") == 40
    world.advance(hours=22, minutes=59)
    assert states(world, 1000).count("deleted") == 100
    world.close()
