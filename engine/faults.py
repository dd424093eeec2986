"""What is wrong with a site: each fault stands as long as its cause does, and says what an operator can do."""

import re
from datetime import datetime

from engine.bounces import BOUNCED, NOTICE
from engine.case import Case
from engine.letter import Letter
from engine.nights import trouble
from engine.policy import Policy
from engine.refunds import REFUND_DUE
from engine.site import LEAVING, Fault, Site, with_facts
from engine.vocabulary import Datum, action, predicate
from engine.words import shown

GAVE_UP = "effect.gave_up"
NOT_BUILT = "build.failed"

CODES = (GAVE_UP, NOT_BUILT, REFUND_DUE, BOUNCED, "backup.failed", "restore_point.missing")
"""Every code that the law gives a fault."""

REMEDIES = {
    "charge": "mend the cause, then site.retry asks under the same key, or `tenure dead drop` gives the charge up",
    "restore": "ask for it anew with site.restore, or forget it with `tenure dead drop`",
    "mail": "mend the cause (site.update_contact where it is the address), then site.retry",
}
REMEDY = "mend the cause, then site.retry"

REPORT: tuple[Datum, ...] = ("about", "effect", "error", "generation", "kind", "payment_id", "to")
"""What an effect reports of itself when it gives up."""

# What is open


def open_faults(site: Site) -> tuple[Fault, ...]:
    """All that is wrong now, what version 0.1 wrote down as a sentence included."""
    nights = trouble(site)
    return (*written_down(site), *(() if nights is None else (nights,)))


def written_down(site: Site) -> tuple[Fault, ...]:
    """Those that are facts of the site; the others follow from its nights."""
    return site.faults if site.attention is None else (*site.faults, *told_by_version_0_1(site, site.attention))


def attention(site: Site) -> str | None:
    """What is wrong and what to do, a sentence for each fault; None when all is well."""
    return "; ".join(fault.sentence for fault in open_faults(site)) or None


@predicate("after something gave up")
def something_gave_up(case: Case) -> bool:
    """Something gave up that `site.retry` tries again."""
    return any(map(is_tried_again, written_down(case.site))) or trouble(case.site) is not None


def is_tried_again(fault: Fault) -> bool:
    """Whether `site.retry` does it: a restore is asked for anew, a refund is made by a person."""
    return fault.code in {GAVE_UP, NOT_BUILT, BOUNCED} and fault.kind != "restore"


def holds(fault: Fault, site: Site, now: datetime, policy: Policy) -> bool:
    """Whether the cause of a fault is still there."""
    if fault.code == REFUND_DUE:
        return True
    if fault.code == NOT_BUILT:
        return site.state == "failed"
    if fault.code == BOUNCED:
        return is_lacking(fault, site)
    return is_wanted(fault, site, now, policy)


def is_lacking(fault: Fault, site: Site) -> bool:
    """Whether the notice that bounced is still to be given."""
    if fault.about == NOTICE:
        waits = site.state in LEAVING and fault.generation == site.generation
        return waits and site.notice_sent_at is None and "notice" not in site.waived
    return site.owed is not None and site.owed.invoice_id == fault.key and site.owed.noticed_at is None


def is_wanted(fault: Fault, site: Site, now: datetime, policy: Policy) -> bool:
    """Whether what gave up still has to be done: a charge until it is answered, the rest in its own generation."""
    if fault.kind == "charge":
        return site.paying is not None and fault.key in {"", site.paying.payment_id}
    if fault.kind == "mail" and fault.generation == site.generation:
        return Letter(fault.about, {}, fault.since, fault.generation).stands(site, now, policy)
    return fault.generation == site.generation and site.state != "deleted" and _is_needed(fault, site)


def _is_needed(fault: Fault, site: Site) -> bool:
    """Of what was asked for in this generation: whether the site still stands where it is of use."""
    match fault.kind, fault.about:
        case "export", _:
            return site.export_ready_at is None and site.state != "deleting"
        case "back_up", "final":
            return site.final_backup_at is None and site.state in LEAVING
        case ("back_up", "on_demand" | "nightly") | ("restore" | "bring_online", _):
            return site.online
        case "take_offline", _:
            return not site.online
        case _:
            return True


