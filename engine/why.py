"""Why something may or may not be done with a site: the rule or guard in the way, and what would move it."""

from dataclasses import dataclass, fields
from datetime import datetime

from engine.authority import authorize_destruction
from engine.case import Case
from engine.command import LABELS, OPERATORS, Command
from engine.decision import Refused
from engine.machine import CONDITIONS
from engine.menu import is_open
from engine.policy import Policy
from engine.remedies import remedy
from engine.rules import RULES, Rule
from engine.site import STATES, Site
from engine.timers import timers
from engine.words import moment

SAMPLE = {"agents": 1}
"""Data for words that look at it, where no real command is there to be looked at."""

NEEDS = {
    "fell_back": "after a cancellation for the end of the trial",
    "held": "while a hold is on it",
    "stuck": "after something gave up",
    "by_operator": "while an operator suspends it",
    "was_in_trial": "if it was suspended in its trial",
    "was_plain_trial": "if it was suspended in its trial",
    "was_subscribed_trial": "if it was suspended in its trial",
    "was_unpaid": "while it is suspended for non-payment",
    "owing": "with an unpaid invoice",
    "subscribed": "with a plan",
    "trial_runs": "before day 30",
    "paid_period_runs": "within a paid period",
    "ending": "after a cancellation for the end of the period",
}
"""What the words of the table mean to a reader; a word without an entry reads as it stands."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One command: possible now or not, what stops it, and the earliest moment at which time alone would free it."""

    type: str
    possible: bool
    because: str
    earliest: datetime | None = None


def why(site: Site, now: datetime, policy: Policy) -> list[Verdict]:
    """A verdict for every command that anybody may send, and for the deletion."""
    return [*(_verdict(name, site, now, policy) for name in (*LABELS, *OPERATORS)), _deletion(site, now, policy)]


def _verdict(name: str, site: Site, now: datetime, policy: Policy) -> Verdict:
    if is_open(name, site, now, policy):
        return Verdict(name, True, "possible now")
    case = Case(site, Command(name, "why", name, SAMPLE), now, policy)
    earliest = next((at for at in _moments(site, now, policy) if is_open(name, site, at, policy)), None)
    return Verdict(name, False, _obstacle(name, case), earliest)


def _obstacle(name: str, case: Case) -> str:
    """The first word that fails in a row that would do something; else what the table says instead."""
    if case.state == "deleted":
        return f"the site was deleted at {moment(case.site.deleted_at)}"
    rows = [rule for rule in RULES if rule.command == name and case.state in rule.sources]
    acting = [rule for rule in rows if rule.then != ("nothing",)]
    if rows:
        return _first_failure(acting or rows, case)
    instead = remedy(name, case.site)
    return f"not while {case.state}{f': {instead}' if instead else ''}; possible while {_possible_in(name)}"


def _first_failure(rules: list[Rule], case: Case) -> str:
    """A refusal explains itself; a plain word is what a row would need."""
    needs: list[str] = []
    for rule in rules:
        try:
            needs += [word for word in rule.when if not CONDITIONS[word](case)][:1]
        except Refused as refused:
            return refused.message
    if not needs:
        return "nothing to do: it is so already"
    return f"only {' or '.join(NEEDS.get(word, word.replace('_', ' ')) for word in dict.fromkeys(needs))}"


def _possible_in(name: str) -> str:
    acting = {source for rule in RULES if rule.command == name and rule.then != ("nothing",) for source in rule.sources}
    return ", ".join(state for state in STATES if state in acting) or "no state"


def _moments(site: Site, now: datetime, policy: Policy) -> list[datetime]:
    """The moments at which time itself changes something: the site's dates and timers still to come."""
    dates = [getattr(site, field.name) for field in fields(site)]
    known = [at for at in (*dates, *timers(site, policy).values()) if isinstance(at, datetime)]
    return sorted({at for at in known if at > now})


def _deletion(site: Site, now: datetime, policy: Policy) -> Verdict:
    """Every reason that stands against the deletion, and when the last date among them passes."""
    if site.state == "deleted":
        return Verdict("deletion", False, f"done at {moment(site.deleted_at)}")
    reasons = authorize_destruction(site, now, policy)
    if not reasons:
        return Verdict("deletion", True, "every guard allows it")
    later = [at for at in _moments(site, now, policy) if not authorize_destruction(site, at, policy)]
    return Verdict("deletion", False, "; ".join(reasons), later[0] if later else None)
