"""The words of the table are declared: once each, with a sentence, and with the data that their code looks at."""

import ast
import inspect
import textwrap
from types import FunctionType

import pytest

from engine.rules import RULES, rule
from engine.vocabulary import DATA, VOCABULARY, Vocabulary

WORDS = VOCABULARY.words
CONDITIONS = {name for name, word in WORDS.items() if word.kind != "action"}
READ_FOR_A_COMMAND = {"bill", "backups", "under_way"}


OF_VERSION_0_1 = {"currency"}
"""Looked at only where the payment itself has none."""


def looked_at(function, seen=None):
    """The data that a function looks at, by itself and through what it calls in engine/.

    Letters do not count: their numbers are read again when they leave.
    """
    seen = set() if seen is None else seen
    if function in seen or function.__name__.startswith("mail_"):
        return set()
    seen.add(function)
    nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    names = {node.id for node in nodes if isinstance(node, ast.Name)} - {function.__name__}
    called = [function.__globals__.get(name) for name in names]
    found = set().union(*(looked_at(one, seen) for one in called if is_in_the_engine(one)))
    return found | set().union(*map(datum_of, nodes))


def is_in_the_engine(thing):
    return isinstance(thing, FunctionType) and thing.__module__.startswith("engine.")


def datum_of(node):
    match node:
        case ast.Call(func=ast.Attribute(attr="given"), args=[ast.Constant(value=field)]):
            return {field}
        case ast.Attribute(value=ast.Attribute(attr="command"), attr=name) if name in READ_FOR_A_COMMAND:
            return {name}
        case ast.Attribute(attr="used_agents" | "planned_agents" | "is_over_plan"):
            return {"used_agents"}
        case _:
            return set()


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_a_condition_declares_exactly_the_data_that_its_code_looks_at(name):
    assert looked_at(WORDS[name].function) - OF_VERSION_0_1 == WORDS[name].needs


@pytest.mark.parametrize("name", sorted(set(WORDS) - CONDITIONS))
def test_an_action_declares_whether_it_looks_at_the_agents_in_use(name):
    assert looked_at(WORDS[name].function) & {"used_agents"} == WORDS[name].needs


def test_every_declared_word_stands_in_the_table_in_its_column():
    assert {word for rule in RULES for word in rule.when} == {WORDS[name].function for name in CONDITIONS}
    assert {word for rule in RULES for word in rule.then} == {WORDS[name].function for name in set(WORDS) - CONDITIONS}


def test_the_name_of_a_condition_tells_whether_it_refuses():
    assert {name for name in CONDITIONS if name.startswith("must_")} == of_kind("guard")
    assert {name for name in CONDITIONS if not name.startswith("must_")} == of_kind("predicate")


def of_kind(kind):
    return {name for name, word in WORDS.items() if word.kind == kind}


@pytest.mark.parametrize("name", sorted(of_kind("guard")))
def test_a_guard_says_what_it_refuses_and_the_remedy(name):
    refusal, _, remedy = WORDS[name].sentence.partition("; ")
    assert len(refusal) > 10
    assert len(remedy) > 5


@pytest.mark.parametrize("name", sorted(of_kind("predicate")))
def test_the_phrase_of_a_predicate_completes_possible_only(name):
    first = WORDS[name].sentence.split()[0]
    assert first in {"after", "before", "for", "if", "where", "while", "with", "within"}


def test_no_word_looks_at_data_that_nobody_declares_a_use_for():
    assert {datum for word in WORDS.values() for datum in word.needs} == DATA


def test_a_word_that_is_declared_twice_is_refused_with_both_places():
    mine = Vocabulary()
    mine.action(held)
    with pytest.raises(ValueError, match=r"the word held is declared twice: held \(.*line \d+\) and held \(.*line"):
        mine.predicate("while a hold is on it")(held)


def held(_case):
    """A word of the tests."""


def test_a_word_without_a_sentence_is_refused():
    with pytest.raises(ValueError, match=r"bare .* has no sentence"):
        Vocabulary().action(bare)


def bare(_case): ...


def test_a_word_that_needs_unknown_data_is_refused_with_the_known():
    with pytest.raises(ValueError, match=r"needs \['agent'\]: no such data; known are .*agents"):
        Vocabulary().predicate("with agents", needs=("agent",))  # type: ignore[arg-type]


def test_a_row_with_a_word_that_is_not_declared_is_refused():
    with pytest.raises(LookupError, match=r"a row of site.pay: held \(.*\) is not a declared word; put @predicate"):
        rule("pay", "active", None, [held])


def test_a_row_with_a_name_in_place_of_a_function_is_refused():
    with pytest.raises(LookupError, match=r"'plan_chosen' .*is not a declared word"):
        rule("pay", "active", None, ["plan_chosen"])  # type: ignore[list-item]


@pytest.mark.parametrize(("when", "then"), [(["nothing"], []), ([], ["by_operator"]), ([], ["must_be_due"])])
def test_a_row_with_a_word_in_the_wrong_column_is_refused(when, then):
    columns = [[WORDS[name].function for name in names] for names in (when, then)]
    with pytest.raises(TypeError, match=r"a row of site.pay: .* is a declared .* and can't stand in"):
        rule("pay", "active", None, *columns)


def test_a_declaration_returns_the_function_itself():
    assert Vocabulary().action(held) is held
    assert Vocabulary().action(needs=("used_agents",))(held) is held
    assert Vocabulary().guard("no; ask later")(held) is held
