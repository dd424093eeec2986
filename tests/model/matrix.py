"""The matrix of the product page once more: what may be asked when, as a set of answers that keep the promise."""

from tests.model.account import Account
from tests.model.seen import ENDED, ONLINE, Seen

YES = frozenset({"applied"})
SAME = frozenset({"no_op"})
NO = frozenset({"state.illegal"})
PENDING = frozenset({"payment.pending"})
EITHER = YES | SAME


def answer(seen: Seen) -> str:
    """What was answered, as the matrix has it: the outcome, or a refusal's code."""
    decision = seen.decision
    return str(decision.code) if decision.outcome == "refused" else decision.outcome


def expected(seen: Seen, account: Account, paying: bool, paid_time: bool) -> frozenset[str] | None:
    """The answers that a customer may get to a command; None where the page says nothing."""
    if account.state == "absent":
        return YES if seen.kind == "start_trial" else frozenset({"site.unknown"})
    if account.state == "deleted" and seen.kind not in {"record_refund", "charge_succeeded"}:
        return YES if seen.kind == "start_trial" else frozenset({"site.deleted"})
    if seen.kind == "start_trial":
        return frozenset({"host.taken"})
    rule = RULES.get(seen.kind)
    if rule is None:
        return None
    if account.state == "deleting" and seen.kind not in {
        "hold",
        "release",
        "retry",
        "cancel",
        "record_refund",
        "mail_bounced",
    }:
        return NO
    return rule(seen, account, paying, paid_time)


def _subscribe(seen: Seen, account: Account, paying: bool, _time: bool) -> frozenset[str]:
    same = (seen.given("agents"), seen.given("payment_method")) == (account.plan, account.card)
    enough = YES if seen.given("agents") >= seen.used else frozenset({"agents.below_used"})
    answers = {
        "provisioning": EITHER,
        "trial": enough,
        "trial_subscribed": SAME if same else NO,
        "active": SAME if same else NO,
        "cancelled": _return(account, paying, enough),
        "expired": _return(account, paying, enough),
    }
    if account.state == "active" and account.ending:
        return YES | enough | (PENDING if paying else enough)
    if account.blocked and account.state == "suspended":
        return enough if account.under == "trial" else NO | (SAME if same else NO)
    return answers.get(account.state, NO)


def _return(account: Account, paying: bool, answers: frozenset[str]) -> frozenset[str]:
    """Coming back: not while an operator suspends, nor to a site that never was; one payment at a time."""
    if account.blocked or account.ready_at is None:
        return NO | (PENDING if paying else NO)
    return PENDING if paying else answers


def _change_plan(seen: Seen, account: Account, paying: bool, _time: bool) -> frozenset[str]:
    agents, now = seen.given("agents"), account.later or account.plan
    subscribed = account.plan is not None and account.under != "trial"
    match account.state:
        case "trial":
            return NO | (frozenset({"agents.trial_limit"}) if agents > account.trial_agents else frozenset())
        case "active" if paying:
            return PENDING
        case "active" if agents > (account.plan or 0):
            return YES | (frozenset({"agents.below_used"}) if agents < seen.used else frozenset())
        case "trial_subscribed" | "active":
            return _fits(seen, account, same=agents == now)
        case "suspended" if account.blocked and subscribed:
            answers = NO if agents > (account.plan or 0) else _fits(seen, account, same=agents == now)
            return answers | (PENDING if paying else frozenset())
    return NO


def _fits(seen: Seen, account: Account, *, same: bool) -> frozenset[str]:
    """Asking for today's number withdraws a reduction, however many agents are in use."""
    if not same and seen.given("agents") == account.plan:
        return YES
    below = seen.given("agents") < seen.used
    answers = SAME if same else frozenset({"agents.below_used"}) if below else YES
    return answers | (frozenset({"agents.below_used"}) if below else frozenset())


def _pay(seen: Seen, account: Account, paying: bool, _time: bool) -> frozenset[str]:
    match account.state:
        case "provisioning" | "failed":
            return NO
        case "past_due":
            return PENDING if paying else _tried(seen, account)
        case "suspended" if account.blocked:
            over = account.period is not None and seen.now >= account.period[1]  # a new one begins at the resume
            answers = _tried(seen, account) if account.owes else SAME
            return answers | (PENDING if paying else answers) | (SAME if over else answers)
        case "suspended":
            return PENDING if paying else _tried(seen, account)
    return SAME


