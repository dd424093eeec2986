"""The lives of design.md from sign-up to deletion, both sides of each edge, on the real engine."""

from datetime import timedelta

from models.timestamps import unstamp

SECOND = timedelta(seconds=1)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_trial_is_free_for_exactly_30_days_from_the_moment_the_site_is_ready(world):
    site = world.start_trial()

    assert (site["state"], site["online"], site["agents_allowed"]) == ("trial", True, 5)
    assert unstamp(site["trial_ends_at"]) - unstamp(site["ready_at"]) == timedelta(days=30)


def test_a_trial_lives_one_second_before_day_30_and_has_expired_on_it(world):
    world.start_trial()

    world.advance(days=29, hours=23, minutes=59, seconds=59)
    assert world.state() == "trial"

    world.advance(seconds=1)
    site = world.show()
    assert (site["state"], site["online"]) == ("expired", False)
    assert site["export"]["ready_at"] == site["cancelled_at"]


def test_an_expired_site_is_there_for_14_days_and_then_gone_with_everything_of_it(world):
    world.start_trial()
    other = world.start_active("other.example.com")
    world.advance_to(unstamp(world.show()["trial_ends_at"]))
    site_id = world.show()["id"]
    folders = [world.data_dir / place / site_id for place in ("sites", "backups", "exports")]

    world.advance(days=13, hours=23, minutes=59, seconds=59)
    assert world.state() == "expired"
    assert all(any(folder.iterdir()) for folder in folders)
    kept = [contents(world.data_dir / place / other["id"]) for place in ("sites", "backups")]

    world.advance(seconds=1)
    assert world.state() == "deleted"
    assert not any(folder.exists() for folder in folders)
    assert [contents(world.data_dir / place / other["id"]) for place in ("sites", "backups")] == kept


def test_the_receipt_of_a_deletion_says_what_was_removed(world):
    world.start_trial()
    world.advance(days=44)

    (deleted,) = world.events("site.deleted")
    removed = deleted["data"]["removed"]
    assert removed["site"]["files"] >= 1
    assert removed["exports"]["files"] == 1
    assert removed["backups"]["files"] >= 10
    assert "owner@" not in str(deleted)


def test_subscribed_on_day_5_nothing_is_charged_until_day_30_and_then_once(world):
    world.start_trial()
    world.advance(days=5)
    world.send("subscribe", agents=7, payment_method="pm_visa")

    world.advance(days=24, hours=23, minutes=59, seconds=59)
    assert (world.state(), world.charges(), world.show()["invoices"]) == ("trial_subscribed", [], [])

    world.advance(seconds=1)
    site = world.show()
    assert (site["state"], site["agents_allowed"]) == ("active", 7)
    assert [(one["status"], one["amount_cents"], one["number"]) for one in site["invoices"]] == [("paid", 14_000, 1)]
    assert [charge["amount_cents"] for charge in world.charges()] == [14_000]


def test_a_subscription_is_renewed_a_calendar_month_later_and_not_a_second_before(world):
    site = world.start_active()

    world.advance_to(unstamp(site["period_ends_at"]) - SECOND)
    assert len(world.charges()) == 1

    world.advance(seconds=1)
    renewed = world.show()
    assert len(world.charges()) == 2
    assert [one["status"] for one in renewed["invoices"]] == ["paid", "paid"]
    assert renewed["invoices"][1]["period_start"] == site["period_ends_at"]


def test_a_cancelled_subscription_is_deleted_after_14_days(world):
    world.start_active()
    said = world.send("cancel")
    assert (said["from"], said["to"], said["outcome"]) == ("active", "cancelled", "applied")

    world.advance(days=13, hours=23, minutes=59, seconds=59)
    assert world.state() == "cancelled"

    world.advance(seconds=1)
    assert world.state() == "deleted"
    assert len(world.charges()) == 1


def test_the_customer_is_warned_7_days_and_48_hours_before_the_deletion(world):
    world.start_trial()
    world.send("cancel")
    asked = world.letters()

    world.advance(days=7, seconds=-1)
    assert world.letters() == asked
    world.advance(seconds=1, expecting=["mail.deletion_in_7_days"])
    world.advance(days=5, seconds=-1, expecting=[])
    world.advance(seconds=1, expecting=["mail.deletion_in_48_hours"])
    world.advance(days=2, seconds=-1, expecting=[])
    world.advance(seconds=1, expecting=["delete"])


def test_a_site_that_came_back_and_left_again_gets_14_new_days(world):
    world.start_active()
    world.send("cancel")
    world.advance(days=10)
    world.send("keep")
    assert world.state() == "active"
    world.send("cancel")

    world.advance(days=13, hours=23, minutes=59, seconds=59)
    assert world.state() == "cancelled"
    world.advance(seconds=1)
    assert world.state() == "deleted"


def test_a_deleted_hostname_may_start_a_new_trial_under_a_new_id(world):
    first = world.start_trial()
    world.advance(days=44)
    assert world.send("cancel")["code"] == "site.deleted"

    second = world.start_trial()
    assert second["id"] != first["id"]
    assert second["state"] == "trial"


def test_a_declined_renewal_climbs_the_ladder_is_suspended_on_day_7_and_cancelled_14_days_later(world):
    site = world.start_active()
    world.send("update_payment", payment_method="pm_declined")
    world.advance_to(site["period_ends_at"])
    assert (world.state(), world.show()["online"]) == ("past_due", True)

    world.advance(days=6, hours=23, minutes=59, seconds=59)
    assert world.state() == "past_due"
    world.advance(seconds=1)
    assert (world.state(), world.show()["suspended_for"]) == ("suspended", "nonpayment")

    world.advance(days=13, hours=23, minutes=59, seconds=59)
    assert world.state() == "suspended"
    world.advance(seconds=1)
    assert world.state() == "cancelled"
    assert [one["status"] for one in world.show()["invoices"]] == ["paid", "uncollectible"]


def test_who_gives_up_a_declined_period_and_comes_back_in_the_same_moment_begins_another_there(world):
    site = world.start_active()
    world.send("update_payment", payment_method="pm_declined")
    world.advance_to(site["period_ends_at"])
    world.send("cancel")

    world.send("subscribe", agents=3, payment_method="pm_visa")
    assert world.state() == "active"
    invoices = world.show()["invoices"]
    assert sorted(one["status"] for one in invoices) == ["paid", "paid", "uncollectible"]


def test_a_nightly_backup_is_taken_within_a_day_and_fills_the_previous_day(world):
    world.start_trial()
    world.advance(days=1)

    points = world.show()["restore_points"]
    assert points["previous_day"] is not None
    assert points["7_day"] is None
    world.advance(days=8)
    assert world.show()["restore_points"]["7_day"] is not None
