"""The one function that judges a command. Pure: the same facts, command and moment give the same answer."""

from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from engine.case import Case
from engine.command import INTERNAL, Command
from engine.decision import Decision, Refused
from engine.faults import still_open, with_faults
from engine.machine import follow
from engine.menu import allowed
from engine.policy import Policy
from engine.remedies import needless, remedy
from engine.site import Site, with_facts
from engine.timers import timers
from engine.words import masked, moment, named, shown

VERSIONED = attrgetter(
    "state",
    "email",
    "plan_agents",
    "next_agents",
    "agents_allowed",
    "price_cents",
    "ready_at",
    "trial_ends_at",
    "period_ends_at",
    "cancels_at",
    "cancelled_at",
    "held_for",
    "suspended_reason",
)
"""State, plan, dates, hold, suspension and contact: what `version` counts (contract.md).

Backups, mails and exports do not count, so neither does `deletes_at`, which follows from them.
"""


def decide(site: Site | None, command: Command, now: datetime, policy: Policy) -> Decision:
    """Judge one command at one moment.

    Returns the new facts with everything that is to be written and done, or a refusal that explains itself. A site
    that does not exist is None; a deleted one makes room for `site.start_trial` and refuses everything else.
    """
    if site is not None and site.state == "deleted" and command.type == "site.start_trial":
        site = None
    case = Case(with_faults(site), command, now, policy)
    try:
        _must_exist(case)
        _must_follow(case)
    except Refused as refusal:
        return Decision("refused", site, site, refusal.code, refusal.message, allowed=allowed(site, now, policy))
    if case.quiet:
        return _no_op(case, site)
    return _applied(case, site)


def _must_exist(case: Case) -> None:
    command, site = case.command, case.site_or_none
    if site is None and command.type != "site.start_trial":
        raise Refused("site.unknown", f"subject {shown(command.host)} is not a site; start one with site.start_trial")


def _must_follow(case: Case) -> None:
    """A refusal says why, the remedy, and what may be done instead."""
    if follow(case):
        return
    site = case.site
    if site.state == "deleted":
        raise Refused(
            "site.deleted",
            f"{named(site.host)} was deleted at {moment(site.deleted_at)}; site.start_trial makes a new site",
        )
    moves = ", ".join(allowed(site, case.now, case.policy)) or "nothing"
    instead = remedy(case.command.type, site)
    raise Refused(
        "state.illegal",
        f"{case.command.type} is not possible while {named(site.host)} is {site.state}"
        f"{f'; {instead}' if instead else ''}; allowed now: {moves}",
    )


def _no_op(case: Case, site: Site | None) -> Decision:
    return Decision(
        "no_op",
        site,
        site,
        message=needless(case.command.type, case.site),
        timers=timers(site, case.policy),
        allowed=_allowed(case),
    )


def _applied(case: Case, before: Site | None) -> Decision:
    _begin_nights(case, before)
    _forget_mended(case)
    _tell_the_host(case, before)
    if before is None or VERSIONED(before) != VERSIONED(case.site):
        case.change(version=case.site.version + 1)
    _tell_the_world(case, before)
    return Decision(
        "applied",
        before,
        case.site,
        code=_code(case),
        message="; ".join(case.notes) or None,
        effects=tuple(case.effects),
        entries=tuple(case.entries),
        events=tuple(case.events),
        timers=timers(case.site, case.policy),
        charge=case.charge,
        allowed=_allowed(case),
        notes=tuple(case.notes),
        voids=tuple(case.voids),
        revives=case.revives,
    )


def _allowed(case: Case) -> tuple[str, ...]:
    """What may be done next; timers and effects answer nobody who could do it."""
    return () if is_internal(case.command.type) else allowed(case.site, case.now, case.policy)


def _begin_nights(case: Case, before: Site | None) -> None:
    """A site that comes online has its nights and its restore points counted from now."""
    if before is not None and case.site.online and not before.online:
        case.change(nights_from=case.now, night_again_at=None, missing=())


def _forget_mended(case: Case) -> None:
    """No fault outlives its cause."""
    site = case.site
    if site.faults:
        case.change(faults=still_open(site, case.now, case.policy))


def _tell_the_host(case: Case, before: Site | None) -> None:
    """Entitlements follow from the facts: on or offline by the state, and how many agents may be added."""
    if before is None or case.site.ready_at is None or case.site.state in {"deleting", "deleted"}:
        return
    if before.online != case.site.online:
        case.must("bring_online" if case.site.online else "take_offline")
        case.effects.insert(0, case.effects.pop())  # access changes at once, before exports and letters
    if before.agents_allowed != case.site.agents_allowed:
        case.must("set_agent_limit", agents=case.site.agents_allowed)


def _tell_the_world(case: Case, before: Site | None) -> None:
    """One `site.moved` for a change of state, and for each answer of the card network."""
    was = before.state if before is not None else None
    if was == case.site.state and case.command.type not in {"site.charge_succeeded", "site.charge_declined"}:
        return
    reason = case.command.data.get("reason")
    case.tell(
        "site.moved",
        **{"from": was, "to": case.site.state},
        cause=case.command.type,
        reason=masked(reason) if isinstance(reason, str) else None,
        version=case.site.version,
        online=case.site.online,
    )


def _code(case: Case) -> str | None:
    """A decline is the code of the move that follows it, never of a first answer."""
    return "payment.declined" if case.command.type == "site.charge_declined" else None


def is_internal(name: str) -> bool:
    """Whether a type belongs to timers and effects, and is never accepted from the queue."""
    return name in INTERNAL


def with_live_facts(site: Site, *, used_agents: int | None, claimed: bool) -> Site:
    """The site's facts with what was read from the world just before deciding."""
    facts: dict[str, Any] = {}
    if used_agents is not None and used_agents != site.used_agents:
        facts["used_agents"] = used_agents
    if site.paying is not None and site.paying.claimed != claimed:
        facts["paying"] = replace(site.paying, claimed=claimed)
    return with_facts(site, facts) if facts else site
