"""The state machine: the rules' table, driven by `transitions`."""

import logging
from collections.abc import Iterable
from typing import Any

from transitions import EventData, Machine, Transition
from transitions.core import Event

from engine.case import Case
from engine.rules import RULES, Rule
from engine.site import ABSENT, STATES
from engine.walk import first_failure

logging.getLogger("transitions").setLevel(logging.WARNING)  # it logs each state that is left or entered at INFO


class RowTransition(Transition):
    """A row of the table. Its words are called directly: the library would look each up and log it at every move."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._when: tuple[Any, ...] = tuple(condition.func for condition in self.conditions)
        self._then: tuple[Any, ...] = tuple(self.before)

    def execute(self, event_data: EventData) -> bool:
        """Follow the row if all its conditions hold; whether it was followed."""
        case: Any = event_data.model
        if first_failure(self._when, case) is not None:
            return False
        for action in self._then:
            action(case)
        if self.dest:
            self._change_state(event_data)
        return True


class CommandEvent(Event):
    """A command: its rows are tried from the top, and the first that is followed decides."""

    def trigger(self, model: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether some row was followed."""
        event_data = EventData(None, self, self.machine, model, args, kwargs)
        for row in self.transitions[model.state]:  # noqa: SIM110 - a generator costs more than most rows
            if row.execute(event_data):
                return True
        return False


class SiteMachine(Machine):
    """The library's machine with rows and commands that do no more than the table says."""

    transition_cls = RowTransition
    event_cls = CommandEvent


def build(rules: Iterable[Rule]) -> SiteMachine:
    """One machine for every site: it holds no model, so all threads share it."""
    return SiteMachine(
        model=None,
        states=[ABSENT, *STATES],
        initial=None,
        transitions=[transition(rule) for rule in rules],
        auto_transitions=False,  # they would give every site a `to_deleted` that asks no guard
    )


def transition(rule: Rule) -> dict[str, Any]:
    """A row as the library wants it; a row that keeps the state is an internal transition."""
    return {
        "trigger": rule.command,
        "source": list(rule.sources),
        "dest": rule.to,
        "conditions": list(rule.when),
        "before": list(rule.then),
    }


MACHINE = build(RULES)


def follow(case: Case) -> bool:
    """Move the case by its command; False when no row allows it.

    Raises Refused from a guard.
    """
    event = MACHINE.events[case.command.type]
    if case.state not in event.transitions:  # the library's table would remember a state that it was asked for
        return False
    return event.trigger(case)
