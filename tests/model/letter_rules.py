"""Letter by letter what it may say, from the design: to whom it goes, and which dates, amounts and numbers are true."""

from collections.abc import Callable
from datetime import datetime

from tests.model import letter_money
from tests.model.letter_money import ANY, ON_OR_SUSPENDED, plan_agents, price
from tests.model.letters_read import ENDED, LIVING, MOMENT, NOTICE, Leaving, Truth, read
from tests.model.seen import DAY


def _welcome(letter: Leaving) -> Truth:
    subscribed = letter.site["plan"] is not None
    return Truth(
        frozenset({"trial", "trial_subscribed"}),
        ahead={letter.at("trial_ends_at")},
        agents={letter.site["agents_allowed"]} | plan_agents(letter),
        others=((("subscription" in letter.text) == subscribed, "a subscription is told of only where there is one"),),
    )


def _subscribed(letter: Leaving) -> Truth:
    """After a silence the first charge may be due already: then it comes at once."""
    ends = letter.at("trial_ends_at")
    late = ends is not None and letter.site["state"] == "trial_subscribed"
    return Truth(
        frozenset({"trial_subscribed", "suspended"}),
        ahead={max(ends, letter.now) if late and ends is not None else ends},
        amounts=letter.plan_price() | price(letter),
        agents=plan_agents(letter),
        others=((("back online" in letter.text) <= (not letter.site["online"]), "offline or not"),),
    )


def _first_charge_soon(letter: Leaving) -> Truth:
    return Truth(
        frozenset({"trial_subscribed"}),
        ahead={letter.at("trial_ends_at")},
        amounts=letter.plan_price(),
        agents=plan_agents(letter),
    )


def _trial_ending(letter: Leaving) -> Truth:
    ends = letter.at("trial_ends_at")
    days = int(letter.mail.subject.rpartition(" in ")[2].split()[0])
    left = (ends - letter.now) / DAY if ends else 0
    return Truth(
        frozenset({"trial"}),
        ahead={ends},
        others=((days - 1 <= left <= days, f"{days} days are left, not {left}"),),
    )


def _trial_expired(letter: Leaving) -> Truth:
    return Truth(frozenset({"expired"}), past={letter.at("cancelled_at")})


def _cancelled(letter: Leaving) -> Truth:
    return Truth(frozenset({"cancelled"}), past={letter.at("cancelled_at")}, amounts=letter.owed())


def _cancellation_scheduled(letter: Leaving) -> Truth:
    ends = letter.at("cancels_at")
    return Truth(ON_OR_SUSPENDED, ahead={ends}, amounts=letter.owed(), others=((ends is not None, "it ends"),))


def _cancellation_withdrawn(letter: Leaving) -> Truth:
    next_charge = (
        letter.at("trial_ends_at") if letter.site["state"] == "trial_subscribed" else letter.at("period_ends_at")
    )
    goes_on = letter.at("cancels_at") is None and letter.site["plan"] is not None
    return Truth(ON_OR_SUSPENDED, ahead={next_charge}, others=((goes_on, "it goes on"),))


def _suspended_operator(letter: Leaving) -> Truth:
    dates = {read(date) for date in MOMENT.findall(letter.text) if read(date) <= letter.now}
    by_operator = letter.site["suspended_for"] == "operator"
    return Truth(ANY, past=set(dates), amounts=letter.owed(), others=((by_operator, "an operator's suspension lasts"),))


def _back_online(letter: Leaving) -> Truth:
    dates = {read(date) for date in MOMENT.findall(letter.text) if read(date) <= letter.now}
    return Truth(LIVING, past=set(dates), others=((letter.site["online"], "it is online"),))


def _contact_changed(letter: Leaving) -> Truth:
    words = letter.text.split()
    new = words[words.index("to") + 1] if "to" in words else ""
    dates = {read(date) for date in MOMENT.findall(letter.text) if read(date) <= letter.now}
    return Truth(ANY, past=set(dates), others=((new == letter.contact, f"mails go to {letter.contact}, not {new}"),))


def _deletion(letter: Leaving) -> Truth:
    not_held = letter.site["hold"] is None
    states = ENDED if letter.kind == "deletion_in_7_days" else ENDED | {"deleting"}
    return Truth(states, ahead=_deletes(letter), others=((not_held, "no deletion is told of under a hold"),))


def _deletes(letter: Leaving) -> set[datetime | None]:
    """Never sooner than 48 h after a notice that is still to be given, unless an operator has waived it."""
    date = letter.at("deletes_at")
    given = letter.site["noticed"] or "notice" in letter.site["waived"]
    return {date if date is None or given else max(date, letter.now + NOTICE)}


def _download_ready(letter: Leaving) -> Truth:
    ends = letter.site["state"] in ENDED and letter.at("deletes_at") is not None and letter.site["hold"] is None
    told = "permanently deleted" in letter.text
    return Truth(
        ENDED | ON_OR_SUSPENDED,
        ahead=_deletes(letter) if ends else set(),
        others=(
            (any(url in letter.text for url in letter.site["exports"]), "its link is a download's of this time"),
            (ends or not told, "a deletion is told only where it comes"),
        ),
    )


def _welcome_back(letter: Leaving) -> Truth:
    return Truth(LIVING, ahead={letter.at("period_ends_at"), letter.at("trial_ends_at")})


def _restored(letter: Leaving) -> Truth:
    dates = {read(date) for date in MOMENT.findall(letter.text) if read(date) <= letter.now}
    return Truth(ANY, past=set(dates))


def _deleted(letter: Leaving) -> Truth:
    """The last letter: it leaves as soon as nothing is left, and just before the site is closed."""
    return Truth(frozenset({"deleting"}), past={letter.now})


RULES: dict[str, Callable[[Leaving], Truth]] = {
    "welcome": _welcome,
    "subscribed": _subscribed,
    "first_charge_soon": _first_charge_soon,
    "trial_ending": _trial_ending,
    "trial_expired": _trial_expired,
    "cancelled": _cancelled,
    "cancellation_scheduled": _cancellation_scheduled,
    "cancellation_withdrawn": _cancellation_withdrawn,
    "receipt": letter_money.receipt,
    "declined": letter_money.declined,
    "suspension_near": letter_money.suspension_near,
    "suspended_nonpayment": letter_money.suspended_nonpayment,
    "suspended_operator": _suspended_operator,
    "back_online": _back_online,
    "charge_now_declined": letter_money.charge_now_declined,
    "contact_changed": _contact_changed,
    "contact_changed_to_old": _contact_changed,
    "deletion_in_7_days": _deletion,
    "deletion_in_48_hours": _deletion,
    "download_ready": _download_ready,
    "reduction_scheduled": letter_money.reduction_scheduled,
    "reduction_withdrawn": letter_money.reduction_withdrawn,
    "reduction_impossible": letter_money.reduction_impossible,
    "agents_over_plan": letter_money.agents_over_plan,
    "welcome_back": _welcome_back,
    "restored": _restored,
    "deleted": _deleted,
}
