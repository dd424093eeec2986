"""The house: a module fits into one sitting, and a class has one name within its floor."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("engine", "models", "workers", "schedules")
MOST_LINES = 250

LONGER = {
    "engine/rules.py",  # the table, which is read as a whole
    "models/migrations/versions/0001_first_tables.py",  # written once and never changed
    "models/effect.py",
    "models/site.py",
    "workers/adapters/agents_in_use.py",
    "workers/adapters/hosts/folder.py",
    "workers/adapters/payments/stripe.py",
    "workers/base/settings.py",  # one line for each setting
    "workers/storage/archive_format.py",
    "workers/storage/customer_database.py",
    "workers/storage/customer_database_child.py",
    "workers/storage/held_database.py",
    "workers/supervisor/up.py",
}
"""The modules that may be longer, by name."""


def modules(floor):
    return sorted((ROOT / floor).rglob("*.py"))


def too_long():
    files = [path for floor in FLOORS for path in modules(floor)]
    return {str(path.relative_to(ROOT)) for path in files if len(path.read_text("utf-8").splitlines()) > MOST_LINES}


def homonyms(sources):
    """The names that two classes share, each with the modules where they stand."""
    homes = defaultdict(list)
    for name, source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(name)
    return {name: found for name, found in homes.items() if len(found) > 1}


def test_a_module_has_at_most_250_lines():
    assert too_long() - LONGER == set()


@pytest.mark.parametrize("floor", FLOORS)
def test_two_classes_of_one_floor_have_two_names(floor):
    sources = [(str(path.relative_to(ROOT)), path.read_text("utf-8")) for path in modules(floor)]
    assert len(sources) > 1
    assert homonyms(sources) == {}


def test_two_classes_with_one_name_are_found_wherever_they_stand():
    nested = "def f():\n    class Row: ...\n"
    assert homonyms([("a", "class Row: ...\nclass Line: ..."), ("b", nested)]) == {"Row": ["a", "b"]}
