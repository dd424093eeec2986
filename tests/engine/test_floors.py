"""The house: a floor imports only the floors below it, and each library has one home."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("engine", "models", "workers", "schedules")
FILES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]

HOMES = {
    "transitions": {"engine"},
    "sqlmodel": {"models"},
    "alembic": {"models"},
    "sqlalchemy": {"models", "workers", "schedules"},
    "pysqlite3": {"models", "workers"},
    "psycopg": {"models"},
    "dramatiq": {"workers"},
    "redis": {"workers"},
    "structlog": {"workers"},
    "click": {"workers"},
    "apscheduler": {"schedules"},
}
PURE = frozenset(
    {
        *(
            "base64",
            "calendar",
            "collections",
            "dataclasses",
            "datetime",
            "enum",
            "hashlib",
            "html",
            "logging",
            "operator",
            "re",
        ),
        "unicodedata",
        "transitions",
        *("itertools", "types", "typing", "engine"),
        *("base64", "html", "unicodedata"),
    }
)
"""All that the law may import: nothing of it reads a clock, a file, a socket or chance."""


def tree(path):
    return ast.parse(path.read_text("utf-8"))


def imports(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield str(node.module)


def floor_of(path):
    return path.relative_to(ROOT).parts[0]


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_floor_imports_only_the_floors_below_it(path):
    above = FLOORS[FLOORS.index(floor_of(path)) + 1 :]
    assert not [found for found in imports(path) if found.split(".")[0] in (*above, "tests")]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_library_is_imported_in_its_home_alone(path):
    floor = floor_of(path)
    away = [found for found in imports(path) if floor not in HOMES.get(found.split(".")[0], {floor})]
    assert not away


@pytest.mark.parametrize("path", [path for path in FILES if floor_of(path) == "engine"], ids=name)
def test_the_law_imports_nothing_that_acts_on_the_world(path):
    assert {found.split(".")[0] for found in imports(path)} <= PURE


@pytest.mark.parametrize("path", [path for path in FILES if floor_of(path) == "engine"], ids=name)
def test_the_law_reads_no_clock_writes_no_log_and_opens_nothing(path):
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    assert not names & {"now", "utcnow", "today", "open", "print", "input", "info", "debug", "warning", "error"}
    logs = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == "getLogger"]
    assert len(logs) == (1 if path.name == "machine.py" else 0)


def test_every_room_is_in_one_of_the_four_floors():
    assert {floor_of(path) for path in FILES} == set(FLOORS)
    assert all(not (ROOT / other).exists() for other in ("src", "utils", "common", "core"))