# Noting one, and forgetting it


def note(case: Case, fault: Fault) -> None:
    """Add a fault; it takes the place of one about the same thing."""
    others = tuple(one for one in case.site.faults if one.subject != fault.subject)
    case.change(faults=(*others, fault))


def still_open(site: Site, now: datetime, policy: Policy) -> tuple[Fault, ...]:
    """Those whose cause is still there: asked after every move, so that none outlives it."""
    return tuple(fault for fault in site.faults if holds(fault, site, now, policy))


@action
def open_fault(case: Case) -> None:
    """Something gave up."""
    note(case, reported(case))


@predicate("if what gave up is not needed any more", needs=REPORT)
def not_wanted_any_more(case: Case) -> bool:
    """It is of an older generation, was done by another effect since, or was a letter to a former address."""
    to = case.given("to")
    is_of_old = to is not None and to != case.site.email
    return is_of_old or not is_wanted(reported(case), case.site, case.now, case.policy)


def reported(case: Case) -> Fault:
    """What an effect says of itself when it gives up."""
    kind, about = str(case.given("kind")), case.given("about") or ""
    return Fault(
        code=GAVE_UP,
        since=case.now,
        what=f"{name_of(kind, about)} gave up: {shown(case.given('error'))}",
        do=REMEDIES.get(kind, REMEDY),
        kind=kind,
        about=about,
        key=case.given("payment_id") or "",
        effect=case.given("effect") or "",
        generation=case.site.generation if case.given("generation") is None else case.given("generation"),
    )


def name_of(kind: str, about: str) -> str:
    """`charge (renewal)`, `mail (receipt)`, `export`."""
    return f"{kind} ({about})" if about else kind


@predicate("if the report is about an open fault", needs=("effect", "kind", "purpose"))
def is_open_fault(case: Case) -> bool:
    return any(_is_meant(fault, case) for fault in case.site.faults)


@action
def close_fault(case: Case) -> None:
    """It is done, tried again or dropped."""
    case.change(faults=tuple(fault for fault in case.site.faults if not _is_meant(fault, case)))


def _is_meant(fault: Fault, case: Case) -> bool:
    """By the effect's id; a success makes up for all of its kind that gave up before it."""
    if case.given("effect"):
        return bool(fault.effect == case.given("effect") or (not fault.effect and fault.kind == case.given("kind")))
    return (fault.kind, fault.about) == (
        MADE_UP.get(case.command.type, case.given("kind")),
        case.given("purpose") or "",
    )


MADE_UP = {"site.export_ready": "export", "site.backup_verified": "back_up", "site.restored": "restore"}
"""What a report of an effect says is done, by its command."""


# Version 0.1 kept one sentence

REFUND = re.compile(r"(\S+ \S+) were charged after the cancellation")
FAILED = re.compile(r"'(\w+)' gave up: (.*)")


def with_faults(site: Site | None) -> Site | None:
    """A site for the law, which knows faults alone."""
    if site is None or site.attention is None:
        return site
    return with_facts(site, {"faults": written_down(site), "attention": None})


def told_by_version_0_1(site: Site, sentence: str) -> tuple[Fault, ...]:
    """The faults that its sentence names; an older worker beside this one may still write it."""
    since = site.cancelled_at or site.period_start or site.ready_at or site.created_at
    return tuple(_fault_of(text, since, site.generation) for text in sentence.split("; and "))


def _fault_of(text: str, since: datetime, generation: int) -> Fault:
    what, _, do = text.partition("; ")
    if REFUND.match(text):
        what, _, do = text.partition(": ")
        return Fault(REFUND_DUE, since, what, do.replace("site.retry", "site.record_refund"))
    if text.startswith("the site could not be built"):
        what, _, do = text.rpartition(": ")
        return Fault(NOT_BUILT, since, what, do)
    found = FAILED.match(what)
    kind = found[1] if found else ""
    return Fault(GAVE_UP, since, what, do or REMEDY, kind=kind, generation=generation)
