"""The table itself: every word resolves and is used, no state is dead, and the menu agrees with what is decided."""

import logging
from dataclasses import fields
from typing import Any

import pytest

import engine
from engine import diagram, prices
from engine.case import Case, known
from engine.command import Command
from engine.decide import is_internal
from engine.guards import must_be_authorized
from engine.machine import MACHINE
from engine.menu import is_open, label
from engine.rules import RULES
from engine.site import ABSENT, STATES
from tests.engine.lab import DAY, POLICY, STANDINGS, T0, at


def edges():
    return {(source, rule.to) for rule in RULES for source in rule.sources if rule.to not in {None, source}}


def reach(start, moves):
    seen, todo = {start}, [start]
    while todo:
        found = {to for source, to in moves if source == todo[-1]} - seen
        todo = [*todo[:-1], *found]
        seen |= found
    return seen


def test_every_command_has_rows_and_every_row_belongs_to_a_command():
    assert {rule.command for rule in RULES} == {*engine.PUBLIC, *engine.INTERNAL}
    assert all(is_internal(name) for name in engine.INTERNAL)
    assert not any(is_internal(name) for name in engine.PUBLIC)


def test_every_internal_command_has_a_row_for_every_living_state():
    for name in engine.INTERNAL:
        assert {source for rule in RULES if rule.command == name for source in rule.sources} >= {*STATES} - {"deleted"}


def test_no_row_stands_behind_one_that_always_decides():
    decided = set()
    for rule in RULES:
        cells = {(rule.command, source) for source in rule.sources}
        assert cells - decided, rule
        if not rule.when:
            decided |= cells


def test_every_state_is_reached_from_nothing():
    assert reach(ABSENT, edges()) == {ABSENT, *STATES}


def test_from_every_state_a_deletion_can_be_reached_so_none_is_dead():
    for state in STATES:
        assert "deleted" in reach(state, edges())


def test_deleted_is_reached_through_deleting_alone_and_left_by_nobody():
    assert {source for source, to in edges() if to == "deleted"} == {"deleting"}
    assert not [to for source, to in edges() if source == "deleted"]
    assert [to for source, to in edges() if source == "deleting"] == ["deleted"]


def test_deleting_is_entered_by_the_guarded_row_alone():
    rows = [rule for rule in RULES if rule.to == "deleting"]
    assert [(rule.command, rule.when) for rule in rows] == [("site.delete", (must_be_authorized,))]


def test_the_library_gives_no_move_that_is_not_in_the_table():
    assert set(MACHINE.events) == {rule.command for rule in RULES}
    assert logging.getLogger("transitions").level == logging.WARNING


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "site.start_trial": [{"account": "a", "email": "e@x.example"}],
    "site.subscribe": [{"agents": 9, "payment_method": "pm_new"}],
    "site.change_plan": [{"agents": 9}, {"agents": 2}, {"agents": 1}],
    "site.update_payment": [{"payment_method": "pm_new"}],
    "site.cancel": [{}, {"when": "period_end"}],
    "site.update_contact": [{"email": "new@acme.example"}],
    "site.waive": [{"guard": "notice", "reason": "x"}],
    "site.extend_trial": [{"days": 1}],
    "site.restore": [{"from": "previous_day"}],
    "site.suspend": [{"reason": "x"}],
    "site.hold": [{"reason": "x"}],
    "site.pay": [{"payment_method": "pm_new"}],
    "site.record_refund": [{"invoice": "old", "reference": "re_1", "reason": "x"}],
    "site.mail_bounced": [
        {"letter": letter, "address": "owner@acme.example", "reason": "550"}
        for letter in ("suspension_near", "deletion_in_48_hours")
    ],
}
OLD = engine.Invoice(
    "old", "period", "renewal", "USD", 2000, 3, 1, 1, 6000, T0 - 60 * DAY, T0 - 30 * DAY, numbered=True
)
"""A period of long ago that was paid."""

BEFORE = [
    [],
    [("hold", {"reason": "x"})],
    [("suspend", {"reason": "x"})],
    [("cancel", {"when": "period_end"})],
    [("gave_up", {"kind": "export", "error": "x"})],
    [("change_plan", {"agents": 2})],
    [("pay", {"payment_method": "pm_silent"})],
]


