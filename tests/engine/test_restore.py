"""The review of a restore says what it brings back, and what it does not."""

from dataclasses import replace

import pytest

from engine.command import is_operators
from tests.engine.lab import at


def review_of(lacks):
    lab = at("active")
    lab.backups = (replace(lab.backups[0], lacks=lacks),)
    decision = lab.judge("restore", {"from": lab.backups[0].id})
    assert decision.outcome == "applied"
    return " ".join(decision.notes)


def test_a_restore_from_a_backup_that_lacks_something_says_what():
    assert "this backup does not bring back everything: 2 files were unreadable" in review_of("2 files were unreadable")


def test_a_restore_from_a_whole_backup_says_no_such_thing():
    assert "does not bring back" not in review_of("")


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("tenure-cli", True),
        ("tenure-cli:ops", True),
        ("console:ops", True),
        ("tenure-client", False),
        ("console", False),
        ("portal", False),
        ("my:tenure-cli", False),
        ("", False),
    ],
)
def test_the_command_line_and_the_console_are_operators_and_nobody_else(source, is_one):
    assert is_operators(source) is is_one
