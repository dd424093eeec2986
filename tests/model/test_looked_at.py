"""What is read from the world before a decision: the same in production, the simulator and the ledger's walk."""

from dataclasses import replace

import engine
from tests.model.walk import Walk
from workers.commands import handler
from workers.simulation.fleet import Fleet

DESIGN = {"site.subscribe", "site.change_plan", "site.pay", "site.resume", "site.renew"}
"""Agents in use: "asked for every command and timer that depends on them" (design.md)."""


def test_production_asks_for_the_agents_in_use_where_the_design_wants_it():
    assert set(engine.COUNTED) == DESIGN
    assert handler.LIVE >= DESIGN
    assert engine.COUNTED & {*engine.TIMERS} == {"site.renew"}  # the one timer that the clock asks hosts for


def fresh(asked):
    """The types of commands that were given another number of agents than the one last known."""
    return {kind for kind, known, given in asked if known != given}


def test_the_simulator_gives_fresh_agents_to_the_commands_that_production_asks_for_and_to_no_other(monkeypatch):
    fleet, asked = Fleet(600, 200, 5, backups=False, policy=engine.Policy()), []
    decide = engine.decide

    def seen(site, wanted, now, policy):
        known = fleet.sites.get(site.id) if site is not None else None
        if known is not None:
            asked.append((wanted.type, known.used_agents, site.used_agents))
        return decide(site, wanted, now, policy)

    monkeypatch.setattr(engine, "decide", seen)
    fleet.run()

    assert fresh(asked) == DESIGN
    assert {kind for kind, *_ in asked} > DESIGN


def test_the_simulator_tells_reports_of_effects_nothing_that_production_does_not(monkeypatch):
    fleet, differing = Fleet(600, 200, 5, backups=False, policy=engine.Policy()), []
    decide = engine.decide

    def seen(site, wanted, now, policy):
        known = fleet.sites.get(site.id) if site is not None else None
        if known is not None and wanted.source == "effect" and site != known:
            differing.append(wanted.type)
        return decide(site, wanted, now, policy)

    monkeypatch.setattr(engine, "decide", seen)
    fleet.run()

    assert differing == []


def test_the_walk_of_the_ledger_sees_what_production_sees():
    walk = Walk()
    walk.do(("ask", "start_trial", {"account": "acme", "email": "owner@acme.example"}))
    walk.used = 4

    given = {kind: walk._as_production_sees_it(kind) for kind in (*engine.PUBLIC, *engine.INTERNAL)}

    assert {kind for kind, site in given.items() if site.used_agents == 4} == DESIGN
    assert all(replace(site, used_agents=walk.site.used_agents) == walk.site for site in given.values())
