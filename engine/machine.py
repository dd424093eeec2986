"""The state machine: the law's table, driven by `transitions`."""

import logging
from collections.abc import Callable
from typing import Any

from transitions import Machine
from transitions.core import MachineError

from engine import billing, conditions, consequences
from engine.case import Case
from engine.rules import RULES, Rule
from engine.site import ABSENT, STATES

logging.getLogger("transitions").setLevel(logging.WARNING)  # it logs every callback at INFO, at a sixth of the speed

CONSEQUENCES: dict[str, Callable[[Case], None]] = {
    name: word
    for room in (consequences, billing)
    for name, word in vars(room).items()
    if callable(word) and getattr(word, "__module__", "") == room.__name__
}


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
        "conditions": [conditions.CONDITIONS[word] for word in rule.when],
        "before": [CONSEQUENCES[word] for word in rule.then],
    }


MACHINE = build()


def follow(case: Case) -> bool:
    """Move the case by its command; False when no row of the law allows it.

    Raises Refused from a `must_` word.
    """
    try:
        return bool(MACHINE.events[case.command.type].trigger(case, case))
    except MachineError:
        return False
