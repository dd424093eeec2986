""" "Go to definition" leads from each word of the table, and from each guard of the deletion, to its function."""

import ast
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import jedi
import pytest
from jedi.api.environment import InterpreterEnvironment

from engine import authority, machine, rules
from engine.vocabulary import VOCABULARY

ROOT = Path(rules.__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def _cache_apart(tmp_path_factory):
    jedi.settings.cache_directory = str(tmp_path_factory.mktemp("jedi"))


@cache
def script(module):
    return jedi.Script(
        path=module.__file__, project=jedi.Project(ROOT, sys_path=[str(ROOT)]), environment=InterpreterEnvironment()
    )


@cache
def places(module):
    """Where each name of a module is used as a value, by name: the last line and column."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    used = [node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return {node.id: (node.lineno, node.col_offset) for node in used}


def definition(module, name):
    """The file and line to which an editor jumps from a name."""
    (found,) = script(module).goto(*places(module)[name], follow_imports=True)
    return Path(found.module_path), found.line


def real(function):
    """The file and line where a function stands: the line of its `def`, below its decorators."""
    lines, first = inspect.getsourcelines(function)
    below = next(index for index, line in enumerate(lines) if line.startswith("def "))
    return Path(inspect.getsourcefile(function)), first + below


@pytest.mark.parametrize("name", sorted(VOCABULARY.words))
def test_a_word_of_the_table_leads_to_its_function(name):
    assert definition(rules, name) == real(VOCABULARY.words[name].function)


WIRED = {function.__name__: function for function in (*authority.GUARDS, *authority.EVIDENCE.values())}


@pytest.mark.parametrize("name", WIRED)
def test_a_guard_of_the_deletion_leads_to_its_function(name):
    assert definition(authority, name) == real(WIRED[name])


def test_the_machine_calls_the_functions_of_the_table_and_nothing_else():
    rows: list[Any] = [
        row for event in machine.MACHINE.events.values() for its_rows in event.transitions.values() for row in its_rows
    ]
    words = {word.function for word in VOCABULARY.words.values()}
    assert {word for row in rows for word in (*row._when, *row._then)} == words
    assert not [row for row in rows if row.after or row.prepare]