@pytest.mark.parametrize("where", [name for name in STANDINGS if name != "deleted"])
@pytest.mark.parametrize("before", BEFORE)
def test_the_menu_agrees_with_what_is_decided(where, before):
    lab = at(where)
    for kind, data in before:
        lab.say(kind, **data)
    lab.invoices["old"] = {"status": "paid", "invoice": OLD}
    allowed = engine.allowed(lab.site, lab.now, lab.policy)

    for name in engine.PUBLIC:
        answers = {lab.judge(name.removeprefix("site."), data).outcome for data in SAMPLES.get(name, [{}])}
        assert ("applied" in answers) == (name in allowed), name
        assert is_open(name, lab.site, lab.now, lab.policy) == (name in allowed)


def test_the_portal_calls_a_cancellation_in_a_trial_end_trial():
    trial, active = at("trial"), at("active")
    assert {"type": "site.cancel", "label": "End Trial"} in engine.menu(trial.site, trial.now, trial.policy)
    assert {"type": "site.cancel", "label": "Cancel Site"} in engine.menu(active.site, active.now, active.policy)
    assert label("site.keep", trial.site) == "Keep Site"


def test_the_portal_shows_no_operators_commands_and_no_download_while_an_operator_suspends():
    lab = at("operator")
    shown = [entry["type"] for entry in engine.menu(lab.site, lab.now, lab.policy)]
    assert shown == ["site.change_plan", "site.update_payment", "site.cancel", "site.update_contact"]
    assert "site.export" in engine.allowed(lab.site, lab.now, lab.policy)


def test_nothing_may_be_done_with_a_deleted_site_and_a_trial_with_none():
    lab = at("deleted")
    assert engine.menu(lab.site, lab.now, lab.policy) == []
    assert engine.allowed(None, lab.now, lab.policy) == ("site.start_trial",)


def test_the_diagram_shows_every_move_and_where_a_site_stands():
    drawn = diagram.diagram("trial")
    assert all(f"    {'[*]' if source == ABSENT else source} --> {to}: " in drawn for source, to in edges())
    assert "class trial here" in drawn
    assert "class" not in diagram.diagram()
    assert "active --> active" not in drawn


def test_every_refusal_of_the_table_names_the_allowed_moves_and_a_remedy():
    for where in (name for name in STANDINGS if name != "deleted"):
        lab = at(where)
        for name in engine.PUBLIC:
            decision = lab.judge(name.removeprefix("site."), SAMPLES.get(name, [{}])[0])
            if decision.code == "state.illegal" and "allowed now" in decision.message:
                assert "; " in decision.message.split("; allowed now")[0], (where, name, decision.message)


def test_a_value_from_outside_is_escaped_and_cut_to_80_characters():
    lab = at("cancelled")
    lab.say("suspend", reason="line\nbreak " + "x" * 180)
    message = lab.judge("keep").message
    assert "\n" not in message
    assert "line\\nbreak" in message
    assert "x" * 70 not in message


def test_a_long_hostname_is_cut_in_messages():
    lab = at("trial")
    long = "a" * 60 + "." + "b" * 60 + ".example.com"
    lab.site = engine.with_live_facts(lab.site, used_agents=None, claimed=False)
    object.__setattr__(lab.site, "host", long)
    message = lab.judge("resume").message
    assert long not in message
    assert long[:77] + "..." in message


def test_a_site_is_the_same_whether_it_is_built_from_names_or_from_a_row_of_values():
    site = at("active").site
    values = [getattr(site, fact.name) for fact in fields(site)]
    assert engine.site_of(values) == site
    with pytest.raises(ValueError, match="zip"):
        engine.site_of(values[:-1])


def test_a_fact_that_the_law_relies_on_stops_the_command_when_it_is_missing():
    with pytest.raises(LookupError):
        known(None)
    with pytest.raises(LookupError):
        _ = Case(None, Command("site.cancel", "s", "1"), T0, POLICY).site
    lab = at("trial")
    with pytest.raises(LookupError):
        prices.share_left(Case(lab.site, Command("site.change_plan", "s", "1"), T0, POLICY))
