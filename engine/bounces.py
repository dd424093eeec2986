"""The words of the law about notices that did not arrive: both its columns. What bounced was not given."""

from dataclasses import replace
from datetime import datetime

from engine.cancellation import give_last_notice
from engine.case import Case, known
from engine.dunning import needs_notice
from engine.letters import mail_suspension_near
from engine.site import Fault
from engine.vocabulary import action, predicate
from engine.words import shown

BOUNCED = "notice.bounced"
THREAT, NOTICE = "suspension_near", "deletion_in_48_hours"
REMEDY = (
    "site.update_contact with an address that works sends it there, site.retry sends it to the same one again, "
    "site.waive with guard=notice does without"
)


@predicate("after the notice before the suspension was given")
def suspension_notice_counts(case: Case) -> bool:
    owed = case.site.owed
    return owed is not None and owed.noticed_at is not None and case.site.suspended_reason is None


@predicate("after the last notice before the deletion was given")
def deletion_notice_counts(case: Case) -> bool:
    return case.site.notice_sent_at is not None


@predicate("if the notice before the suspension bounced", needs=("letter", "address"))
def suspension_notice_bounced(case: Case) -> bool:
    return bool(case.given("letter") == THREAT and _went_there(case, known(known(case.site.owed).noticed_at)))


@predicate("if the last notice before the deletion bounced", needs=("letter", "address"))
def deletion_notice_bounced(case: Case) -> bool:
    return bool(case.given("letter") == NOTICE and _went_there(case, known(case.site.notice_sent_at)))


def _went_there(case: Case, sent: datetime) -> bool:
    """To the present contact, or to an older one if the contact has changed since."""
    since = case.site.contact_since
    return case.given("address") == case.site.email or (since is not None and sent <= since)


@action
def withdraw_suspension_notice(case: Case) -> None:
    """Nobody is suspended for what they were not told; while the address is bad it is not written to again."""
    owed = known(case.site.owed)
    case.change(owed=replace(owed, noticed_at=None))
    note_bounce(case, owed.invoice_id)


@action
def withdraw_deletion_notice(case: Case) -> None:
    """Nobody loses data for what they were not told."""
    case.change(notice_sent_at=None)
    note_bounce(case, "")


def note_bounce(case: Case, key: str) -> None:
    """Operators are told, without the address."""
    letter = case.given("letter")
    what = f"the notice {letter} did not arrive: {shown(case.given('reason'))}"
    fault = Fault(BOUNCED, case.now, what, REMEDY, about=letter, key=key, generation=case.site.generation)
    others = tuple(one for one in case.site.faults if one.code != BOUNCED)
    case.change(faults=(*others, fault))
    case.alarm(fault)


def has_bounced(case: Case) -> bool:
    """The address is known to be bad, and nobody has mended it yet."""
    return any(fault.code == BOUNCED for fault in case.site.faults)


def tell_notices_again(case: Case) -> None:
    """The address was mended, or is to be tried once more: what did not arrive is sent again."""
    bounced = {fault.about for fault in case.site.faults if fault.code == BOUNCED}
    if not bounced:
        return
    case.change(faults=tuple(fault for fault in case.site.faults if fault.code != BOUNCED))
    if NOTICE in bounced:
        give_last_notice(case)
    if THREAT in bounced and case.site.online and needs_notice(known(case.site.owed), case.now, case.policy):
        mail_suspension_near(case)
