"""One command being judged: the facts so far, and what is to follow from them."""

from datetime import datetime
from typing import Any, TypeVar

from engine.alarms import alarm
from engine.command import Command
from engine.decision import Charge, Effect, Entry, Event
from engine.policy import Policy
from engine.site import ABSENT, Fault, Paying, Site, with_facts

Fact = TypeVar("Fact")


class Case:
    """A light object that the state machine moves: conditions look at it, consequences add to it."""

    __slots__ = (
        "charge",
        "command",
        "effects",
        "entries",
        "events",
        "notes",
        "now",
        "policy",
        "quiet",
        "revives",
        "site_or_none",
        "voids",
    )

    def __init__(self, site: Site | None, command: Command, now: datetime, policy: Policy) -> None:
        self.site_or_none = site
        self.command = command
        self.now = now
        self.policy = policy
        self.effects: list[Effect] = []
        self.entries: list[Entry] = []
        self.events: list[Event] = []
        self.notes: list[str] = []
        self.voids: list[str] = []
        self.charge: Charge | None = None
        self.quiet = False
        self.revives = ""

    @property
    def site(self) -> Site:
        """The site's facts; only a trial's start has none."""
        if self.site_or_none is None:
            raise LookupError(f"{self.command.type} looked at a site that does not exist")
        return self.site_or_none

    @property
    def state(self) -> str:
        """Where the machine sees the case."""
        return ABSENT if self.site_or_none is None else self.site_or_none.state

    @state.setter
    def state(self, state: str) -> None:
        self.change(state=state)

    def change(self, **facts: Any) -> None:
        """Replace facts of the site."""
        self.site_or_none = with_facts(self.site, facts)

    def must(self, kind: str, /, *, of: str = "", once: bool = False, **args: Any) -> None:
        """Ask for an effect; `of` tells two of one kind and cause apart, `once` makes it the same for every cause."""
        name = f"{kind}.{of}" if of else kind
        cause = "once" if once else self.command.digest
        self.effects.append(Effect(f"{self.site.id}:{self.site.generation}:{name}:{cause}", kind, args))

    def mail(self, letter: str, **facts: Any) -> None:
        """Ask for a letter to the customer."""
        self.must("mail", of=letter, letter=letter, **facts)

    def tell(self, event: str, **data: Any) -> None:
        """Add an event for other systems."""
        self.events.append(Event(event, data))

    def alarm(self, fault: Fault, **more: Any) -> None:
        """Tell operators of a fault at once."""
        self.tell("alarm.raised", **alarm(fault.code, fault.what, **more))

    def given(self, field: str) -> Any:
        """A field of the command's data, None when it was left out."""
        return self.command.data.get(field)


def currency_of(case: Case, paying: Paying) -> str:
    """The currency that was frozen when a payment was asked for; one of version 0.1 is in the site's."""
    return paying.currency or case.site.currency or case.given("currency") or case.policy.currency


def known(fact: Fact | None) -> Fact:
    """A fact that the row's conditions have made sure of.

    Raises LookupError, which stops the command, should they not have.
    """
    if fact is None:
        raise LookupError("the law met a fact that is not set where its conditions promise one")
    return fact
