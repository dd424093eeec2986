"""What may be done with a site now, from the same table that decides."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from engine.case import Case
from engine.command import LABELS, OPERATORS, Command
from engine.decision import Refused
from engine.policy import Policy
from engine.rules import RULES, Rule
from engine.site import ABSENT, STATES, Site
from engine.walk import Row, first_failure, rows

OPERATOR = Command("site.show", "menu", "menu")
CUSTOMER = Command("site.show", "menu", "menu", by_customer=True)

Menu = dict[str, tuple[tuple[str, tuple[Row, ...] | Literal[True]], ...]]
"""By state: the commands that a row of it could let do something, each with the rows to look at; True: always."""


def allowed(site: Site | None, now: datetime, policy: Policy) -> tuple[str, ...]:
    """The types that would change something now, customers' first; words that need the command's data are left open."""
    return _open(Case(site, OPERATOR, now, policy))


def menu(site: Site, now: datetime, policy: Policy) -> list[dict[str, str]]:
    """The customer's menu with the labels of the product page."""
    names = _open(Case(site, CUSTOMER, now, policy))
    return [{"type": name, "label": label(name, site)} for name in names if name in LABELS]


def is_open(name: str, site: Site | None, now: datetime, policy: Policy) -> bool:
    """Whether some row may let this command do something, whatever its data."""
    return name in allowed(site, now, policy)


def label(name: str, site: Site) -> str:
    """In a trial, "Cancel Site" reads "End Trial"."""
    in_trial = site.state in {"trial", "trial_subscribed"}
    return "End Trial" if name == "site.cancel" and in_trial else LABELS[name]


def _open(case: Case) -> tuple[str, ...]:
    """A deleted site takes a refund's record at most, and that is offered to nobody."""
    if case.state == "deleted":
        return ()
    return tuple(name for name, its_rows in MENU[case.state] if its_rows is True or _may_act(its_rows, case))


def _may_act(its_rows: tuple[Row, ...], case: Case) -> bool:
    """Whether some row may let the command do something. whatever its data."""
    try:
        for row in its_rows:
            if first_failure(row.asked, case) is None and row.ends:
                return row.acts
    except Refused:
        return False
    return False


def menu_of(rules: Iterable[Rule], names: Iterable[str]) -> Menu:
    """The menu of a table for these commands."""
    table, types = tuple(rules), tuple(names)
    by_state = {state: [(name, _relevant(rows(table, name, state))) for name in types] for state in (ABSENT, *STATES)}
    return {state: tuple((name, found) for name, found in entries if found) for state, entries in by_state.items()}


def _relevant(its_rows: tuple[Row, ...]) -> tuple[Row, ...] | Literal[True]:
    """The rows that make a difference: none where no row acts, True where the first one acts whatever the facts."""
    telling = tuple(row for row in its_rows if row.asked or row.ends)
    if not any(row.acts for row in telling):
        return ()
    if telling[0].asked:
        return telling
    return True if telling[0].acts else ()


MENU = menu_of(RULES, (*LABELS, *OPERATORS))

__all__ = ["CUSTOMER", "LABELS", "OPERATOR", "allowed", "is_open", "label", "menu"]
