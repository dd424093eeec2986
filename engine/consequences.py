"""The words of the law's `then` column that are about a site's life; money has a room of its own.

Each changes the facts of a case or asks for an effect or a letter. None does anything in the world.
"""

from datetime import datetime, timedelta

from engine.authority import authorize_destruction
from engine.case import Case
from engine.nights import next_night
from engine.site import Site
from engine.words import agents_in_words, moment, shown


def nothing(case: Case) -> None:
    """Answer `no_op`."""
    case.quiet = True


# A trial


def open_account(case: Case) -> None:
    data, policy = case.command.data, case.policy
    case.site_or_none = Site(
        id=case.command.new_site_id,
        host=case.command.host,
        account=data["account"],
        email=data["email"],
        state="provisioning",
        created_at=case.now,
        trial_agents=policy.trial_agents,
        agents_allowed=policy.trial_agents,
    )


def provision(case: Case) -> None:
    case.must("provision", agents=case.site.agents_allowed)


def begin_trial(case: Case) -> None:
    case.change(ready_at=case.now, trial_ends_at=case.now + case.policy.trial, used_agents=1, night_at=case.now)


def take_down(case: Case) -> None:
    case.must("take_offline")


def note_failure(case: Case) -> None:
    case.change(
        cancelled_at=case.now,
        attention=f"the site could not be built ({shown(case.given('error'))}): "
        "site.retry builds it again, site.cancel gives it up",
    )


