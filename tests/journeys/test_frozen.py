"""What was told is charged, and what is judged is judged on the site as it is now: the whole engine, both databases."""

import importlib
from dataclasses import replace
from typing import Any

import pytest

from models import effect
from models.database import reading, writing
from models.timer import TIMERS
from tests.quick import QuickWorld
from workers.commands import handler
from workers.timers import fire as timers

law = importlib.import_module("engine.timers")  # the package has a function of this name
HOST = "acme.example.com"


@pytest.fixture
def world(tmp_path, databases, monkeypatch):
    """Without nights, which are nine moments out of ten."""
    told = law._moments
    monkeypatch.setattr(law, "_moments", lambda *given: (one for one in told(*given) if one[0] != "back_up_nightly"))
    made = QuickWorld(tmp_path / "data", "redis://127.0.0.1:1", **databases())
    yield made
    made.close()


def setting(world, **changed):
    """The engine is started again with other settings."""
    world.context.__dict__["policy"] = replace(world.context.policy, **changed)


def expired(world):
    world.start_trial()
    world.advance(days=30)
    assert world.state() == "expired"


def charge_args(world):
    with reading(world.context.database) as tx:
        rows = [row for row in effect.unfinished(tx) if row.kind == "charge"]
    return rows[0].args


def rewrite_charge(world, **changed):
    with writing(world.context.database) as tx:
        row = next(row for row in effect.unfinished(tx) if row.kind == "charge")
        args = {name: value for name, value in (row.args | changed).items() if value is not None}
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == row.id).values(args=args))


def test_who_was_told_60_dollars_pays_60_dollars_although_the_setting_is_euros_by_then(world):
    expired(world)
    said = world.say("subscribe", agents=3, payment_method="pm_visa_4242")
    assert said["charge"] == {"amount_cents": 6000, "currency": "USD", "reason": "new_start"}

    setting(world, currency="EUR", price_cents=9900)
    world.rest()

    assert world.charged() == [(6000, "USD")]
    site = world.show()
    assert (site["plan"]["price_cents"], site["plan"]["currency"]) == (2000, "USD")
    assert [(one["amount_cents"], one["currency"]) for one in site["invoices"]] == [(6000, "USD")]
    receipt = next(mail for mail in world.outside.mails if "Receipt" in mail.subject)
    assert "USD 60.00" in receipt.subject
    assert "EUR" not in receipt.body


def test_a_charge_that_version_0_1_asked_for_is_made_in_the_currency_of_its_invoice(world):
    expired(world)
    world.say("subscribe", agents=3, payment_method="pm_visa_4242")
    assert charge_args(world)["currency"] == "USD"
    rewrite_charge(world, currency=None)
    setting(world, currency="EUR")

    world.rest()

    assert world.charged() == [(6000, "USD")]
    assert world.show()["plan"]["currency"] == "USD"


def test_a_charge_of_nothing_that_version_0_1_asked_for_is_not_made_and_holds_nobody(world):
    world.start_active(agents=7)
    asked = len(world.charged())
    world.say("change_plan", agents=9)
    rewrite_charge(world, amount_cents=0)

    world.rest()

    assert (len(world.charged()), world.show()["agents_allowed"]) == (asked, 9)


def test_where_nothing_is_owed_a_year_goes_by_without_a_charge(world):
    setting(world, price_cents=0)
    site = world.start_active(agents=12)
    assert (site["state"], site["agents_allowed"], site["invoices"]) == ("active", 12, [])

    world.advance(days=62)
    world.send("change_plan", agents=15)
    world.send("cancel")
    world.advance(days=15)

    assert (world.charged(), world.state()) == ([], "deleted")


def test_a_review_in_one_currency_is_stale_once_the_setting_is_another(world):
    expired(world)
    asked = {"agents": 3, "payment_method": "pm_visa"}
    review = world.say("subscribe", extra={"dryrun": True}, **asked)["review"]
    setting(world, currency="EUR")

    refused = world.say("subscribe", extra={"review": review}, **asked)

    assert refused["code"] == "review.stale"
    assert "currency changed" in refused["message"]


# The agents in use


