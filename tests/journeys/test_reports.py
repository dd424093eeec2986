"""What operators read: why, due, dead letters, history, the list of sites."""

from datetime import timedelta

import pytest

import engine
from workers.cli import contract_document, figures, reports, text
from workers.commands import dead_letters


def due(world):
    return {step["what"]: step for step in reports.due(world.context, within=None, subject=None)["due"]}


def verdict(world, kind):
    return next(one for one in reports.why(world.context, "acme.example.com")["verdicts"] if one["type"] == kind)


def test_due_tells_a_renewal_with_its_amount_and_a_waiting_reduction(world):
    world.start_active(agents=7)
    assert due(world)["renew"]["amount_cents"] == 14_000

    world.send("change_plan", agents=3)
    step = due(world)["renew"]
    assert step["amount_cents"] == 6_000
    assert "reduced from 7" in step["detail"]


def test_due_tells_a_reduction_that_will_not_be_possible(world):
    world.start_active(agents=7)
    world.send("change_plan", agents=3)
    world.use_agents(5)
    world.send("change_plan", agents=9)
    assert world.show()["plan"]["agents"] == 9


def test_due_within_a_time_leaves_out_what_is_later(world):
    world.start_trial()

    assert {step["what"] for step in reports.due(world.context, within=timedelta(days=2), subject=None)["due"]} == {
        "back_up_nightly"
    }


def test_due_shows_so_many_steps_of_the_fleet_and_says_that_there_are_more(world):
    for name in ("b", "a"):
        world.start_trial(f"{name}.example.com")
    all_of_it = reports.due(world.context, within=None, subject=None)
    first = reports.due(world.context, within=None, subject=None, limit=3)
    assert (len(all_of_it["due"]), all_of_it["more"], first["more"]) == (6, False, True)
    assert first["due"] == all_of_it["due"][:3]
    assert len(text.due(first).splitlines()) == 3


def test_due_tells_the_deletion_and_the_mails_before_it(world):
    world.start_trial()
    world.send("cancel")

    assert set(due(world)) == {"warn", "delete"}
    assert due(world)["warn"]["detail"] == "a mail: deletion in 7 days"


@pytest.mark.parametrize(
    ("kind", "possible", "because"),
    [
        ("site.subscribe", True, "possible now"),
        ("site.change_plan", False, "site.subscribe"),
        ("site.update_payment", False, "site.subscribe"),
        ("site.release", False, "while a hold is on it"),
        ("site.waive", False, "possible while past_due, cancelled, expired"),
        ("deletion", False, "which is not a state that is deleted"),
    ],
)
def test_why_answers_for_each_command_of_a_trial(world, kind, possible, because):
    world.start_trial()
    found = verdict(world, kind)

    assert found["possible"] is possible
    assert because in found["because"]


def test_why_names_the_earliest_moment_at_which_time_alone_would_allow_the_deletion(world):
    world.start_trial()
    world.send("cancel")
    world.advance(days=13)

    found = verdict(world, "deletion")
    assert found["earliest"] == world.show()["deletes_at"]
    assert text.why(reports.why(world.context, "acme.example.com")).count("\n") > 15


def test_a_message_that_nobody_can_answer_is_kept_and_may_be_tried_again_or_dropped(world):
    world.hand_over("garbage")
    (kept,) = dead_letters.listing(world.context)["dead"]
    assert (kept["what"], kept["body"].count("garbage")) == ("message", 1)

    dead_letters.retry(world.context, kept["id"])
    assert world.context.redis.llen("dramatiq:lifecycle") == 1
    assert dead_letters.listing(world.context)["dead"] == []
    world.hand_over("garbage")
    dead_letters.drop(world.context, dead_letters.listing(world.context)["dead"][0]["id"])
    assert dead_letters.listing(world.context)["dead"] == []
    with pytest.raises(dead_letters.NoSuchDeadError):
        dead_letters.drop(world.context, "msg_unknown")


def test_an_effect_that_a_deletion_waits_for_may_be_retried_and_not_dropped(world):
    world.start_trial()
    exports = world.data_dir / "exports"
    exports.mkdir(exist_ok=True)
    blocker = exports / world.show()["id"]
    blocker.write_text("a file where the folder should be")
    world.send("cancel")
    world.advance(days=3)
    (kept,) = dead_letters.listing(world.context)["dead"]
    assert (kept["what"], kept["site"]) == ("export", "acme.example.com")

    with pytest.raises(ValueError, match="retry it"):
        dead_letters.drop(world.context, kept["id"])
    blocker.unlink()
    dead_letters.retry(world.context, kept["id"])
    world.rest()
    assert world.show()["export"] is not None


def test_the_list_of_sites_is_oldest_first_and_has_a_cursor(world):
    for host in ("one.example.com", "two.example.com", "three.example.com"):
        world.start_trial(host)

    def page(**given):
        return reports.site_list(world.context, **{"state": None, "account": None, "after": None, "limit": 2, **given})

    first = page()
    assert [site["site"] for site in first["sites"]] == ["one.example.com", "two.example.com"]
    rest = page(after=first["next"])
    assert ([site["site"] for site in rest["sites"]], rest["next"]) == (["three.example.com"], None)
    world.send("cancel", "two.example.com")
    assert [site["site"] for site in page(state="cancelled")["sites"]] == ["two.example.com"]
    assert page(account="nobody")["sites"] == []


def test_a_tombstone_is_shown_until_the_name_lives_again(world):
    first = world.start_trial()
    world.send("cancel")
    world.advance(days=14)
    tombstone = world.show()
    assert (tombstone["state"], tombstone["id"]) == ("deleted", first["id"])

    world.start_trial()
    assert world.show()["state"] == "trial"
    assert world.show(first["id"])["state"] == "deleted"


def test_stats_count_the_fleet_for_people_programs_and_prometheus(world):
    world.start_trial()
    world.start_trial("two.example.com")
    world.send("cancel", "two.example.com")
    found = figures.stats(world.context)

    assert (found["sites"]["trial"], found["sites"]["cancelled"], found["effects"]["gave_up"]) == (1, 1, 0)
    assert found["timers"] == {"waiting": 5, "overdue": 0}
    assert "1  trial" in figures.text(found)
    told = figures.prometheus(found).splitlines()
    assert 'tenure_sites{state="trial"} 1' in told
    assert told.count("# TYPE tenure_sites gauge") == 1
    assert all(line.startswith(("#", "tenure_")) for line in told)


def test_the_contract_names_every_command_with_the_schema_of_its_data():
    found = contract_document.contract()

    assert found["commands"]["site.subscribe"]["data"]["required"] == ["agents", "payment_method"]
    assert set(found["commands"]) == {*engine.PUBLIC, "site.show"}
    assert "site.subscribe         agents, payment_method" in contract_document.text(found)
