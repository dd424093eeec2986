"""What the ledger remembers after each command: agreements, dates and evidence, from the design's words."""

from datetime import datetime

import engine
from tests.model.account import Account
from tests.model.books import Books
from tests.model.seen import DAY, ENDED, Seen


def remember(seen: Seen, account: Account, books: Books) -> None:
    """Bring the account to what was promised with this command."""
    was = account.state
    rule = RULES.get(seen.kind)
    if rule is not None:
        rule(seen, account)
    _remember_money(seen, account, books)
    account.state = seen.after.state
    if account.state != "suspended":
        account.under = ""
    elif was in ENDED:
        account.under = "active"  # the return is paid, and an operator's suspension came in between
    _remember_leaving(seen, account, was)
    account.generation, account.allowed = seen.after.generation, seen.after.agents_allowed
    account.owes = any(bill.invoice.kind == "period" for bill in books.open_bills())
    account.plan, account.later = seen.after.plan_agents, seen.after.next_agents
    account.card, account.deletes_at = seen.after.payment_method, seen.after.deletes_at


def _remember_leaving(seen: Seen, account: Account, was: str) -> None:
    """Every end and every return begins its evidence anew."""
    if (was in ENDED) == (account.state in ENDED) or account.state == "deleting":
        if was != "failed" and account.state == "failed":
            account.ended_at = seen.now
        return
    account.exported_at, account.backed_up, account.noticed_at, account.deletes_at = None, False, None, None
    account.waived = set()
    account.ended_at = seen.now if account.state in ENDED else None
    if account.state in ENDED:
        account.ends_at, account.falls_back, account.unpaid_since, account.first_decline = None, False, None, None


def _remember_money(seen: Seen, account: Account, books: Books) -> None:
    for closed in seen.entries(engine.Closed):
        bill = books.bills[closed.invoice_id]
        if closed.status == "paid":
            account.has_paid = True
        if bill.invoice.kind == "period" and closed.status != "refunded":
            account.first_decline, account.card_refused, account.told_of_suspension = None, False, None
            account.unpaid_since = None if closed.status == "paid" else account.unpaid_since
            if closed.status == "paid" and closed.period is not None:
                account.anchor, account.period = closed.period[0], closed.period
                account.ends_at = closed.period[1] if account.ends_at is not None else None
    if seen.after.price_cents is not None and seen.after.currency is not None:
        account.terms = (seen.after.price_cents, seen.after.currency)
    start, end = seen.after.period_start, seen.after.period_ends_at
    if seen.after.state == "active" and start is not None and end is not None:
        account.free_period = (start, end) if seen.after.price_cents == 0 else None


def _start_trial(seen: Seen, account: Account) -> None:
    account.contact = str(seen.given("email"))
    account.trial_agents, account.keeps_days = seen.policy.trial_agents, seen.policy.retention // DAY


def _provisioned(seen: Seen, account: Account) -> None:
    if account.state == "provisioning":
        account.ready_at = seen.now
        account.free_until = seen.now + 30 * DAY


def _extend_trial(seen: Seen, account: Account) -> None:
    if account.free_until is not None:
        account.free_until = max(account.free_until, seen.now) + seen.given("days") * DAY
        account.ends_at = account.free_until if account.falls_back else account.ends_at


def _subscribe(_seen: Seen, account: Account) -> None:
    account.under = "trial_subscribed" if account.under == "trial" else account.under
    account.ends_at, account.falls_back, account.silent = None, False, ""


def _keep(_seen: Seen, account: Account) -> None:
    if account.falls_back and account.under == "trial":  # an operator suspends meanwhile
        account.under = "trial_subscribed"
    account.ends_at, account.falls_back, account.silent = None, False, ""


def _cancel(seen: Seen, account: Account) -> None:
    if seen.given("when") != "period_end":
        account.silent = "cancelled"
    elif seen.after.state == "trial":
        account.falls_back, account.silent = True, "the subscription of a trial was cancelled"
        account.ends_at = account.free_until
    else:
        account.ends_at = seen.after.cancels_at


def _suspend(seen: Seen, account: Account) -> None:
    account.blocked, account.blocked_at = True, seen.now
    account.under = account.state if account.state not in ENDED else ""


def _resume(seen: Seen, account: Account) -> None:
    """The clock of an unpaid site stood still meanwhile."""
    if account.unpaid_since is not None and account.blocked_at is not None:
        account.unpaid_since += seen.now - max(account.blocked_at, account.unpaid_since)
    account.blocked, account.blocked_at = False, None


def _hold(_seen: Seen, account: Account) -> None:
    account.held = True


def _release(_seen: Seen, account: Account) -> None:
    account.held = False


def _waive(seen: Seen, account: Account) -> None:
    """An operator has told the customer in another way; the 48 h run from now."""
    account.waived.add(str(seen.given("guard")))
    if account.state == "past_due" and seen.after.owed is not None:
        account.told_of_suspension = (seen.after.owed.invoice_id, seen.now)


def _update_contact(seen: Seen, account: Account) -> None:
    account.contact = str(seen.given("email"))


def _new_card(seen: Seen, account: Account) -> None:
    account.card_refused = account.card_refused and seen.given("payment_method") in {None, account.card}


def _charge_succeeded(seen: Seen, account: Account) -> None:
    if account.blocked and account.state == "suspended" and seen.after.owed is None:
        account.under = account.under if account.under in {"trial", "trial_subscribed"} else "active"


def _charge_declined(seen: Seen, account: Account) -> None:
    if seen.after.owed is not None:
        account.first_decline, account.last_decline = account.first_decline or seen.now, seen.now
        account.card_refused = seen.given("retry") != "later" and seen.given("payment_method") == account.card
    if seen.after.state == "suspended" and account.state == "past_due":
        account.unpaid_since = seen.now


def _retry_charge(seen: Seen, account: Account) -> None:
    if seen.after.state == "suspended":
        account.unpaid_since = seen.now


def _suspension_noticed(seen: Seen, account: Account) -> None:
    account.told_of_suspension = (str(seen.given("invoice_id")), seen.now)


def _mail_bounced(seen: Seen, account: Account) -> None:
    """A notice that did not arrive was not given."""
    if seen.given("letter") == "suspension_near":
        account.told_of_suspension = None
    else:
        account.noticed_at = None


def _export_ready(seen: Seen, account: Account) -> None:
    if seen.given("generation") == account.generation and account.state in ENDED:
        account.exported_at = account.exported_at or seen.now


def _backup_verified(seen: Seen, account: Account) -> None:
    if seen.given("generation") == account.generation and seen.given("purpose") == "final":
        account.backed_up = True


def _notice_sent(seen: Seen, account: Account) -> None:
    if seen.given("generation") == account.generation:
        account.noticed_at = _latest(account.noticed_at, seen.now)


def _latest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


RULES = {
    "start_trial": _start_trial,
    "provisioned": _provisioned,
    "extend_trial": _extend_trial,
    "subscribe": _subscribe,
    "keep": _keep,
    "cancel": _cancel,
    "suspend": _suspend,
    "resume": _resume,
    "hold": _hold,
    "release": _release,
    "waive": _waive,
    "update_contact": _update_contact,
    "update_payment": _new_card,
    "pay": _new_card,
    "charge_succeeded": _charge_succeeded,
    "charge_declined": _charge_declined,
    "retry_charge": _retry_charge,
    "suspension_noticed": _suspension_noticed,
    "mail_bounced": _mail_bounced,
    "export_ready": _export_ready,
    "backup_verified": _backup_verified,
    "notice_sent": _notice_sent,
}
