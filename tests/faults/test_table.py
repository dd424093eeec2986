"""The table of faults is true: each test is there, runs every time, and no fault is without one."""

import ast
from pathlib import Path

import pytest

from tests.faults.table import TABLE, WANTED, shown

TESTS = Path(__file__).parents[1]


def found(node):
    """The function that a row names, and the marks on it, on its class and on its file."""
    file, *names = node.split("::")
    scope = ast.parse((TESTS / file).read_text())
    marks = [
        ast.unparse(line) for line in scope.body if isinstance(line, ast.Assign) and "pytestmark" in ast.unparse(line)
    ]
    for name in names:
        (scope,) = [one for one in scope.body if getattr(one, "name", None) == name]
        marks += [ast.unparse(mark) for mark in scope.decorator_list]
    return scope, marks


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.fault)
def test_each_fault_has_a_test_that_runs_every_time(row):
    function, marks = found(row.test)
    assert isinstance(function, ast.FunctionDef)
    assert not [mark for mark in marks if "long" in mark or "skip" in mark or "xfail" in mark]


def test_every_fault_that_was_promised_is_in_the_table_once():
    faults = [row.fault for row in TABLE]
    assert WANTED - set(faults) == set()
    assert len(faults) == len(set(faults))


def test_the_table_can_be_read():
    lines = shown().splitlines()
    assert len(lines) == len(TABLE) + 2
    assert {line.count("|") for line in lines} == {5}
