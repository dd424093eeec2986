"""One command being judged: the facts so far, and what is to follow from them."""

from datetime import datetime
from typing import Any

from dataclasses import replace

from engine.command import Command
from engine.decision import Charge, Effect, Entry, Event
from engine.policy import Policy
from engine.site import ABSENT, Site


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
        self.revives = False

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
        self.site_or_none = replace(self.site, **facts)

    def must(self, kind: str, /, *, of: str = "", **args: Any) -> None:
        """Ask for an effect; `of` tells two effects of one kind and cause apart."""
        name = f"{kind}.{of}" if of else kind
        key = f"{self.site.id}:{self.site.generation}:{name}:{self.command.digest}"
        self.effects.append(Effect(key, kind, args))

    def mail(self, letter: str, **facts: Any) -> None:
        """Ask for a letter to the customer."""
        self.must("mail", of=letter, letter=letter, **facts)

    def tell(self, event: str, **data: Any) -> None:
        """Add an event for other systems."""
        self.events.append(Event(event, data))

    def given(self, field: str) -> Any:
        """A field of the command's data, None when it was left out."""
        return self.command.data.get(field)
