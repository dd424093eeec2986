"""Why something may or may not be done with a site: the rule or guard in the way, and what would move it."""

from dataclasses import dataclass, fields
from datetime import datetime

from engine.authority import authorize_destruction, right_state
from engine.case import Case
from engine.command import LABELS, OPERATORS, Command
from engine.decision import Refused
from engine.machine import CONDITIONS
from engine.menu import is_open
from engine.policy import Policy
from engine.remedies import needless, remedy
from engine.rules import RULES, Rule
from engine.site import STATES, Site, with_facts
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
"""What the words of the table mean to a reader; those that look at the data are left out."""


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
    if site.state == "deleted" and is_open(name, None, now, policy):
        return Verdict(name, True, "possible now: it makes a new site with a new id")
    case = Case(site, Command(name, "why", name, SAMPLE), now, policy)
    earliest = next((at for at in _moments(site, now, policy) if is_open(name, site, at, policy)), None)
    return Verdict(name, False, _obstacle(name, case), earliest)


def _obstacle(name: str, case: Case) -> str:
    """The refusal of a row, or that there is nothing to do, or what its rows would need; each with the remedy."""
    if case.state == "deleted":
        return f"the site was deleted at {moment(case.site.deleted_at)}"
    rows = [rule for rule in RULES if rule.command == name and case.state in rule.sources]
    instead = remedy(name, case.site)
    try:
        needs = [_first_failure(rule, case) for rule in rows]
    except Refused as refused:
        return refused.message
    if None in needs:  # this row holds, and it does nothing: what does something would be open
        return needless(name, case.site)
    told = " or ".join(dict.fromkeys(NEEDS[word] for word in needs if word in NEEDS and not _is_elsewhere(word, case)))
    if told:
        return f"only {told}{f'; {instead}' if instead else ''}"
    return f"not while {case.state}{f': {instead}' if instead else ''}; possible while {_possible_in(name)}"


def _first_failure(rule: Rule, case: Case) -> str | None:
    """The first word of a row that does not hold. Raises what a word refuses with."""
    return next((word for word in rule.when if not CONDITIONS[word](case)), None)


def _is_elsewhere(word: str, case: Case) -> bool:
    """Who is suspended for non-payment is not helped by an operator's suspension as well."""
    return word == "by_operator" and case.site.suspended_for == "nonpayment"


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
    stands = right_state(site, now, policy)
    if stands is not None:
        return Verdict("deletion", False, f"{stands}; site.cancel comes first")
    reasons = authorize_destruction(site, now, policy)
    if not reasons:
        return Verdict("deletion", True, "every guard allows it")
    told = _told_in_time(site, now, policy)
    later = [at for at in _moments(told, now, policy) if not authorize_destruction(told, at, policy)]
    return Verdict("deletion", False, "; ".join(reasons), later[0] if later else None)


def _told_in_time(site: Site, now: datetime, policy: Policy) -> Site:
    """The site once its notice is sent, which the engine does by itself 48 h before the date."""
    if site.notice_sent_at is not None or site.deletes_at is None:
        return site
    sent = max(site.deletes_at - policy.notice, now)
    return with_facts(site, {"notice_sent_at": sent, "deletes_at": max(site.deletes_at, sent + policy.notice)})
