"""An independent ledger walks random lives with the law, and finds each fault that the law once had."""

import importlib
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

import engine
from engine import billing, payment_results, prices
from tests.model.rewritten import real, rewrite
from tests.model.seen import Broken
from tests.model.story import kind_of, shrunk
from tests.model.walk import Walk
from tests.model.wander import fault, wander

timing = importlib.import_module("engine.timers")

STEPS = 60
"""Commands in a walk."""


@pytest.mark.parametrize("seed", range(60))
def test_a_walk_of_60_commands_breaks_no_promise(seed):
    assert wander(seed, STEPS, Walk).commands >= STEPS


@pytest.mark.long
@pytest.mark.parametrize("part", range(50))
def test_200_000_commands_break_no_promise(part):
    walked, seeds = 0, (f"{part}-{number}" for number in count())
    while walked < 4_000:
        walked += wander(next(seeds), STEPS, Walk).commands

    assert walked >= 4_000


# A walk that fails tells a story that can be replayed


def test_a_walk_that_fails_prints_its_seed_and_the_few_steps_that_matter(undone):
    undone(wrong_amount)

    with pytest.raises(AssertionError, match=r"an amount recomputes from its columns") as told:
        wander(0, STEPS, Walk)

    said = str(told.value)
    assert "seed " in said
    assert said.count("\n    (") <= 12
    assert said.endswith("])")


def test_the_story_of_a_failure_fails_again_when_it_is_replayed(undone):
    undone(wrong_amount)
    story = [
        ("ask", "start_trial", {"account": "acme", "email": "owner@acme.example"}),
        ("ask", "subscribe", {"agents": 3, "payment_method": "pm_one"}),
        ("due",),
        ("use", 2),
        ("due",),
    ]

    found = fault(story, Walk)

    assert found is not None
    assert found.startswith("Broken: an amount recomputes")
    short = shrunk(story, lambda shorter: kind_of(fault(shorter, Walk)) == kind_of(found))
    assert ("use", 2) not in short
    assert fault(short, Walk) is not None


# Each mend of the law, undone


@pytest.fixture
def undone(monkeypatch):
    """Break the rules in one way for one test."""

    def change(undo):
        undo(monkeypatch)

    return change


def word(monkeypatch, name, function):
    rewrite(monkeypatch, **{name: function})


def wrong_amount(monkeypatch):
    bill = billing.bill

    def dearer(case, *given, **named):
        invoice = bill(case, *given, **named)
        case.entries[-1] = replace(invoice, amount_cents=invoice.amount_cents + 1)
        return case.entries[-1]

    monkeypatch.setattr(billing, "bill", dearer)


def added_agents_are_charged_0(monkeypatch):
    word(
        monkeypatch,
        "too_little_to_charge",
        lambda case: prices.added_cents(case) < case.policy.min_charge_cents,
    )


def a_return_is_charged_0(monkeypatch):
    word(monkeypatch, "costs_nothing", lambda _case: False)


def a_period_is_billed_with_0(monkeypatch):
    def charge_period(case, reason, period, key):
        site = case.site
        named: Any = {"agents": site.plan_agents, "price_cents": site.price_cents, "numbered": True}
        invoice = billing.bill(case, "period", reason, period, **named)
        owed = engine.Owed(invoice.id, invoice.amount_cents, site.plan_agents, period[0], period[1], attempts=1)
        case.change(period_start=period[0], period_ends_at=period[1], owed=owed)
        billing.ask(case, invoice, reason, site.plan_agents, f"{site.id}:{reason}:{key}")

    monkeypatch.setattr(billing, "charge_period", charge_period)


def a_return_is_booked_in_today_s_currency(monkeypatch):
    monkeypatch.setattr(
        payment_results, "currency_of", lambda case, _paying: case.site.currency or case.policy.currency
    )


def a_reduction_that_is_settled_raises_the_agents(monkeypatch):
    settle = billing.settle_reduction

    def raising(case, period):
        wanted = case.site.next_agents
        settle(case, period)
        if wanted is not None and case.site.next_agents is None:
            case.change(agents_allowed=wanted)

    monkeypatch.setattr(billing, "settle_reduction", raising)


def forgets_the_end(monkeypatch, name):
    """A word of the law that loses the date for which the site was cancelled."""
    function = real(name)

    def forgetful(case):
        function(case)
        case.change(cancels_at=None)

    word(monkeypatch, name, forgetful)


def a_decline_forgets_the_end(monkeypatch):
    forgets_the_end(monkeypatch, "note_decline")


def a_suspension_forgets_the_end(monkeypatch):
    forgets_the_end(monkeypatch, "suspend_by_operator")


def a_payment_forgets_the_end(monkeypatch):
    forgets_the_end(monkeypatch, "allow_paid_agents")


def an_end_that_owes_is_not_kept(monkeypatch):
    told = timing._moments
    ends = ("past_due", "end_period")
    monkeypatch.setattr(
        timing, "_moments", lambda site, *more: [one for one in told(site, *more) if (site.state, one[0]) != ends]
    )


def resume_and_pay_look_at_an_old_number_of_agents(monkeypatch):
    looked_at = frozenset({"site.subscribe", "site.change_plan", "site.renew"})
    monkeypatch.setattr(engine, "COUNTED", looked_at)


def renew_looks_at_an_old_number_of_agents(monkeypatch):
    monkeypatch.setattr(engine, "COUNTED", engine.COUNTED - {"site.renew"})


MUTATIONS = {
    wrong_amount: ("an amount recomputes from its columns", 0),
    added_agents_are_charged_0: ("nothing is billed where nothing is owed", 31),
    a_return_is_charged_0: ("nothing is billed where nothing is owed", 30),
    a_period_is_billed_with_0: ("nothing is billed where nothing is owed", 30),
    a_return_is_booked_in_today_s_currency: ("price and currency", 19),
    a_reduction_that_is_settled_raises_the_agents: ("before they are paid for", 13),
    a_decline_forgets_the_end: ("the end that was promised stays", 0),
    a_suspension_forgets_the_end: ("the end that was promised stays", 4),
    a_payment_forgets_the_end: ("the end that was promised stays", 0),
    an_end_that_owes_is_not_kept: ("a site ends when it was told", 0),
    resume_and_pay_look_at_an_old_number_of_agents: ("so few agents are in use", 18),
    renew_looks_at_an_old_number_of_agents: ("so few agents are in use", 13),
}
"""What each undone mend breaks, and the first seed whose walk finds it."""


@pytest.mark.parametrize("undo", MUTATIONS, ids=lambda undo: undo.__name__)
def test_the_ledger_finds_a_mend_that_is_undone(undo, undone):
    promise, seed = MUTATIONS[undo]
    undone(undo)

    assert promise in found_from(seed, promise)


def found_from(seed, promise, walks=400):
    """What the first walk finds that breaks this promise, without looking for its shortest story."""
    for number in range(seed, seed + walks):
        walk = Walk()
        try:
            for step in walk.story(number, STEPS):
                walk.do(step)
        except Broken as broken:
            if promise in str(broken):
                return str(broken)
    return "nothing"
