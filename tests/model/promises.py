"""The promises that are checked at every step: who may be charged and how, agents, dates, deletion."""

from datetime import timedelta

import engine
from tests.model.account import Account
from tests.model.books import Bill, Books, added_amount
from tests.model.seen import DAY, ENDED, GONE, Seen, month_after, must

NOTICE = timedelta(hours=48)
BY_CUSTOMER = frozenset({"subscribe", "pay", "update_payment", "change_plan", "keep"})


def check(seen: Seen, account: Account, books: Books) -> None:
    """What is held against the account as it was before the command."""
    for payment in seen.entries(engine.Payment):
        _may_be_charged(seen, account, books.bills[payment.invoice_id])
    for invoice in seen.entries(engine.Invoice):
        _is_agreed(seen, account, invoice)
        if invoice.kind == "period":
            _is_for_the_agents_in_use(seen, account, invoice)
            _is_the_next_period(seen, account, books, invoice)
        else:
            _is_charge_now(seen, account, books, invoice)
    for closed in seen.entries(engine.Closed):
        if closed.status == "paid" and books.bills[closed.invoice_id].invoice.kind == "period":
            _pays_for_no_day_offline(account, books.bills[closed.invoice_id])
    _terms_stay(seen, account)
    _agents_are_paid_for(seen, account, books)
    _generation_rises(seen, account)
    if seen.after.state == "deleting" and account.state != "deleting":
        _may_be_deleted(seen, account, books)
    _the_answer_is_true(seen, account, books)


def check_kept(seen: Seen, account: Account, books: Books) -> None:
    """What is held against the account as it is now."""
    site = seen.after
    if site.state in GONE:
        return
    if site.state not in ENDED:
        dates = f"{site.cancels_at}, promised {account.ends_at}"
        must(site.cancels_at == account.ends_at, "the end that was promised stays", dates)
    must(site.trial_ends_at == account.free_until, "free until day 30", f"{site.trial_ends_at}, {account.free_until}")
    must(site.suspended_reason is not None or not account.blocked, "a suspension lasts until it is lifted", seen.kind)
    must((site.held_for is not None) == account.held, "a hold lasts until it is released", seen.kind)
    must(site.email == account.contact or site.state == "deleted", "letters go to the contact", site.email)
    if site.state in ENDED and account.ended_at is not None:
        _deletes_late_enough(seen, account)
    _is_paid_until(seen, account, books)


def _is_paid_until(seen: Seen, account: Account, books: Books) -> None:
    site = seen.after
    if account.terms is not None and account.terms[0] == 0:
        return
    if site.state == "active" and not books.pending() and site.ready_at is not None:
        end = books.paid_until(seen.now)
        must(end is None or site.period_ends_at == end, "paid until the end of the period", f"{site.period_ends_at}")


def _may_be_charged(seen: Seen, account: Account, bill: Bill) -> None:
    who = f"{seen.kind} at {seen.now}: {bill.invoice}"
    by_customer = seen.kind in BY_CUSTOMER
    still_blocked = account.blocked and seen.kind != "resume"
    must(not still_blocked or seen.kind == "pay", "nothing is charged while an operator suspends", who)
    must(not account.is_free(seen.now), "nothing is charged before day 30", who)
    must(seen.after.state not in ENDED or seen.kind == "subscribe", "nobody who left is charged", who)
    must(not account.silent or by_customer, f"no charge after {account.silent}", who)
    if bill.invoice.kind == "period" and account.ends_at is not None and not by_customer:
        must(bill.period[0] < account.ends_at, "no further charge after the end that was promised", who)
    must(seen.kind != "retry_charge" or not account.card_refused, "a refused card is not tried again", who)
    if seen.kind == "retry_charge" and account.first_decline is not None:
        must(seen.now >= account.first_decline + DAY, "tried again a day later at the earliest", who)


def _is_agreed(seen: Seen, account: Account, invoice: engine.Invoice) -> None:
    """Price and currency are those of the agreement; a return agrees anew."""
    asked = (invoice.unit_price_cents, invoice.currency)
    today = (seen.policy.price_cents, seen.policy.currency)
    agreed = {account.terms, today} if seen.kind == "subscribe" else {account.terms}
    must(asked in agreed, "price and currency are those that were agreed", f"{seen.kind}: {asked}, agreed {agreed}")
    if seen.kind == "subscribe":
        account.offered = asked


