"""A new command is its words and a row; a new letter is its declarations, a text and the word that asks for it."""

from importlib import import_module

import pytest

import engine
from engine import letter, machine
from engine.decision import Refused
from engine.letter import says, stands_while
from engine.menu import LABELS, OPERATORS, menu_of
from engine.rules import RULES, rule
from engine.vocabulary import VOCABULARY
from tests.engine.lab import DAY, at
from workers.effects import letters


@pytest.fixture
def declare(monkeypatch):
    """Declare words and letters for one test."""
    monkeypatch.setattr(VOCABULARY, "words", dict(VOCABULARY.words))
    for table in ("STANDS", "FACTS"):
        monkeypatch.setattr(letter, table, dict(getattr(letter, table)))
    return VOCABULARY


@pytest.fixture
def judge_by(monkeypatch):
    """Judge, and make the menu, by a table with rows of the test."""

    def add(*rows):
        names = (*LABELS, *OPERATORS, *(row.command for row in rows))
        monkeypatch.setattr(machine, "MACHINE", machine.build((*RULES, *rows)))
        monkeypatch.setattr(import_module("engine.menu"), "MENU", menu_of((*RULES, *rows), names))

    return add


# A command: agents are lent for a while


def must_lend_few(case):
    if case.given("agents") > 2:
        raise Refused("agents.too_many", f"agents {case.given('agents')} is above 2; lend fewer")
    return True


def has_none_lent(case):
    return case.site.agents_allowed == case.site.plan_agents


def lend_agents(case):
    """More agents than the plan has, for nothing."""
    case.change(agents_allowed=case.site.agents_allowed + case.given("agents"))


@pytest.fixture
def _lending(declare, judge_by):
    declare.guard("at most two agents are lent; lend fewer", needs=("agents",))(must_lend_few)
    declare.predicate("with no agents lent")(has_none_lent)
    declare.action(lend_agents)
    judge_by(rule("lend", "active", None, [has_none_lent, must_lend_few], [lend_agents]))


@pytest.mark.usefixtures("_lending")
def test_a_new_command_is_judged_by_its_row():
    lab = at("active")
    assert lab.judge("lend", {"agents": 3}).code == "agents.too_many"
    assert (lab.say("lend", agents=2).outcome, lab.site.agents_allowed) == ("applied", 5)
    assert lab.effects[-1] == "set_agent_limit"
    assert lab.judge("lend", {"agents": 1}).code == "state.illegal"
    assert at("trial").judge("lend", {"agents": 1}).code == "state.illegal"


@pytest.mark.usefixtures("_lending")
def test_a_new_command_is_in_the_menu_where_its_row_may_act():
    lab = at("active")
    assert "site.lend" in engine.allowed(lab.site, lab.now, lab.policy)
    assert "site.lend" not in engine.allowed(at("trial").site, lab.now, lab.policy)
    lab.say("lend", agents=1)
    assert "site.lend" not in engine.allowed(lab.site, lab.now, lab.policy)


# A letter: an anniversary


def is_still_active(_asked, site, _now, _policy):
    return site.state == "active"


def years(_asked, site, now, _policy):
    return {"years": (now - site.created_at) // (365 * DAY)}


def mail_anniversary(case):
    """A year with us."""
    case.mail("anniversary", years=0)


def test_a_new_letter_is_asked_for_checked_and_written(declare, judge_by, monkeypatch, tmp_path):
    stands_while("anniversary")(is_still_active)
    says("anniversary")(years)
    declare.action(mail_anniversary)
    judge_by(rule("congratulate", "active", None, [], [mail_anniversary]))
    (tmp_path / "anniversary.txt").write_text("A year!\nYou are with us for {years} years.\n", "utf-8")
    monkeypatch.setattr(letters, "TEXTS", tmp_path)
    monkeypatch.setattr(letters, "KINDS", ("anniversary",))
    lab = at("active")
    asked = engine.Letter("anniversary", lab.say("congratulate").effects[0].args, lab.now, lab.site.generation)

    assert asked.stands(lab.site, lab.now, lab.policy)
    facts = engine.letter_facts(asked, lab.site, lab.now + 740 * DAY, lab.policy)
    assert letters.letter("anniversary", {**asked.args, **facts}).body == "You are with us for 2 years.\n"
    assert not asked.stands(at("operator").site, lab.now, lab.policy)


def test_a_letter_that_is_declared_twice_is_refused(declare):
    assert declare
    with pytest.raises(ValueError, match=r"the letter welcome is declared twice: .* and is_still_active"):
        stands_while("welcome")(is_still_active)
    with pytest.raises(ValueError, match=r"the letter welcome is declared twice: .* and years"):
        says("welcome")(years)