def _tried(seen: Seen, account: Account) -> frozenset[str]:
    """A card that was refused for good is not tried again."""
    same = seen.given("payment_method") in {None, account.card}
    return YES | NO if account.card_refused and same else YES


def _update_payment(seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    subscribed = account.state == "suspended" and account.plan is not None and account.under != "trial"
    if account.state in {"trial_subscribed", "active", "past_due"} or subscribed:
        return _tried(seen, account)
    return NO


def _cancel(seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    if account.state in {*ENDED, "deleting"}:
        return SAME
    if seen.given("when") != "period_end":
        return YES
    match account.state:
        case "trial":
            return SAME
        case "trial_subscribed" | "active":
            return SAME if account.ending else YES
        case "past_due" | "suspended":
            return NO | EITHER
    return NO


def _keep(_seen: Seen, account: Account, paying: bool, time_left: bool) -> frozenset[str]:
    match account.state:
        case "past_due" | "suspended" if account.ending:
            return YES
        case "trial" | "active" | "past_due" | "trial_subscribed":
            return YES if account.ending else SAME
        case "suspended":
            return NO
        case "cancelled" | "expired":
            return _return(account, paying, YES if time_left else NO)
    return NO


def _update_contact(seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    return SAME if seen.given("email") == account.contact else YES


def _export(_seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    return EITHER if account.ready_at is not None and account.state not in {"provisioning", "failed"} else NO


def _back_up(_seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    return EITHER if account.state in ONLINE else NO


def _restore(_seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    if account.state not in ONLINE:
        return NO
    if account.held:
        return frozenset({"hold.active"})
    return YES | frozenset({"restore.no_such_point", "work.pending"})


def _waive(seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    if account.state in ENDED:
        return SAME if seen.given("guard") in account.waived else EITHER
    return NO | (EITHER if account.state == "past_due" and seen.given("guard") == "notice" else frozenset())


def _extend_trial(_seen: Seen, account: Account, paying: bool, _time: bool) -> frozenset[str]:
    match account.state:
        case "trial" | "trial_subscribed":
            return YES
        case "suspended" if account.blocked:
            return YES if account.under in {"trial", "trial_subscribed"} else NO
        case "expired":
            return NO | (PENDING if paying else NO) if account.blocked else PENDING if paying else YES
    return NO


def _suspend(_seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    if account.state in {"provisioning", "failed"}:
        return NO
    return SAME if account.blocked else YES


def _resume(_seen: Seen, account: Account, paying: bool, _time: bool) -> frozenset[str]:
    return (YES | (PENDING if paying else YES)) if account.blocked else NO


def _hold(_seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    return SAME if account.held else YES


def _release(_seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    return YES if account.held else SAME


def _record_refund(seen: Seen, account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    """What was paid is given back; the period that runs only to who has left."""
    bill = seen.command.bill
    if bill is None:
        return NO | frozenset({"invoice.unknown", "site.deleted"})
    runs = bill.kind == "period" and bill.period_start <= seen.now < bill.period_end
    if bill.status != "paid" or (runs and account.state in {"active", "past_due", "suspended"}):
        return NO
    return YES if account.state not in {"trial", "trial_subscribed"} else YES | NO


def _mail_bounced(_seen: Seen, _account: Account, _paying: bool, _time: bool) -> frozenset[str]:
    return EITHER


RULES = {
    "record_refund": _record_refund,
    "mail_bounced": _mail_bounced,
    "subscribe": _subscribe,
    "change_plan": _change_plan,
    "pay": _pay,
    "update_payment": _update_payment,
    "cancel": _cancel,
    "keep": _keep,
    "update_contact": _update_contact,
    "export": _export,
    "back_up": _back_up,
    "restore": _restore,
    "waive": _waive,
    "extend_trial": _extend_trial,
    "suspend": _suspend,
    "resume": _resume,
    "hold": _hold,
    "release": _release,
}
