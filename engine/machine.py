"""The state machine: the law's table, driven by `transitions`."""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

from transitions import EventData, Machine, Transition
from transitions.core import Event

from engine import (
    actions,
    backups,
    billing,
    bounces,
    cancellation,
    dunning,
    faults,
    guards,
    letters,
    payment_results,
    plans,
    predicates,
    refunds,
)
from engine.case import Case
from engine.rules import RULES, Rule
from engine.site import ABSENT, STATES

logging.getLogger("transitions").setLevel(logging.WARNING)  # it logs each state that is left or entered at INFO


def words(answer: Any, *rooms: ModuleType) -> dict[str, Callable[[Case], Any]]:
    """The functions of some rooms that take a case and nothing else, and answer with this type."""
    return {
        name: word
        for room in rooms
        for name, word in vars(room).items()
        if getattr(word, "__module__", "") == room.__name__
        and getattr(word, "__annotations__", None) == {"case": Case, "return": answer}
    }


CONDITIONS: dict[str, Callable[[Case], bool]] = words(
    bool, predicates, guards, dunning, backups, faults, refunds, bounces
)
CONSEQUENCES: dict[str, Callable[[Case], None]] = words(
    None, actions, cancellation, plans, billing, payment_results, letters, backups, faults, refunds, bounces
)


class Move(Transition):
    """A row of the law: its words are functions of the case, so none is looked up and logged at each move."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._conditions: tuple[Any, ...] = tuple(condition.func for condition in self.conditions)
        self._words: tuple[Any, ...] = tuple(self.before)

    def execute(self, event_data: EventData) -> bool:
        """Follow the row if all its conditions hold; whether it was followed."""
        case, conditions, words = event_data.model, self._conditions, self._words
        for condition in conditions:
            if not condition(case):
                return False
        for word in words:
            word(case)
        if self.dest:
            self._change_state(event_data)
        return True


class Asked(Event):
    """A command: its rows are tried from the top, and the first that is followed decides."""

    def trigger(self, model: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether some row was followed."""
        told = EventData(None, self, self.machine, model, args, kwargs)
        return any(row.execute(told) for row in self.transitions[model.state])


class Law(Machine):
    """The library's machine with rows and commands that do no more than the law asks."""

    transition_cls = Move
    event_cls = Asked


def build() -> Law:
    """One machine for every site: it holds no model, so it is shared by all threads."""
    return Law(
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
    if case.state not in event.transitions:  # the library's table would remember a state that it was asked for
        return False
    return event.trigger(case)