def _terms_stay(seen: Seen, account: Account) -> None:
    site = seen.after
    terms = None if site.price_cents is None else (site.price_cents, site.currency)
    today = (seen.policy.price_cents, seen.policy.currency)
    allowed = {account.terms}
    if seen.kind == "subscribe":
        allowed.add(today)
    if seen.kind == "charge_succeeded":
        allowed.add(account.offered)
    if terms is None:
        return
    must(terms in allowed, "price and currency stay as agreed", f"{seen.kind}: {terms}, allowed {allowed}")


def _is_the_next_period(seen: Seen, account: Account, books: Books, invoice: engine.Invoice) -> None:
    """From day 30 or the end of the last period where the site was on; from now where it comes back."""
    start, end = invoice.period_start, invoice.period_end
    what = f"{seen.kind} at {seen.now}: {start} to {end}, free until {account.free_until}"
    if seen.kind == "renew" and account.state == "trial_subscribed":
        must(start == account.free_until, "the first period begins on day 30", what)
    elif seen.kind == "renew":
        ends = {one.period[1] for one in books.bills.values() if one.invoice.kind == "period"}
        must(start in ends or (account.period is not None and start == account.period[1]), "a period follows", what)
    elif seen.kind in {"subscribe", "resume"}:
        must(start == seen.now, "a new start begins now", what)
    new = seen.kind != "renew" or account.state == "trial_subscribed" or account.anchor is None
    account.anchor = start if new else account.anchor
    assert account.anchor is not None
    must(end == month_after(account.anchor, start), "a period is a month from the anchor", f"{what}, {account.anchor}")
    account.period = (start, end)


def _is_for_the_agents_in_use(seen: Seen, account: Account, invoice: engine.Invoice) -> None:
    """A reduction that waits holds from the next period if so few are really in use by then."""
    if seen.kind == "subscribe":
        return
    fits = account.later is not None and seen.used <= account.later
    wanted = account.later if fits else account.plan
    what = f"{seen.kind} at {seen.now}: {invoice.agents}, not {wanted}; {account.later} wait, {seen.used} are in use"
    must(invoice.agents == wanted, "a reduction waits until so few agents are in use", what)


def _is_charge_now(seen: Seen, account: Account, books: Books, invoice: engine.Invoice) -> None:
    """Charge Now: added × price × time left ÷ this period."""
    what = f"{seen.kind} at {seen.now}: {invoice}"
    period = next((one.period for one in books.paid_periods() if one.covers(seen.now, seen.now + NOTICE / 1e6)), None)
    must(period is not None, "agents are added to a paid period", what)
    assert period is not None
    added = seen.given("agents") - account.allowed
    must(invoice.agents == added, "added counts from the number now allowed", what)
    assert account.terms is not None
    exact = added_amount(added, account.terms[0], seen.now, period)
    must(invoice.amount_cents == exact, "Charge Now is pro rata to the next billing date", f"{what} is not {exact}")
    must(exact >= seen.policy.min_charge_cents, "too little is not charged", what)


def _pays_for_no_day_offline(account: Account, bill: Bill) -> None:
    """Offline for not paying: the period that is paid begins when it is paid."""
    since = account.unpaid_since
    if since is not None and bill.paid_at is not None:
        must(bill.period[0] == bill.paid_at, "nobody pays for days offline", f"{bill.period}, offline since {since}")


def _agents_are_paid_for(seen: Seen, account: Account, books: Books) -> None:
    """The number allowed rises when a payment has succeeded, and where nothing is owed for it."""
    allowed = seen.after.agents_allowed
    what = f"{seen.kind} in {account.state} ({account.under}): from {account.allowed} to {allowed}"
    paid = [books.bills[one.invoice_id] for one in seen.entries(engine.Closed) if one.status == "paid"]
    if allowed > account.allowed and seen.kind != "start_trial":
        _may_rise(seen, account, paid, what)
    elif paid and account.state not in ENDED | GONE and seen.after.state == "active":
        wanted = {paid[0].invoice.agents} if paid[0].invoice.kind == "period" else {account.allowed}
        must(allowed in wanted | {seen.after.plan_agents}, "what was paid for is allowed", f"{what}, paid {wanted}")


