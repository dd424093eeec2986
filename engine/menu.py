"""What may be done with a site now, from the same table that decides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.case import Case
from engine.command import LABELS, OPERATORS, Command
from engine.decision import Refused
from engine.machine import CONDITIONS
from engine.policy import Policy
from engine.predicates import BY_DATA
from engine.rules import RULES, Rule
from engine.site import ABSENT, STATES, Site


@dataclass(frozen=True, slots=True)
class Row:
    """A rule as the menu sees it: what can be asked without the command's data, and what follows if all of it holds.

    `opens`: it does something. `settles`: no later row is looked at, for only a row that hangs on the data passes on.
    """

    asks: tuple[Callable[[Case], bool], ...]
    opens: bool
    settles: bool


OPERATOR = Command("site.show", "menu", "menu")
CUSTOMER = Command("site.show", "menu", "menu", by_customer=True)


def allowed(site: Site | None, now: datetime, policy: Policy) -> tuple[str, ...]:
    """The types that would change something now, customers' first; words that need the data are left open."""
    return _open(Case(site, OPERATOR, now, policy))


def menu(site: Site, now: datetime, policy: Policy) -> list[dict[str, str]]:
    """The customer's menu with the labels of the product page."""
    names = _open(Case(site, CUSTOMER, now, policy))
    return [{"type": name, "label": label(name, site)} for name in names if name in LABELS]


def is_open(name: str, site: Site | None, now: datetime, policy: Policy) -> bool:
    """Whether some row of the law may let this command do something, whatever its data."""
    return name in allowed(site, now, policy)


def label(name: str, site: Site) -> str:
    """In a trial, "Cancel Site" reads "End Trial"."""
    in_trial = site.state in {"trial", "trial_subscribed"}
    return "End Trial" if name == "site.cancel" and in_trial else LABELS[name]


def _open(case: Case) -> tuple[str, ...]:
    """Of a deleted site only a refund may still be recorded, and nobody is offered that."""
    if case.state == "deleted":
        return ()
    return tuple(name for name, rows in _TABLE[case.state] if rows is True or _may_follow(rows, case))


def _may_follow(rows: list[Row], case: Case) -> bool:
    """Whether some row may let this command do something, whatever its data."""
    try:
        for row in rows:
            for ask in row.asks:
                if not ask(case):
                    break
            else:
                if row.opens or row.settles:
                    return row.opens
    except Refused:
        return False
    return False


def _row(rule: Rule) -> Row:
    chooses = any(word in BY_DATA and not word.startswith("must_") for word in rule.when)
    asks = tuple(CONDITIONS[word] for word in rule.when if word not in BY_DATA)
    return Row(asks, opens=rule.then != ("nothing",), settles=not chooses)


def _rows(name: str, state: str) -> list[Row] | bool:
    """The rows to look at; True or False where the state alone decides."""
    all_rows = [_row(rule) for rule in RULES if rule.command == name and state in rule.sources]
    rows = [row for row in all_rows if row.asks or row.opens or row.settles]
    opening = any(row.opens for row in rows)
    certain = next((row for row in rows if not row.asks and (row.opens or row.settles)), None)
    return opening and (rows if rows[0] is not certain else rows[0].opens)


_TABLE = {
    state: [(name, rows) for name in (*LABELS, *OPERATORS) if (rows := _rows(name, state))]
    for state in (ABSENT, *STATES)
}

__all__ = ["CUSTOMER", "LABELS", "OPERATOR", "allowed", "is_open", "label", "menu"]
