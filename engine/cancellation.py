"""The words of the law's `then` column that are about the end: leaving, coming back, and the way to a deletion."""

from datetime import datetime

from engine.alarms import alarm
from engine.authority import authorize_destruction, kept_for, needs
from engine.case import Case, currency_of, known
from engine.policy import DAY
from engine.vocabulary import action
from engine.words import masked, moment, money

# Leaving and coming back


def days_kept(case: Case) -> int:
    """For how many days this customer's data is kept."""
    return kept_for(case.site, case.policy) // DAY


@action
def end_service(case: Case) -> None:
    """A new generation begins: evidence of an older one no longer counts for a deletion."""
    case.change(
        generation=case.site.generation + 1,
        cancelled_at=case.now,
        retention_days=days_kept(case),
        cancels_at=None,
        export_ready_at=None,
        final_backup_at=None,
        warned_at=None,
        final_warning_at=None,
        notice_sent_at=None,
        deletes_at=None,
        waived=(),
        unpaid_since=None,
    )


@action
def export_and_back_up(case: Case) -> None:
    """The two things that a deletion will need: a download for the customer and a last backup."""
    site = case.site
    kept = kept_for(site, case.policy)
    case.must("export", generation=site.generation)
    case.must("back_up", of="final", purpose="final", generation=site.generation)
    case.notes.append(
        f"the site goes offline; its data can be downloaded for at least {kept // DAY} days from when "
        f"the download is ready, and is deleted no earlier than {moment(case.now + kept)}"
    )
    if site.period_ends_at is not None and case.now < site.period_ends_at:
        days = (site.period_ends_at - case.now) // DAY
        case.notes.append(
            f"given up: {days} paid {'day' if days == 1 else 'days'} until {moment(site.period_ends_at)}; no refund"
        )


@action
def come_back(case: Case) -> None:
    """A return is a new generation as well: what was prepared for the deletion is void."""
    end_service(case)
    case.change(cancelled_at=None, night_at=case.now)


@action
def drop_plan(case: Case) -> None:
    """A trial without a plan; the price that was once agreed stays agreed."""
    case.change(plan_agents=None, next_agents=None, payment_method=None)


@action
def fall_back_to_trial(case: Case) -> None:
    """A subscribed trial cancelled for its end: free until day 30, then it expires; `keep` subscribes it again."""
    case.change(cancels_at=case.site.trial_ends_at)
    case.notes.append(f"nothing is charged; the trial goes on until {moment(case.site.cancels_at)}")
    announce_end(case)


@action
def end_with_period(case: Case) -> None:
    """Active until the end of what is paid for."""
    case.change(cancels_at=case.site.period_ends_at)
    case.notes.append(f"the site stays active until {moment(case.site.cancels_at)}{what_is_owed(case)}")
    announce_end(case)


def what_is_owed(case: Case) -> str:
    """What the customer still pays for the time until then."""
    owed, paying = case.site.owed, case.site.paying
    if owed is not None:
        amount = money(owed.amount_cents, known(case.site.currency))
        return f"; {amount} for the period until then are still owed, and their payment is under way"
    if paying is not None:
        return f"; a payment of {money(paying.amount_cents, currency_of(case, paying))} ({paying.reason}) is under way"
    return ", which is paid for"