def _may_rise(seen: Seen, account: Account, paid: list[Bill], what: str) -> None:
    allowed = seen.after.agents_allowed
    if paid:
        invoice = paid[0].invoice
        most = invoice.agents if invoice.kind == "period" else account.allowed + invoice.agents
        must(allowed <= most, "no more agents than were paid for", f"{what}, paid for {most}")
        return
    back = seen.after.state in {"trial", "trial_subscribed"} and allowed == account.trial_agents
    free = account.terms is not None and account.terms[0] == 0
    little = seen.kind in {"change_plan", "subscribe"} and account.has_paid and not seen.entries(engine.Invoice)
    today = seen.kind == "subscribe" and seen.policy.price_cents == 0
    must(back or little or free or today, "no more agents before they are paid for", what)
    if not account.has_paid and not free and not today:
        must(allowed <= account.trial_agents, "five agents before the first payment", what)


def _generation_rises(seen: Seen, account: Account) -> None:
    """By one at every end and return, and never else."""
    risen = seen.after.generation - account.generation
    if seen.kind == "start_trial":
        return
    crossed = (account.state in ENDED) != (seen.after.state in ENDED) and seen.after.state not in GONE
    wanted = {1} if crossed else {0}
    must(risen in wanted, "a generation ends with a cancellation, an expiry or a return", f"{seen.kind}: {risen}")


def _may_be_deleted(seen: Seen, account: Account, books: Books) -> None:
    what = f"at {seen.now}: {account}"
    must(account.state in {*ENDED, "failed"}, "only a site that has ended is deleted", what)
    must(not account.held, "nothing is deleted under a hold", what)
    must(not books.pending(), "nothing is deleted while a payment is open", what)
    if account.ended_at is not None:
        must(seen.now >= account.ended_at + 14 * DAY, "14 full days since the end", what)
    if account.ready_at is None:
        return
    ready = account.exported_at is not None and seen.now >= account.exported_at + 14 * DAY
    must("export" in account.waived or ready, "14 full days of download", what)
    must("backup" in account.waived or account.backed_up, "a final backup of this time", what)
    told = account.noticed_at is not None and seen.now >= account.noticed_at + NOTICE
    must("notice" in account.waived or told, "told 48 h before", what)
    must(account.deletes_at is not None and seen.now >= account.deletes_at, "never before the date told", what)


def _deletes_late_enough(seen: Seen, account: Account) -> None:
    date, before = seen.after.deletes_at, seen.before
    same = before is not None and before.generation == seen.after.generation
    what = f"{seen.kind} at {seen.now}: {before.deletes_at if before else None} to {date}, ended {account.ended_at}"
    if same and before is not None and before.deletes_at is not None:
        must(date is not None and date >= before.deletes_at, "a deletion date only ever moves later", what)
    if date is None or account.ended_at is None:
        return
    must(date >= account.ended_at + account.keeps_days * DAY, "kept as long as was promised at the end", what)
    if account.ready_at is not None and "export" not in account.waived:
        ready = account.exported_at
        must(ready is not None and date >= ready + 14 * DAY, "14 days from the download", f"{what}, export {ready}")


def _the_answer_is_true(seen: Seen, account: Account, books: Books) -> None:
    """What was said: no further charge, the date that is kept, a charge that is made."""
    said = (seen.decision.message or "").lower()
    owing = books.open_bills()
    if "no further charge" in said or "nothing more is charged" in said:
        must(not owing, "no further charge is promised only where none is open", f"{seen.kind}: {said}; {owing}")
    asked = seen.entries(engine.Payment)
    must(bool(asked) == (seen.decision.charge is not None), "the answer says whether something is charged", said)
    must(not asked or bool(seen.decision.effects), "a charge that is told is made", account.state)
