"""What may be done with a site now, from the same table that decides."""

from datetime import datetime

from engine.case import Case
from engine.command import LABELS, OPERATORS, Command
from engine.conditions import BY_DATA, CONDITIONS
from engine.decision import Refused
from engine.policy import Policy
from engine.rules import RULES, Rule
from engine.site import ABSENT, Site


def allowed(site: Site | None, now: datetime, policy: Policy) -> tuple[str, ...]:
    """The types that would change something now, customers' first; words that need the data are left open."""
    return tuple(name for name in (*LABELS, *OPERATORS) if is_open(name, site, now, policy))


def menu(site: Site, now: datetime, policy: Policy) -> list[dict[str, str]]:
    """The customer's menu with the labels of the product page."""
    return [{"type": name, "label": label(name, site)} for name in LABELS if is_open(name, site, now, policy)]


def label(name: str, site: Site) -> str:
    """In a trial, "Cancel Site" reads "End Trial"."""
    in_trial = site.state in {"trial", "trial_subscribed"}
    return "End Trial" if name == "site.cancel" and in_trial else LABELS[name]


def is_open(name: str, site: Site | None, now: datetime, policy: Policy) -> bool:
    """Whether some row of the law may let this command do something, whatever its data."""
    case = Case(site, Command(name, "menu", name), now, policy)
    return any(_may_follow(rule, case) for rule in _ROWS.get((name, case.state), ()))


def _may_follow(rule: Rule, case: Case) -> bool:
    try:
        return all(word in BY_DATA or CONDITIONS[word](case) for word in rule.when)
    except Refused:
        return False


def _rows() -> dict[tuple[str, str], list[Rule]]:
    """Rows that do something, by command and state."""
    table: dict[tuple[str, str], list[Rule]] = {}
    for rule in RULES:
        if rule.then != ("nothing",):
            for source in rule.sources:
                table.setdefault((rule.command, source), []).append(rule)
    return table


_ROWS = _rows()
__all__ = ["ABSENT", "allowed", "is_open", "label", "menu"]
