"""Why something may or may not be done with a site: the rule or guard in the way, and what would move it."""

from dataclasses import dataclass, fields
from datetime import datetime

from engine.authority import authorize_destruction, right_state
from engine.case import Case
from engine.command import LABELS, OPERATORS, Command
from engine.menu import is_open
from engine.policy import Policy
from engine.predicates import by_operator
from engine.remedies import needless, remedy
from engine.rules import RULES
from engine.site import STATES, Site, with_facts
from engine.timers import timers
from engine.vocabulary import VOCABULARY, Condition
from engine.walk import Outcome, Row, read, rows
from engine.words import moment


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
    case = Case(site, Command(name, "why", name), now, policy)
    earliest = next((at for at in _moments(site, now, policy) if is_open(name, site, at, policy)), None)
    return Verdict(name, False, _obstacle(name, case), earliest)


def _obstacle(name: str, case: Case) -> str:
    """The refusal of a guard, that there is nothing to do, or what its rows would need; each with the remedy."""
    if case.state == "deleted":
        return f"the site was deleted at {moment(case.site.deleted_at)}"
    phrases: dict[str, None] = {}
    for row in rows(RULES, name, case.state):
        outcome, failed, refusal = read(row, case)
        if refusal is not None:
            return refusal.message
        if outcome is Outcome.HOLDS:  # and it does nothing, or the command would be possible
            return _refused_later(row) or needless(name, case.site)
        if failed is not None and not _is_elsewhere(failed, case):
            phrases[VOCABULARY.word(failed).sentence] = None
    return _only(name, case, " or ".join(phrases))


def _refused_later(row: Row) -> str | None:
    """What a guard of the row refuses in general, where it needs the command's data to say it in particular."""
    return next((word.sentence for word in row.open_words), None)


def _only(name: str, case: Case, phrases: str) -> str:
    """What would make the command possible: facts of the site, or another state."""
    instead = remedy(name, case.site)
    if phrases:
        return f"only {phrases}{f'; {instead}' if instead else ''}"
    return f"not while {case.state}{f': {instead}' if instead else ''}; possible while {_possible_in(name)}"


def _is_elsewhere(failed: Condition, case: Case) -> bool:
    """A suspension by an operator is no help to a site that is suspended for non-payment."""
    return failed is by_operator and case.site.suspended_for == "nonpayment"


def _possible_in(name: str) -> str:
    acting = {source for rule in RULES if rule.command == name and rule.acts for source in rule.sources}
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
