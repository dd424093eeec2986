"""The timers of a site, held against the dates that its customer was told."""

from datetime import datetime

from tests.model.account import Account
from tests.model.books import Books
from tests.model.seen import DAY, Seen, must

LADDER = (1, 3, 5, 7)
MONEY = frozenset({"renew", "retry_charge", "expire", "end_period", "give_up"})
UNPAID = 14 * DAY


def check(seen: Seen, account: Account, books: Books) -> None:
    """Every date has its timer, and no timer is there without its date."""
    timers = {kind: at for kind, at in seen.decision.timers.items() if kind != "back_up_nightly"}
    wanted = MONEY & timers.keys()
    what = f"{account.state} ({account.under}) after {seen.kind} at {seen.now}: {timers}"
    site, paying = seen.after, seen.after.paying is not None
    match account.state:
        case "trial":
            must(timers.get("expire") == account.free_until, "a trial expires on day 30", what)
            must(wanted == {"expire"}, "a trial has no other date", what)
        case "trial_subscribed":
            must(timers.get("renew") == account.free_until, "the first charge is on day 30", what)
            must(wanted == {"renew"}, "a subscribed trial has no other date", what)
        case "active" if account.ends_at is not None:
            must(timers.get("end_period") == account.ends_at, "a site ends when it was told", what)
            must(wanted == {"end_period"}, "a site that ends is not renewed", what)
        case "active":
            must("renew" in timers, "a site is renewed", what)
            must(site.period_ends_at is not None and timers["renew"] >= site.period_ends_at, "never early", what)
            must(wanted == {"renew"}, "an active site has no other date", what)
        case "past_due":
            must(paying or "retry_charge" in timers, "a declined card is tried again, or the day comes", what)
            must(wanted <= {"retry_charge", "end_period"}, "a site past due has no other date", what)
            must(timers.get("end_period") == account.ends_at, "a site ends when it was told, also unpaid", what)
            _is_on_the_ladder(account, books, timers.get("retry_charge"), what)
        case "suspended" if account.blocked:
            must(not wanted, "no date comes while an operator suspends", what)
        case "suspended":
            _gives_up(account, timers, paying=paying, what=what)
        case "cancelled" | "expired":
            must(not wanted, "a site that has ended has no date but its deletion", what)
            _tells_of_the_deletion(seen, account, timers, what)


def _is_on_the_ladder(account: Account, books: Books, at: datetime | None, what: str) -> None:
    if at is None or account.first_decline is None:
        return
    days = [account.first_decline + day * DAY for day in LADDER]
    rests = [account.last_decline or at, *(one.at for one in books.tries.values())]
    rested = at - DAY in rests  # what came late is tried again a day later
    must(
        at in days or rested or at > days[-1],
        "tried on days 1, 3, 5 and 7",
        f"{what}, declined {account.first_decline}",
    )


def _gives_up(account: Account, timers: dict[str, datetime], *, paying: bool, what: str) -> None:
    must(timers.keys() <= {"give_up"}, "an unpaid site has no other date", what)
    if not paying and account.unpaid_since is not None:
        end = account.unpaid_since + UNPAID
        must(timers.get("give_up") == end, "14 days suspended, then cancelled", f"{what}, {end}")


def _tells_of_the_deletion(seen: Seen, account: Account, timers: dict[str, datetime], what: str) -> None:
    date = seen.after.deletes_at
    if account.held or date is None:
        must("delete" not in timers, "no deletion without a date, none under a hold", what)
        return
    must(timers.get("delete") is not None and timers["delete"] >= date, "deleted on the date, or later", what)