def announce_end(case: Case) -> None:
    """When the service ends, and when the data would be deleted at the earliest."""
    ends, kept = known(case.site.cancels_at), kept_for(case.site, case.policy)
    case.notes.append(
        f"then it goes offline; its data can be downloaded for at least {kept // DAY} days from when "
        f"the download is ready, and is deleted no earlier than {moment(ends + kept)}"
    )
    case.mail("cancellation_scheduled", cancels_at=ends, kept_days=kept // DAY)


@action
def withdraw_cancellation(case: Case) -> None:
    """All goes on as before."""
    case.change(cancels_at=None)
    at = case.site.period_ends_at or case.site.trial_ends_at
    owes = case.site.owed is not None
    case.notes.append(
        "the site goes on; what is owed for this period is still to be paid"
        if owes
        else f"the site goes on; the next charge is at {moment(at)}"
    )
    case.mail("cancellation_withdrawn", next_charge_at=None if owes else at)


# The way to a deletion


@action
def date_deletion(case: Case) -> None:
    """Set or move `deletes_at`: 14 days after the end and after the first export; it only ever moves later."""
    site = case.site
    if site.export_ready_at is not None:
        move_deletion(case, max(known(site.cancelled_at), site.export_ready_at) + kept_for(site, case.policy))
    elif not needs(site, "export"):
        move_deletion(case, known(site.cancelled_at) + kept_for(site, case.policy))


def move_deletion(case: Case, earliest: datetime) -> None:
    """Never before a moment that the customer was told."""
    case.change(deletes_at=max(earliest, case.site.deletes_at or earliest))


@action
def tell_deletion(case: Case) -> None:
    """When the data would be deleted, as things stand."""
    at = case.site.deletes_at
    when = "after the download is ready" if at is None else f"no earlier than {moment(at)}"
    case.notes.append(f"the data is deleted {when}")


@action
def note_export(case: Case) -> None:
    """Retention counts from the first export of this generation; a later one does not move it."""
    case.change(export_ready_at=case.site.export_ready_at or case.now)


@action
def note_final_backup(case: Case) -> None:
    """The first good one is enough."""
    case.change(final_backup_at=case.site.final_backup_at or case.now)


@action
def ask_for_a_waiver(case: Case) -> None:
    """A partial backup does not count: an operator has to look, or the deletion would wait for ever."""
    count = case.given("left_out")
    case.tell("alarm.raised", **alarm("backup.partial", f"the final backup is partial: {count} things were left out"))


@action
def waive(case: Case) -> None:
    """Lifts one guard for this generation; it never shortens the 14 days, and the deletion is 48 h away at least."""
    case.change(waived=(*case.site.waived, case.given("guard")))
    date_deletion(case)
    if case.site.deletes_at is not None:
        move_deletion(case, case.now + case.policy.notice)


@action
def warn(case: Case) -> None:
    """7 days before, and 48 h before: a late first warning is left out, a late notice is always sent."""
    if case.now < known(case.site.deletes_at) - case.policy.notice:
        case.change(warned_at=case.now)
        case.mail("deletion_in_7_days", deletes_at=case.site.deletes_at)
        return
    give_last_notice(case)


def give_last_notice(case: Case) -> None:
    """The deletion comes 48 h after it is sent, at the earliest."""
    move_deletion(case, case.now + case.policy.notice)
    case.change(warned_at=case.now, final_warning_at=case.now)
    case.mail("deletion_in_48_hours", deletes_at=case.site.deletes_at, generation=case.site.generation)


@action
def note_removal(case: Case) -> None:
    """From here on something is gone: the customer is told of no other date."""
    case.change(removing_since=case.site.removing_since or case.now)


@action
def tell_again(case: Case) -> None:
    """The customer is told anew, and the deletion comes 48 h after that."""
    case.change(final_warning_at=None, notice_sent_at=None)
    move_deletion(case, case.now + case.policy.notice)


@action
def note_notice(case: Case) -> None:
    """The notice is out: the deletion comes 48 h after it at the earliest."""
    case.change(notice_sent_at=case.now)
    move_deletion(case, case.now + case.policy.notice)


@action
def delete(case: Case) -> None:
    """From here there is no way back to a living site."""
    reasons = authorize_destruction(case.site, case.now, case.policy)
    if reasons:
        raise LookupError(f"{case.site.id} reached its deletion unauthorized: {reasons}")
    case.must("delete", generation=case.site.generation)


@action
def leave_tombstone(case: Case) -> None:
    """The tombstone keeps the name and the dates, and nothing about a person."""
    case.change(
        deleted_at=case.now,
        email="",
        account=masked(case.site.account),
        payment_method=None,
        attention=None,
        held_for=None,
        suspended_reason=None,
    )
