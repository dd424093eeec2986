"""Where a site may go with each command, timer and report: written from the design's cases, state by state."""

from datetime import datetime, timedelta

from tests.model.account import Account
from tests.model.books import Bill, Books
from tests.model.seen import DAY, ENDED, GONE, Seen

UNPAID_DAYS = 7 * DAY
NOTICE = timedelta(hours=48)
States = frozenset[str]


def only(*states: str) -> States:
    """These states and no other."""
    return frozenset(states)


def moves(seen: Seen, account: Account, books: Books) -> States:
    """The states in which the site may be after what was applied."""
    rule = RULES.get(seen.kind)
    return only(account.state) if rule is None else rule(seen, account, books)


def _start_trial(_seen: Seen, _account: Account, _books: Books) -> States:
    return only("provisioning")


def _subscribe(seen: Seen, account: Account, books: Books) -> States:
    if account.state == "trial":
        return only("trial_subscribed")
    if account.state not in ENDED:
        return only(account.state)
    if account.is_free(seen.now):
        return only("trial_subscribed")
    if books.paid_until(seen.now) is not None or account.has_time(seen.now):
        return only("active")
    prices = {seen.policy.price_cents, account.terms[0] if account.terms else seen.policy.price_cents}
    if prices == {0}:
        return only("active")
    return only(account.state, "active") if 0 in prices else only(account.state)


def _cancel(seen: Seen, account: Account, _books: Books) -> States:
    if seen.given("when") == "period_end":
        return only("trial" if account.state == "trial_subscribed" else account.state)
    return only("cancelled")


def _keep(seen: Seen, account: Account, _books: Books) -> States:
    if account.state in ENDED:
        return only("trial") if account.is_free(seen.now) else only("active")
    return only("trial_subscribed") if account.state == "trial" else only(account.state)


def _extend_trial(_seen: Seen, account: Account, _books: Books) -> States:
    return only("trial") if account.state == "expired" else only(account.state)


def _suspend(_seen: Seen, account: Account, _books: Books) -> States:
    return only(account.state) if account.state in ENDED else only("suspended")


def _resume(seen: Seen, account: Account, _books: Books) -> States:
    """Time went on, money did not."""
    if account.state != "suspended":
        return only(account.state)
    free, over = account.is_free(seen.now), account.ends_at is not None and seen.now >= account.ends_at
    match account.under:
        case "trial":
            return only("trial" if free else "expired")
        case "trial_subscribed":
            return only("trial_subscribed" if free else "active")
        case "active" | "past_due" if over:
            return only("cancelled")
        case "active" | "past_due":
            return only("past_due", "active") if account.first_decline is not None else only("active")
    return only("suspended")


def _expire(_seen: Seen, _account: Account, _books: Books) -> States:
    return only("expired")


def _renew(_seen: Seen, account: Account, _books: Books) -> States:
    return only("active") if account.state in {"active", "trial_subscribed"} else only(account.state)


def _end_period(_seen: Seen, _account: Account, _books: Books) -> States:
    return only("cancelled")


def _charge_succeeded(seen: Seen, account: Account, books: Books) -> States:
    bill = _bill(seen, books)
    returns = bill is not None and bill.asked_by == "subscribe" and bill.invoice.kind == "period"
    if account.blocked and account.state in ENDED and returns:
        return only("suspended")
    if bill is None or account.blocked or account.state in GONE:
        return only(account.state)
    if account.state in {"past_due", "suspended"}:
        return only("active") if bill.invoice.kind == "period" else only(account.state)
    if account.state in ENDED:
        return only("active") if returns else only(account.state)
    return only(account.state)


def _charge_declined(seen: Seen, account: Account, books: Books) -> States:
    bill = _bill(seen, books)
    if bill is None or bill.invoice.kind != "period":
        return only(account.state)
    if account.state == "active":
        return only("past_due")
    if account.state == "past_due" and may_be_suspended(account, seen.now, bill.invoice.id):
        return only("past_due", "suspended")
    return only(account.state)


def may_be_suspended(account: Account, now: datetime, invoice_id: str) -> bool:
    """Seven days after the first decline, and 48 h after the customer was told."""
    declined, told = account.first_decline, account.told_of_suspension
    warned = told is not None and told[0] == invoice_id and now >= told[1] + NOTICE
    return declined is not None and now >= declined + UNPAID_DAYS and warned


def _bill(seen: Seen, books: Books) -> Bill | None:
    asked = books.tries.get(str(seen.given("payment_id")))
    awaited = asked is not None and asked.outcome == "pending"  # one that was dropped leads nowhere
    return books.bills[asked.payment.invoice_id] if asked is not None and awaited else None


def _retry_charge(seen: Seen, account: Account, books: Books) -> States:
    """A card that is not tried again can't be declined again: the day itself takes the site offline."""
    owed = [one.invoice.id for one in books.open_bills() if one.invoice.kind == "period"]
    refused = account.card_refused and any(may_be_suspended(account, seen.now, one) for one in owed)
    return only("past_due", "suspended") if refused else only("past_due")


def _provisioned(_seen: Seen, account: Account, _books: Books) -> States:
    if account.state == "provisioning":
        return only("trial" if account.plan is None else "trial_subscribed")
    return only(account.state)


def _delete(_seen: Seen, _account: Account, _books: Books) -> States:
    return only("deleting")


def _site_deleted(_seen: Seen, _account: Account, _books: Books) -> States:
    return only("deleted")


def _retry(_seen: Seen, account: Account, _books: Books) -> States:
    return only("provisioning") if account.state == "failed" else only(account.state)


RULES = {
    "start_trial": _start_trial,
    "subscribe": _subscribe,
    "cancel": _cancel,
    "keep": _keep,
    "extend_trial": _extend_trial,
    "suspend": _suspend,
    "resume": _resume,
    "expire": _expire,
    "renew": _renew,
    "end_period": _end_period,
    "give_up": _end_period,
    "retry_charge": _retry_charge,
    "charge_succeeded": _charge_succeeded,
    "charge_declined": _charge_declined,
    "provisioned": _provisioned,
    "delete": _delete,
    "site_deleted": _site_deleted,
    "retry": _retry,
}
