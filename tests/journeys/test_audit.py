"""A timer that is not there any more, or should not be, is found and put right."""

from sqlalchemy import event

from models.database import is_reading, writing
from models.timer import TIMERS
from tests.world import HOST
from workers.timers import audit


def test_a_timer_whose_row_was_lost_is_found_and_fires_in_time(world):
    trial = world.start_trial()
    with writing(world.context.database) as tx:
        tx.execute(TIMERS.delete())
    assert audit.look_over(world.context, None) is None
    assert [one["what"] for one in world.show()["next"]] == ["back_up_nightly", "remind", "expire"]
    world.advance_to(trial["trial_ends_at"])
    assert world.state() == "expired"


def test_a_timer_that_was_lost_and_is_overdue_fires_once_it_is_found(world):
    world.start_trial()
    world.send("cancel")
    with writing(world.context.database) as tx:
        tx.execute(TIMERS.delete())
    world.advance(days=20)
    assert world.state() == "cancelled"
    audit.look_over(world.context, None)
    world.fire()
    world.advance(days=3)
    assert world.state() == "deleted"


def test_a_timer_that_does_not_follow_from_the_facts_is_taken_away_and_said(world, log_lines):
    site = world.start_trial()
    moment = {"due_at": world.now, "wakes_at": world.now}
    with writing(world.context.database) as tx:
        tx.execute(TIMERS.insert().values(site_id=site["id"], kind="delete", generation=0, **moment))
    audit.look_over(world.context, None)
    assert "delete" not in [one["what"] for one in world.show()["next"]]
    assert "timers put right: delete" in log_lines.read_text()
    assert HOST in log_lines.read_text()


def test_a_fleet_that_is_well_is_read_page_by_page_and_nothing_is_written(world):
    ids = [world.start_trial(f"site{number}.example.com")["id"] for number in range(3)]
    ended = []
    event.listen(world.context.database, "commit", ended.append)
    assert audit.look_over(world.context, None, limit=2) == ids[1]
    assert audit.look_over(world.context, ids[1], limit=2) is None
    assert [is_reading(connection) for connection in ended] == [True, True]
