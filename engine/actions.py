"""The words of the law's `then` column that are about a site's life. Leaving, money and letters have other rooms.

Each changes the facts of a case or asks for an effect. None does anything in the world.
"""

from datetime import timedelta

from engine.bounces import tell_notices_again
from engine.cancellation import days_kept, tell_again, tell_deletion
from engine.case import Case, known
from engine.faults import NOT_BUILT, is_tried_again, name_of, note
from engine.letters import period_price
from engine.nights import trouble
from engine.policy import DAY
from engine.predicates import deletion_is_late
from engine.site import Fault, Site
from engine.timers import timers
from engine.vocabulary import action
from engine.words import moment, shown


@action
def nothing(case: Case) -> None:
    """Answer `no_op`."""
    case.quiet = True


# A trial


@action
def open_account(case: Case) -> None:
    """What a trial promises is frozen here."""
    data, policy = case.command.data, case.policy
    case.site_or_none = Site(
        id=case.command.new_site_id,
        host=case.command.host,
        account=data["account"],
        email=data["email"],
        state="provisioning",
        created_at=case.now,
        trial_days=policy.trial // DAY,
        trial_agents=policy.trial_agents,
        retention_days=policy.retention // DAY,
        agents_allowed=policy.trial_agents,
    )


@action
def provision(case: Case) -> None:
    """Asked once for a site: a retry takes up the same effect."""
    case.must("provision", once=True, agents=case.site.agents_allowed)


@action
def begin_trial(case: Case) -> None:
    """30 days from the moment the site is ready."""
    ends = case.now + case.site.trial_days * DAY
    case.change(ready_at=case.now, trial_ends_at=ends, used_agents=1, night_at=case.now)


@action
def take_down(case: Case) -> None:
    """Take a site offline that was cancelled while it was built."""
    case.must("take_offline")


@action
def note_failure(case: Case) -> None:
    """A site that could not be built keeps its hostname for a while."""
    case.change(cancelled_at=case.now, retention_days=days_kept(case))
    what = f"the site could not be built ({shown(case.given('error'))})"
    note(case, Fault(NOT_BUILT, case.now, what, "site.retry builds it again, site.cancel gives it up"))


@action
def forget_failure(case: Case) -> None:
    """The same effect is taken up again."""
    case.change(cancelled_at=None, deletes_at=None)
    case.revives = "everything"
    case.notes.append("tried again: the site is built")


@action
def remind(case: Case) -> None:
    """A reminder of what day 30 brings; a stale one is dropped."""
    ends = known(case.site.trial_ends_at)
    due = timers(case.site, case.policy)["remind"]
    case.change(reminded_at=due)
    if case.now - due > case.policy.stale_after:
        return
    if case.site.state == "trial":
        case.mail("trial_ending", days=(ends - due) // DAY, trial_ends_at=ends, kept_days=days_kept(case))
    else:
        case.mail(
            "first_charge_soon",
            first_charge_at=ends,
            amount_cents=period_price(case.site),
            currency=case.site.currency,
            plan_agents=case.site.plan_agents,
        )


@action
def extend_trial(case: Case) -> None:
    """Later by whole days; an expired trial is extended from now. What follows day 30 moves with it."""
    site = case.site
    ends = max(known(site.trial_ends_at), case.now) + timedelta(days=case.command.data["days"])
    case.change(trial_ends_at=ends, cancels_at=ends if site.cancels_at else None, reminded_at=case.now)
    case.notes.append(f"the trial now ends at {moment(ends)}")


# Operators


@action
def suspend_by_operator(case: Case) -> None:
    """A fact beside the state: it remembers where from; in both reasons the unpaid clock stands still."""
    was = case.site.state
    case.change(
        suspended_reason=case.given("reason"),
        suspended_at=case.now,
        suspended_from=was if was != "suspended" else "past_due",
    )
    case.notes.append("nothing is charged and nobody comes back until site.resume")


@action
def lift_suspension(case: Case) -> None:
    """Time went on meanwhile, except for the clock of an unpaid invoice."""
    site = case.site
    stood = case.now - known(site.suspended_at)
    case.change(
        suspended_reason=None,
        suspended_at=None,
        suspended_from=None,
        unpaid_since=site.unpaid_since + stood if site.unpaid_since else None,
        night_at=case.now,
    )


@action
def remember_subscribed(case: Case) -> None:
    """A suspended trial is a subscribed one after the resume."""
    case.change(suspended_from="trial_subscribed")


@action
def remember_active(case: Case) -> None:
    """A suspended site has paid and is active after the resume."""
    case.change(suspended_from="active", unpaid_since=None)


@action
def remember_past_due(case: Case) -> None:
    """A suspended site was declined and is past due after the resume."""
    case.change(suspended_from="past_due")


@action
def hold(case: Case) -> None:
    """Begin a legal hold."""
    case.change(held_for=case.given("reason"), held_since=case.now)
    case.notes.append(
        "nothing of it is deleted, pruned or restored until site.release; charges and cancellations go on"
    )


@action
def release(case: Case) -> None:
    """After the date a new notice is sent, and the deletion comes 48 h after it; one that has begun goes on."""
    case.change(held_for=None, held_since=None)
    began = case.site.state == "deleting"
    case.revives = "everything" if began else ""
    if deletion_is_late(case) and not (began and case.site.removing_since):
        tell_again(case)
        tell_deletion(case)


@action
def try_again(case: Case) -> None:
    """All that gave up and is still wanted; the answer names each."""
    site = case.site
    again = [fault for fault in site.faults if is_tried_again(fault)]
    names = [name_of(fault.kind or "notice", fault.about) for fault in again]
    names += [] if trouble(site) is None else ["back_up (nightly)"]
    names = names or ["delete"]
    tell_notices_again(case)
    case.change(faults=tuple(one for one in site.faults if one not in again), night_again_at=None)
    case.notes.append(f"tried again: {', '.join(names)}")
    case.revives = "everything"


# The customer's data


@action
def change_contact(case: Case) -> None:
    """Both addresses are told."""
    old, new = case.site.email, case.given("email")
    facts = {"old_email": old, "new_email": new, "changed_at": case.now}
    case.change(email=new, contact_since=case.now)
    if case.site.faults:
        write_again(case)
    case.mail("contact_changed", **facts)
    case.must("mail", of="contact_changed_to_old", letter="contact_changed", to=old, **facts)


def write_again(case: Case) -> None:
    """Letters that gave up are tried again: they go to the present address."""
    tell_notices_again(case)
    letters = [fault for fault in case.site.faults if fault.kind == "mail"]
    if letters:
        case.change(faults=tuple(fault for fault in case.site.faults if fault not in letters))
        case.notes.append(f"sent to the new address: {', '.join(fault.about for fault in letters)}")
        case.revives = "letters"


@action
def export(case: Case) -> None:
    """Prepare a download of the customer's data."""
    case.must("export", generation=case.site.generation)


@action
def back_up(case: Case) -> None:
    """Make a backup on demand."""
    case.must("back_up", purpose="on_demand", generation=case.site.generation)
