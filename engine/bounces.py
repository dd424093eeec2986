"""The words of the law about notices that did not arrive: both its columns. What bounced was not given."""

from dataclasses import replace
from datetime import datetime

from engine.cancellation import give_last_notice
from engine.case import Case, known
from engine.dunning import needs_notice
from engine.letters import mail_suspension_near
from engine.site import Fault
from engine.words import shown

BOUNCED = "notice.bounced"
THREAT, NOTICE = "suspension_near", "deletion_in_48_hours"
REMEDY = (
    "site.update_contact with an address that works sends it there, site.retry sends it to the same one again, "
    "site.waive with guard=notice does without"
)


def threat_counts(case: Case) -> bool:
    """The notice before a suspension counts as given."""
    owed = case.site.owed
    return owed is not None and owed.noticed_at is not None and case.site.suspended_reason is None


def notice_counts(case: Case) -> bool:
    """The last notice before a deletion counts as given."""
    return case.site.notice_sent_at is not None


def threat_bounced(case: Case) -> bool:
    """It is this one that bounced."""
    return bool(case.given("letter") == THREAT and _went_there(case, known(known(case.site.owed).noticed_at)))


def notice_bounced(case: Case) -> bool:
    """It is this one that bounced."""
    return bool(case.given("letter") == NOTICE and _went_there(case, known(case.site.notice_sent_at)))


def _went_there(case: Case, sent: datetime) -> bool:
    """To the present contact, or to an older one if the contact has changed since."""
    since = case.site.contact_since
    return case.given("address") == case.site.email or (since is not None and sent <= since)


def take_threat_back(case: Case) -> None:
    """Nobody is suspended for what they were not told; while the address is bad it is not written to again."""
    owed = known(case.site.owed)
    case.change(owed=replace(owed, noticed_at=None))
    note_bounce(case, owed.invoice_id)


def take_notice_back(case: Case) -> None:
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
