"""What letters about money and plans may say, from the design."""

from datetime import datetime

from tests.model.letters_read import ENDED, LIVING, MOMENT, NOTICE, Amount, Document, Leaving, Truth, minute, read
from tests.model.seen import DAY

ON_OR_SUSPENDED = LIVING | {"suspended"}
ANY = frozenset({"provisioning", "failed", "suspended", "deleting", "deleted"}) | LIVING | ENDED


def plan_agents(letter: Leaving) -> set[int | None]:
    plan = letter.site["plan"]
    return set() if plan is None else {plan["agents"], plan["next_agents"]}


def price(letter: Leaving) -> set[Amount]:
    plan = letter.site["plan"]
    return set() if plan is None else {(plan["currency"], plan["price_cents"])}


def next_price(letter: Leaving) -> set[Amount]:
    """What the next month costs: fewer agents only if they were asked for and are gone."""
    plan = letter.site["plan"]
    if plan is None:
        return set()
    fewer = plan["next_agents"] is not None and letter.site["used_agents"] <= plan["next_agents"]
    return letter.plan_price(plan["next_agents"] if fewer else plan["agents"]) | letter.plan_price()


def receipt(letter: Leaving) -> Truth:
    """A receipt is true for ever; what comes next is that of now."""
    bill: Document = next(one for one in letter.site["invoices"] if str(one["number"]) == letter.receipt)
    ends, renews = letter.at("cancels_at"), letter.at("period_ends_at")
    told_next, goes_on = "Next charge:" in letter.mail.body, letter.site["state"] in LIVING and ends is None
    return Truth(
        ANY,
        ahead={renews if goes_on else None, ends},
        past={bill["period_start"], bill["period_end"]},
        amounts={(bill["currency"], bill[name]) for name in ("amount_cents", "unit_price_cents")}
        | (next_price(letter) if goes_on else set()),
        agents={bill["agents"]},
        others=(
            (bill["status"] in {"paid", "refunded"}, "a receipt is for what was paid"),
            (goes_on or not told_next, "a next charge is told only where there is one"),
        ),
    )


def declined(letter: Leaving) -> Truth:
    owed = letter.invoices("open")
    offline = _suspends(letter)
    return Truth(
        frozenset({"past_due", "suspended"}),
        ahead={letter.next_at("retry_charge"), *offline},
        amounts=letter.owed(),
        others=(
            (bool(owed), "something is owed"),
            (("still online" in letter.text) == letter.site["online"], "online or not"),
        ),
    )


def _suspends(letter: Leaving) -> set[datetime | None]:
    """Going offline is told 7 days after the first decline of what is open, or 48 h after this very letter."""
    owed = {one["id"] for one in letter.invoices("open")}
    first = min((one.at for one in letter.declined if one.invoice_id in owed), default=None)
    told = [read(date) for date in MOMENT.findall(letter.text)]
    late = {at for at in told if first is not None and at > minute(first + 7 * DAY)}
    return {None if first is None else first + 7 * DAY, *late}


def suspension_near(letter: Leaving) -> Truth:
    owed = letter.invoices("open")
    told = [read(date) for date in MOMENT.findall(letter.text)]
    return Truth(
        frozenset({"past_due"}),
        ahead=_suspends(letter),
        amounts=letter.owed(),
        others=(
            (bool(owed), "something is owed"),
            (all(at >= minute(letter.now + NOTICE) for at in told), "48 h before"),
        ),
    )


def suspended_nonpayment(letter: Leaving) -> Truth:
    unpaid = letter.site["suspended_for"] == "nonpayment"
    told = {read(date) for date in MOMENT.findall(letter.text)}
    stands_still = told if letter.site["paying"] is not None else set()  # while a payment is under way
    return Truth(
        frozenset({"suspended"}),
        ahead={letter.next_at("give_up"), *stands_still},
        amounts=next_price(letter),
        others=((unpaid, "it is suspended because it is unpaid"),),
    )


def charge_now_declined(letter: Leaving) -> Truth:
    dates = {read(date) for date in MOMENT.findall(letter.text) if read(date) <= letter.now}
    tried = {(one.currency, one.amount_cents) for one in letter.declined}
    return Truth(ANY - {"deleted"}, past=set(dates), amounts=tried)


def reduction_scheduled(letter: Leaving) -> Truth:
    plan = letter.site["plan"] or {}
    waits = plan.get("next_agents") is not None
    return Truth(
        ON_OR_SUSPENDED,
        ahead={letter.at("period_ends_at")},
        agents=plan_agents(letter),
        others=((waits, "a reduction waits"),),
    )


def reduction_withdrawn(letter: Leaving) -> Truth:
    plan = letter.site["plan"] or {}
    return Truth(
        ON_OR_SUSPENDED,
        agents={plan.get("agents")},
        others=((plan.get("next_agents") is None, "no reduction waits"),),
    )


def reduction_impossible(letter: Leaving) -> Truth:
    plan = letter.site["plan"] or {}
    wanted, used = plan.get("next_agents"), letter.site["used_agents"]
    return Truth(
        ON_OR_SUSPENDED,
        ahead={letter.at("period_ends_at")},
        agents=plan_agents(letter) | {used},
        others=((wanted is not None, "a reduction waits"),),
    )


def agents_over_plan(letter: Leaving) -> Truth:
    plan, used = letter.site["plan"] or {"agents": 0}, letter.site["used_agents"]
    return Truth(
        ON_OR_SUSPENDED,
        agents={used} | plan_agents(letter),
        others=((used > plan["agents"], "there are more than the plan has"),),
    )