def unpaid_with_a_reduction(world):
    """Suspended for non-payment while a reduction to 2 waits, and 7 agents were in use when anybody last looked."""
    world.start_active(agents=7)
    world.send("change_plan", agents=2)
    world.outside.agents = 7
    world.send("update_payment", payment_method="pm_declined")
    world.advance_to(world.show()["period_ends_at"])
    world.advance(days=7)
    assert (world.show()["suspended_for"], world.show()["plan"]["next_agents"]) == ("nonpayment", 2)


@pytest.mark.parametrize(("used", "cents"), [(2, 4_000), (3, 14_000)])
def test_pay_judges_on_the_agents_that_are_in_use_now(world, used, cents):
    unpaid_with_a_reduction(world)
    world.outside.agents = used

    said = world.send("pay", payment_method="pm_visa")

    assert said["charge"]["amount_cents"] == cents


@pytest.mark.parametrize(("used", "cents"), [(2, 4_000), (3, 14_000)])
def test_resume_judges_on_the_agents_that_are_in_use_now(world, used, cents):
    world.start_active(agents=7)
    world.outside.agents = 7 if used == 2 else 1
    world.send("suspend", reason="abuse")
    world.send("change_plan", agents=7)
    world.outside.agents = 1
    world.send("change_plan", agents=2)
    world.outside.agents = used
    world.advance(days=40)

    said = world.send("resume")

    assert said["charge"]["amount_cents"] == cents


def test_a_renewal_that_becomes_due_after_the_hosts_were_asked_waits_for_the_next_round(world, monkeypatch):
    world.start_active(agents=7)
    world.send("change_plan", agents=2)
    world.outside.agents = 5
    ask, rounds = timers._used_agents, []

    def too_early(context, limit):
        rounds.append(limit)
        return {} if len(rounds) == 1 else ask(context, limit)

    monkeypatch.setattr(timers, "_used_agents", too_early)
    world.advance_to(world.show()["period_ends_at"])

    assert len(rounds) > 1
    assert world.show()["plan"]["agents"] == 7
    assert world.charged()[-1] == (14_000, "USD")


# One review, one batch, one moment


def test_a_dry_run_that_carries_a_review_gives_a_token_that_can_be_used(world):
    world.start_active(agents=7)
    world.advance(days=3)
    first = world.say("change_plan", agents=9, extra={"dryrun": True})
    world.advance(minutes=5)

    again = world.say("change_plan", agents=9, extra={"dryrun": True, "review": first["review"]})
    world.advance(minutes=5)
    said = world.say("change_plan", agents=9, extra={"review": again["review"]})

    assert (said["outcome"], again["charge"], said["charge"]) == ("applied", first["charge"], first["charge"])


def test_a_token_is_15_minutes_old_15_minutes_after_the_first_review_however_often_it_was_looked_at(world):
    world.start_active(agents=7)
    review = world.say("change_plan", agents=9, extra={"dryrun": True})["review"]
    world.advance(minutes=14)
    review = world.say("change_plan", agents=9, extra={"dryrun": True, "review": review})["review"]
    world.advance(minutes=1)

    assert world.say("change_plan", agents=9, extra={"review": review})["code"] == "review.stale"


def test_the_timers_of_a_site_are_of_its_generation_when_one_batch_raised_it(world):
    world.start_active(agents=7)
    before = world.show()["next"]
    asked = [{"specversion": "1.0", "source": "tests", "id": f"b{n}", "subject": HOST} for n in range(2)]
    asked[0] |= {"type": "site.cancel", "data": {}}
    asked[1] |= {"type": "site.keep", "data": {}}

    said: list[Any] = handler.take_each(world.context, [(one,) for one in asked])

    assert [one["outcome"] for one in said] == ["applied", "applied"]
    with reading(world.context.database) as tx:
        rows = {row.kind: row.generation for row in tx.execute(TIMERS.select())}
        generation = tx.execute(effect.EFFECTS.select().order_by("seq")).all()[-1].generation
    assert {step["what"] for step in world.show()["next"]} == {step["what"] for step in before}
    assert (set(rows.values()), generation) == ({2}, 2)


def test_invoices_of_one_moment_are_in_the_order_of_their_numbers(world):
    world.start_active(agents=7)
    for agents in (9, 11, 14):
        world.send("change_plan", agents=agents)
    world.send("update_payment", payment_method="pm_declined")
    world.send("change_plan", agents=20)

    numbers = [one["number"] for one in world.show()["invoices"]]

    assert numbers == [1, 2, 3, 4, None]
    assert world.show()["invoices"][-1]["status"] == "void"
