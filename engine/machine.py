"""The state machine: the law's table, driven by `transitions`."""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

from transitions import Machine

from engine import backups, billing, collecting, conditions, consequences, demands, ladder, leaving, letters, plans
from engine.case import Case
from engine.rules import RULES, Rule
from engine.site import ABSENT, STATES

logging.getLogger("transitions").setLevel(logging.WARNING)  # it logs every callback at INFO, at a sixth of the speed


def words(answer: Any, *rooms: ModuleType) -> dict[str, Callable[[Case], Any]]:
    """The functions of some rooms that take a case and nothing else, and answer with this type."""
    return {
        name: word
        for room in rooms
        for name, word in vars(room).items()
        if getattr(word, "__module__", "") == room.__name__
        and getattr(word, "__annotations__", None) == {"case": Case, "return": answer}
    }


CONDITIONS: dict[str, Callable[[Case], bool]] = words(bool, conditions, demands, ladder, backups)
CONSEQUENCES: dict[str, Callable[[Case], None]] = words(
    None, consequences, leaving, plans, billing, collecting, letters, backups
)


def build() -> Machine:
    """One machine for every site: it holds no model, so it is shared by all threads."""
    return Machine(
        model=None,
        states=[ABSENT, *STATES],
        initial=None,
        transitions=[transition(rule) for rule in RULES],
        auto_transitions=False,  # they would give every site a `to_deleted` that asks no guard
    )


def transition(rule: Rule) -> dict[str, Any]:
    """A row as the library wants it; a row that keeps the state is an internal transition."""
    return {
        "trigger": rule.command,
        "source": list(rule.sources),
        "dest": rule.to,
        "conditions": [CONDITIONS[word] for word in rule.when],
        "before": [CONSEQUENCES[word] for word in rule.then],
    }


MACHINE = build()


def follow(case: Case) -> bool:
    """Move the case by its command; False when no row of the law allows it.

    Raises Refused from a `must_` word.
    """
    event = MACHINE.events[case.command.type]
    if case.state not in event.transitions:  # else the library raises, which takes longer than a move
        return False
    return bool(event.trigger(case, case))
