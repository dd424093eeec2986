"""What an error says is still true when its effect has given up: whether it is tried again is told beside it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTCOMES = {"Permanent", "Temporary", "Unknown", "Held", "Awaited"}
PROMISES = ("tried again", "removed again", "tries again", "asked again")
RAISED = [
    (path.relative_to(ROOT), node)
    for path in sorted((ROOT / "workers").rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and getattr(node.exc.func, "id", "") in OUTCOMES
]


def words(node):
    return " ".join(str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant))


@pytest.mark.parametrize(("path", "node"), RAISED, ids=[f"{path}:{node.lineno}" for path, node in RAISED])
def test_no_error_of_an_effect_promises_another_try(path, node):
    assert not [promise for promise in PROMISES if promise in words(node)], path


def test_there_are_errors_to_be_read():
    assert len(RAISED) > 40