def remind(case: Case) -> None:
    """A reminder of what day 30 brings; a stale one is dropped."""
    due = case.command.data["due_at"]
    case.change(reminded_at=case.now)
    if case.now - due > case.policy.stale_after or case.site.trial_ends_at is None:
        return
    if case.site.state == "trial":
        case.mail("trial_ending", days=-((due - case.site.trial_ends_at) // timedelta(days=1)))
    else:
        case.mail("first_charge_soon", first_charge_at=case.site.trial_ends_at, amount_cents=period_price(case.site))


def extend_trial(case: Case) -> None:
    """Later by whole days; an expired trial is extended from now."""
    ends = max(case.site.trial_ends_at or case.now, case.now) + timedelta(days=case.command.data["days"])
    case.change(trial_ends_at=ends, reminded_at=None)
    case.notes.append(f"the trial now ends at {moment(ends)}")


# Leaving and coming back


def end_service(case: Case) -> None:
    """A new generation begins: evidence of an older one no longer counts for a deletion."""
    case.change(
        generation=case.site.generation + 1,
        cancelled_at=case.now,
        cancels_at=None,
        export_ready_at=None,
        final_backup_at=None,
        warned_at=None,
        final_warning_at=None,
        notice_sent_at=None,
        deletes_at=None,
        waived=(),
        next_agents=None,
        unpaid_since=None,
    )


def say_farewell(case: Case) -> None:
    """The two things that a deletion will need: a download for the customer and a last backup."""
    generation = case.site.generation
    case.must("export", generation=generation)
    case.must("back_up", of="final", purpose="final", generation=generation)
    case.notes.append(
        f"the site goes offline; its data can be downloaded for at least {case.policy.retention.days} days from when "
        f"the download is ready, and is deleted no earlier than {moment(case.now + case.policy.retention)}"
    )


def date_deletion(case: Case) -> None:
    """Set or move `deletes_at`: 14 days after the end and after the first export; it only ever moves later."""
    site = case.site
    if site.cancelled_at is None or not (site.export_ready_at or site.ready_at is None or "export" in site.waived):
        return
    dates = [site.cancelled_at + case.policy.retention]
    if site.export_ready_at:
        dates.append(site.export_ready_at + case.policy.retention)
    move_deletion(case, max(dates))


def move_deletion(case: Case, earliest: datetime) -> None:
    """Never before a moment that the customer was told."""
    case.change(deletes_at=max(earliest, case.site.deletes_at or earliest))


def come_back(case: Case) -> None:
    """A return is a new generation as well: what was prepared for the deletion is void."""
    end_service(case)
    case.change(cancelled_at=None, night_at=case.now)


def drop_plan(case: Case) -> None:
    case.change(plan_agents=None, price_cents=None, payment_method=None)


def fall_back_to_trial(case: Case) -> None:
    """A subscribed trial cancelled for its end: free until day 30, then it expires; `keep` subscribes it again."""
    case.change(cancels_at=case.site.trial_ends_at)
    case.mail("cancellation_scheduled")


def end_with_period(case: Case) -> None:
    case.change(cancels_at=case.site.period_ends_at)
    case.notes.append(f"the site stays active until {moment(case.site.cancels_at)}, which is paid for")
    case.mail("cancellation_scheduled")


def withdraw_cancellation(case: Case) -> None:
    case.change(cancels_at=None)
    case.mail("cancellation_withdrawn")


# Operators


def suspend_by_operator(case: Case) -> None:
    """A fact beside the state: it remembers where from; in both reasons the unpaid clock stands still."""
    was = case.site.state
    case.change(
        suspended_reason=case.given("reason"),
        suspended_at=case.now,
        suspended_from=was if was != "suspended" else "past_due",
    )


def lift_suspension(case: Case) -> None:
    """Time went on meanwhile, except for the clock of an unpaid invoice."""
    site = case.site
    stood = case.now - (site.suspended_at or case.now)
    case.change(
        suspended_reason=None,
        suspended_at=None,
        suspended_from=None,
        unpaid_since=site.unpaid_since + stood if site.unpaid_since else None,
        night_at=case.now,
    )


def remember_subscribed(case: Case) -> None:
    case.change(suspended_from="trial_subscribed")


def remember_active(case: Case) -> None:
    case.change(suspended_from="active", unpaid_since=None)


def remember_past_due(case: Case) -> None:
    case.change(suspended_from="past_due")


def hold(case: Case) -> None:
    case.change(held_for=case.given("reason"), held_since=case.now)


def release(case: Case) -> None:
    """After the date a new notice is sent, and the deletion comes 48 h after it."""
    case.change(held_for=None, held_since=None)
    deletes_at = case.site.deletes_at
    if deletes_at is not None and case.site.ready_at is not None and case.now > deletes_at - case.policy.notice:
        case.change(final_warning_at=None, notice_sent_at=None)
        move_deletion(case, case.now + case.policy.notice)


def waive(case: Case) -> None:
    """Lifts one guard for this generation; it never shortens the 14 days, nor the 48 h of a notice already given."""
    case.change(waived=(*case.site.waived, case.given("guard")))
    date_deletion(case)
    if case.site.deletes_at is not None:
        move_deletion(case, case.now + case.policy.notice)


def try_again(case: Case) -> None:
    case.change(attention=None, cancelled_at=None if case.site.state == "failed" else case.site.cancelled_at)
    if case.site.state == "failed":
        case.change(deletes_at=None)
    case.revives = True


def ask_for_attention(case: Case) -> None:
    kind, error = case.given("kind"), case.given("error")
    case.change(attention=f"{kind} gave up: {shown(error)}; mend the cause, then site.retry")


# The customer's data


def change_contact(case: Case) -> None:
    old, new = case.site.email, case.given("email")
    case.change(email=new)
    case.mail("contact_changed", old_email=old, new_email=new)
    case.must("mail", of="contact_changed_to_old", letter="contact_changed", to=old, old_email=old, new_email=new)


def export(case: Case) -> None:
    case.must("export", generation=case.site.generation)


def note_export(case: Case) -> None:
    """Retention counts from the first export of this generation; a later one does not move it."""
    if case.site.export_ready_at is None:
        case.change(export_ready_at=case.now)


def mail_download(case: Case) -> None:
    export = {name: case.given(name) for name in ("url", "bytes", "sha256")}
    case.mail("download_ready", **export, deletes_at=case.site.deletes_at)


def back_up(case: Case) -> None:
    case.must("back_up", purpose="on_demand", generation=case.site.generation)


def back_up_tonight(case: Case) -> None:
    case.change(night_at=case.now)
    case.must("back_up", of="nightly", purpose="nightly", generation=case.site.generation)
    case.notes.append(f"next nightly backup at {moment(next_night(case.site))}")


def note_final_backup(case: Case) -> None:
    case.change(final_backup_at=case.now)


# Deleting


def warn(case: Case) -> None:
    """7 days before, and 48 h before: a late first warning is left out, a late notice is always sent."""
    site = case.site
    if site.deletes_at is None:
        return
    if case.now < site.deletes_at - case.policy.notice:
        case.change(warned_at=case.now)
        case.mail("deletion_in_7_days", deletes_at=site.deletes_at)
        return
    move_deletion(case, case.now + case.policy.notice)
    case.change(warned_at=case.now, final_warning_at=case.now)
    case.mail("deletion_in_48_hours", deletes_at=case.site.deletes_at, generation=site.generation)


def note_notice(case: Case) -> None:
    """The notice is out: the deletion comes 48 h after it at the earliest."""
    case.change(notice_sent_at=case.now)
    move_deletion(case, case.now + case.policy.notice)


def delete(case: Case) -> None:
    """From here there is no way back to a living site."""
    reasons = authorize_destruction(case.site, case.now, case.policy)
    if reasons:
        raise LookupError(f"{case.site.id} reached its deletion unauthorized: {reasons}")
    case.must("delete", generation=case.site.generation)


def close_the_book(case: Case) -> None:
    """The tombstone keeps the name and the dates, and nothing about a person."""
    case.change(
        deleted_at=case.now,
        email="",
        payment_method=None,
        attention=None,
        held_for=None,
        suspended_reason=None,
    )


def period_price(site: Site) -> int:
    """What a whole period of the chosen plan costs, in minor units."""
    return (site.plan_agents or 0) * (site.price_cents or 0)


# Letters


def mail_welcome(case: Case) -> None:
    case.mail("welcome")


def mail_subscribed(case: Case) -> None:
    case.mail("subscribed", first_charge_at=case.site.trial_ends_at, amount_cents=period_price(case.site))
    case.notes.append(
        f"{agents_in_words(case.site.plan_agents or 0)}; first charge of {period_price(case.site)} minor units "
        f"at {moment(case.site.trial_ends_at)}"
    )


def mail_trial_expired(case: Case) -> None:
    case.mail("trial_expired")


def mail_cancelled(case: Case) -> None:
    case.mail("cancelled")


def mail_suspended(case: Case) -> None:
    case.mail("suspended_operator")


def mail_back_online(case: Case) -> None:
    case.mail("back_online")


def mail_welcome_back(case: Case) -> None:
    case.mail("welcome_back")
