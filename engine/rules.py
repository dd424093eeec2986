"""The rules on one page: command, from, to, when, then.

Read a row as a sentence: in one of the states `sources`, the command leads to `to` (SAME: the state stays) if every
word of `when` holds, and then the words of `then` follow. Rows are tried from the top; the first that holds decides.
A guard (`must_…`) refuses with a reason where it does not hold; any other word of `when` passes on to the next row.
A row without a `then` answers `no_op`. What no row allows is refused with `state.illegal`.

Each word is a function, imported by its name: "go to definition" leads to what it does. A new word is declared there
(`engine/vocabulary.py`).

Some things follow from the facts alone and stand in no row: going online and offline (by the state), the agent limit
of the site, its version, and its timers (`engine/timers.py`).
"""

# fmt: off
# isort: off
from collections.abc import Sequence
from dataclasses import dataclass

from engine.actions import (
    back_up, begin_trial, change_contact, export, extend_trial, forget_failure, hold, lift_suspension, note_failure,
    nothing, open_account, provision, release, remember_active, remember_past_due, remember_subscribed, remind,
    suspend_by_operator, take_down, try_again,
)
from engine.backups import (
    back_up_nightly, mail_restored, must_have_a_restore_point, must_not_be_held, note_nightly_backup, restore,
    retry_nightly_backup,
)
from engine.billing import (
    begin_new_period, begin_paying, begin_period, charge_added_agents, charge_new_start, charge_owed,
    start_free_period,
)
from engine.bounces import (
    deletion_notice_bounced, deletion_notice_counts, suspension_notice_bounced, suspension_notice_counts,
    withdraw_deletion_notice, withdraw_suspension_notice,
)
from engine.cancellation import (
    ask_for_a_waiver, come_back, date_deletion, delete, drop_plan, end_service, end_with_period, export_and_back_up,
    fall_back_to_trial, leave_tombstone, note_export, note_final_backup, note_notice, note_removal, tell_again,
    tell_deletion, waive, warn, withdraw_cancellation,
)
from engine.dunning import last_try_is_over, notice_is_lacking
from engine.faults import close_fault, is_open_fault, not_wanted_any_more, open_fault, something_gave_up
from engine.guards import (
    must_be_asked_by_an_operator, must_be_at_once, must_be_authorized, must_be_due, must_be_subscribed_first,
    must_be_suspended_by_operator, must_cover_used_agents, must_have_a_free_hostname, must_have_been_ready,
    must_have_been_unpaid_14_days, must_have_no_payment_pending, must_have_no_restore_under_way,
    must_have_reached_cancels_at, must_have_reached_day_30, must_have_reached_period_end, must_name_a_card_to_try,
    must_not_be_suspended,
)
from engine.letters import (
    mail_back_online, mail_cancelled, mail_download, mail_receipt, mail_subscribed, mail_suspended,
    mail_trial_expired, mail_welcome, mail_welcome_back, tell_plan,
)
from engine.open_payments import refund_dropped, void_dropped, withdraw_charge, write_off
from engine.payment_results import (
    allow_paid_agents, ask_for_refund, book_late_payment, book_new_start, book_payment, count_attempt,
    give_up_charge, note_decline, note_suspension_notice, pause_retries_a_day, raise_paid_agents, suspend_unpaid,
    void_charge, withdraw_refund_request,
)
from engine.plans import (
    choose_agents, choose_card, choose_plan, fit_agents, forget_reduction, raise_agents, reduce_later,
    withdraw_reduction,
)
from engine.predicates import (
    by_operator, card_refused, costs_nothing, deletion_is_late, ending, ending_over, fell_back_to_trial, held,
    never_ready, no_payment_pending, not_by_operator, nothing_is_removed, owing, owing_a_period_that_runs,
    paid_period_runs, payment_pending, period_over, plan_chosen, reduction_waits, subscribed, trial_over,
    trial_runs, was_charged, was_in_trial, was_past_due, was_plain_trial, was_subscribed_trial, was_unpaid,
)
from engine.refunds import forget_refunded_period, must_name_a_paid_invoice, must_not_be_of_this_period, record_refund
from engine.report_predicates import (
    card_changed, is_complete, is_final, is_nightly, is_the_pending_payment, not_awaited, of_the_owed_invoice,
    of_this_generation, pays_agents, pays_new_start, pays_period, pays_return, was_dropped,
)
from engine.request_predicates import (
    already_waived, at_period_end, back_up_under_way, export_under_way, fewer_agents, of_the_notice, same_agents,
    same_contact, same_plan, same_reduction, too_little_to_charge,
)
from engine.site import ABSENT, STATES
from engine.vocabulary import VOCABULARY, Action, Condition
# isort: on
# fmt: on

SAME = None
TRIALS = "trial trial_subscribed"
SERVED = "trial trial_subscribed active past_due"
GONE = "cancelled expired"
READY = f"{SERVED} suspended {GONE}"
LIVING = " ".join(state for state in STATES if state != "deleted")
MAY_COME_BACK = (must_have_no_payment_pending, must_not_be_suspended, must_have_been_ready)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: `to` is None where the state stays."""

    command: str
    sources: tuple[str, ...]
    to: str | None
    when: tuple[Condition, ...]
    then: tuple[Action, ...]

    @property
    def acts(self) -> bool:
        """Whether it does something, so that the answer is not `no_op`."""
        return self.then != (nothing,)


def rule(
    command: str,
    sources: str,
    to: str | None = SAME,
    when: Sequence[Condition] = (),
    then: Sequence[Action] = (nothing,),
) -> Rule:
    """A row; `sources` are states separated by spaces.

    Raises LookupError for a word that is not declared, TypeError for a word in the wrong column.
    """
    name = f"site.{command}"
    VOCABULARY.check_row(name, when, then)
    return Rule(name, tuple(sources.split()), to, tuple(when), tuple(then))


# fmt: off
RULES: tuple[Rule, ...] = (
    # A trial begins
    rule("start_trial", ABSENT, "provisioning", [], [open_account, provision]),
    rule("start_trial", LIVING, SAME, [must_have_a_free_hostname]),
    rule("provisioned", "provisioning", "trial_subscribed", [plan_chosen], [begin_trial, mail_welcome, mail_subscribed]),
    rule("provisioned", "provisioning", "trial", [], [begin_trial, mail_welcome]),
    rule("provisioned", "cancelled", SAME, [never_ready], [take_down]),
    rule("provision_failed", "provisioning", "failed", [], [note_failure, date_deletion]),
    rule("remind", TRIALS, SAME, [must_be_due], [remind]),
    rule("expire", "trial", "expired", [must_have_reached_day_30], [drop_plan, end_service, export_and_back_up, mail_trial_expired]),
    rule("extend_trial", TRIALS, SAME, [], [extend_trial]),
    rule("extend_trial", "suspended", SAME, [by_operator, was_in_trial], [extend_trial]),
    rule("extend_trial", "expired", "trial", [*MAY_COME_BACK], [come_back, extend_trial, mail_welcome_back]),

    # Subscribing, and coming back
    rule("subscribe", "provisioning", SAME, [], [choose_plan, tell_plan]),
    rule("subscribe", "trial", "trial_subscribed", [must_cover_used_agents], [choose_plan, mail_subscribed]),
    rule("subscribe", "active", SAME, [ending, same_agents], [choose_card, withdraw_cancellation, forget_reduction]),
    rule("subscribe", "active", SAME, [ending, must_have_no_payment_pending, must_cover_used_agents], [choose_card, withdraw_cancellation, fit_agents]),
    rule("subscribe", "trial_subscribed active", SAME, [same_plan]),
    rule("subscribe", "suspended", SAME, [by_operator, was_plain_trial, must_cover_used_agents], [choose_plan, remember_subscribed, mail_subscribed]),
    rule("subscribe", GONE, "trial_subscribed", [*MAY_COME_BACK, must_cover_used_agents, trial_runs], [come_back, choose_plan, mail_subscribed]),
    rule("subscribe", GONE, "active", [*MAY_COME_BACK, must_cover_used_agents, paid_period_runs], [withdraw_refund_request, come_back, choose_card, fit_agents, mail_welcome_back]),
    rule("subscribe", GONE, "active", [*MAY_COME_BACK, must_cover_used_agents, costs_nothing], [come_back, start_free_period, mail_welcome_back]),
    rule("subscribe", GONE, SAME, [*MAY_COME_BACK, must_cover_used_agents], [charge_new_start]),
    rule("keep", "trial", "trial_subscribed", [fell_back_to_trial], [withdraw_cancellation]),
    rule("keep", "active past_due", SAME, [ending], [withdraw_cancellation]),
    rule("keep", "suspended", SAME, [was_plain_trial, fell_back_to_trial], [withdraw_cancellation, remember_subscribed]),
    rule("keep", "suspended", SAME, [ending], [withdraw_cancellation]),
    rule("keep", SERVED),
    rule("keep", GONE, "trial", [*MAY_COME_BACK, trial_runs], [come_back, drop_plan, mail_welcome_back]),
    rule("keep", GONE, "active", [*MAY_COME_BACK, paid_period_runs], [withdraw_refund_request, come_back, mail_welcome_back]),

    # Change Plan, Charge Now
    rule("change_plan", "trial", SAME, [must_be_subscribed_first]),
    rule("change_plan", "trial_subscribed", SAME, [same_agents]),
    rule("change_plan", "trial_subscribed", SAME, [must_cover_used_agents], [choose_agents]),
    rule("change_plan", "active", SAME, [must_have_no_payment_pending, same_agents, reduction_waits], [withdraw_reduction]),
    rule("change_plan", "active", SAME, [same_agents]),
    rule("change_plan", "active", SAME, [same_reduction]),
    rule("change_plan", "active", SAME, [fewer_agents, must_cover_used_agents], [reduce_later]),
    rule("change_plan", "active", SAME, [too_little_to_charge], [raise_agents]),
    rule("change_plan", "active", SAME, [], [charge_added_agents]),
    rule("change_plan", "suspended", SAME, [by_operator, subscribed, same_agents, reduction_waits], [withdraw_reduction]),
    rule("change_plan", "suspended", SAME, [by_operator, subscribed, same_agents]),
    rule("change_plan", "suspended", SAME, [by_operator, subscribed, same_reduction]),
    rule("change_plan", "suspended", SAME, [by_operator, was_subscribed_trial, fewer_agents, must_cover_used_agents], [choose_agents]),
    rule("change_plan", "suspended", SAME, [by_operator, subscribed, fewer_agents, must_have_no_payment_pending, must_cover_used_agents], [reduce_later]),

    # Paying
    rule("renew", "trial_subscribed", "active", [must_have_reached_day_30], [begin_paying]),
    rule("renew", "active", SAME, [must_have_no_payment_pending, must_have_reached_period_end, must_be_due], [begin_period]),
    rule("pay", "past_due", SAME, [must_have_no_payment_pending, must_name_a_card_to_try], [choose_card, charge_owed]),
    rule("pay", "suspended", SAME, [was_unpaid, must_have_no_payment_pending, must_name_a_card_to_try], [choose_card, charge_new_start]),
    rule("pay", "suspended", SAME, [owing_a_period_that_runs, must_have_no_payment_pending, must_name_a_card_to_try], [choose_card, charge_owed]),
    rule("pay", f"{TRIALS} active suspended {GONE}"),
    rule("update_payment", "trial_subscribed active", SAME, [], [choose_card]),
    rule("update_payment", "past_due", SAME, [payment_pending], [choose_card]),
    rule("update_payment", "past_due", SAME, [must_name_a_card_to_try], [choose_card, charge_owed]),
    rule("update_payment", "suspended", SAME, [subscribed], [choose_card]),
    rule("retry_charge", "past_due", "suspended", [must_be_due, card_refused, last_try_is_over], [suspend_unpaid]),
    rule("retry_charge", "past_due", SAME, [card_refused], [count_attempt]),
    rule("retry_charge", "past_due", SAME, [notice_is_lacking], [count_attempt]),
    rule("retry_charge", "past_due", SAME, [], [charge_owed, pause_retries_a_day]),
    rule("suspension_noticed", "past_due suspended", SAME, [of_the_owed_invoice], [note_suspension_notice]),
    rule("give_up", "suspended", "cancelled", [not_by_operator, must_have_no_payment_pending, must_have_been_unpaid_14_days], [write_off, end_service, export_and_back_up, mail_cancelled]),

    # What the card network answers
    rule("charge_succeeded", f"{LIVING} deleted", SAME, [was_dropped], [refund_dropped]),
    rule("charge_succeeded", LIVING, SAME, [not_awaited]),
    rule("charge_succeeded", "active past_due", "active", [pays_period], [allow_paid_agents, book_payment, mail_receipt]),
    rule("charge_succeeded", "active suspended", SAME, [pays_agents], [raise_paid_agents, book_payment, mail_receipt]),
    rule("charge_succeeded", "suspended", SAME, [pays_period], [allow_paid_agents, book_payment, remember_active, mail_receipt]),
    rule("charge_succeeded", "suspended", "active", [pays_new_start, not_by_operator], [book_new_start, mail_receipt, mail_back_online]),
    rule("charge_succeeded", "suspended", SAME, [pays_new_start], [book_new_start, remember_active, mail_receipt]),
    rule("charge_succeeded", GONE, "suspended", [pays_return, by_operator], [come_back, book_new_start, remember_active, mail_receipt]),
    rule("charge_succeeded", GONE, "active", [pays_return], [come_back, book_new_start, mail_receipt, mail_welcome_back]),
    rule("charge_succeeded", GONE, SAME, [], [ask_for_refund, book_late_payment, mail_receipt]),
    rule("charge_declined", LIVING, SAME, [not_awaited]),
    rule("charge_declined", "active past_due", "past_due", [pays_period, card_changed], [note_decline, charge_owed]),
    rule("charge_declined", "past_due", "suspended", [pays_period, last_try_is_over], [note_decline, suspend_unpaid]),
    rule("charge_declined", "active past_due", "past_due", [pays_period], [note_decline]),
    rule("charge_declined", "suspended", SAME, [pays_period], [note_decline, remember_past_due]),
    rule("charge_declined", GONE, SAME, [pays_period], [give_up_charge]),
    rule("charge_declined", f"active suspended {GONE}", SAME, [], [void_charge]),

    # Cancelling
    rule("cancel", "trial", SAME, [at_period_end]),
    rule("cancel", "trial_subscribed", "trial", [at_period_end], [fall_back_to_trial]),
    rule("cancel", "active", SAME, [at_period_end, ending]),
    rule("cancel", "active", SAME, [at_period_end], [end_with_period]),
    rule("cancel", "provisioning failed", "cancelled", [must_be_at_once], [end_service, date_deletion, tell_deletion, mail_cancelled]),
    rule("cancel", f"{SERVED} suspended", "cancelled", [must_be_at_once], [write_off, end_service, export_and_back_up, mail_cancelled]),
    rule("cancel", f"{GONE} deleting"),
    rule("end_period", "active past_due", "cancelled", [must_have_reached_cancels_at], [write_off, end_service, export_and_back_up, mail_cancelled]),

    # Operators
    rule("suspend", f"suspended {GONE}", SAME, [by_operator]),
    rule("suspend", f"suspended {GONE}", SAME, [], [withdraw_charge, suspend_by_operator]),
    rule("suspend", SERVED, "suspended", [], [withdraw_charge, suspend_by_operator, mail_suspended]),
    rule("resume", "suspended", SAME, [must_be_suspended_by_operator, was_unpaid], [lift_suspension]),
    rule("resume", "suspended", "expired", [was_plain_trial, trial_over], [lift_suspension, drop_plan, end_service, export_and_back_up, mail_trial_expired]),
    rule("resume", "suspended", "trial", [was_plain_trial], [lift_suspension, mail_back_online]),
    rule("resume", "suspended", "active", [was_subscribed_trial, trial_over], [lift_suspension, begin_new_period, mail_back_online]),
    rule("resume", "suspended", "trial_subscribed", [was_subscribed_trial], [lift_suspension, mail_back_online]),
    rule("resume", "suspended", "cancelled", [ending_over], [lift_suspension, write_off, end_service, export_and_back_up, mail_cancelled]),
    rule("resume", "suspended", "active", [period_over, must_have_no_payment_pending], [lift_suspension, begin_new_period, mail_back_online]),
    rule("resume", "suspended", "past_due", [was_past_due], [lift_suspension, mail_back_online]),
    rule("resume", "suspended", "active", [owing, no_payment_pending], [lift_suspension, charge_owed, mail_back_online]),
    rule("resume", "suspended", "active", [], [lift_suspension, mail_back_online]),
    rule("resume", GONE, SAME, [by_operator], [lift_suspension]),
    rule("hold", LIVING, SAME, [held]),
    rule("hold", LIVING, SAME, [], [hold]),
    rule("release", LIVING, SAME, [held], [release]),
    rule("release", LIVING),
    rule("waive", "past_due", SAME, [of_the_notice, notice_is_lacking], [note_suspension_notice]),
    rule("waive", GONE, SAME, [already_waived]),
    rule("waive", GONE, SAME, [], [waive, tell_deletion]),
    rule("record_refund", "active past_due suspended", SAME, [was_charged, must_name_a_paid_invoice, must_not_be_of_this_period], [record_refund]),
    rule("record_refund", f"{GONE} deleting deleted", SAME, [was_charged, must_name_a_paid_invoice], [record_refund, forget_refunded_period]),
    rule("mail_bounced", "past_due suspended", SAME, [suspension_notice_counts, suspension_notice_bounced], [withdraw_suspension_notice]),
    rule("mail_bounced", GONE, SAME, [deletion_notice_counts, deletion_notice_bounced], [withdraw_deletion_notice]),
    rule("mail_bounced", LIVING),
    rule("retry", "failed", "provisioning", [], [forget_failure, provision]),
    rule("retry", "deleting", SAME, [], [try_again]),
    rule("retry", READY, SAME, [something_gave_up], [try_again]),
    rule("retry", f"provisioning {READY}"),
    rule("gave_up", SERVED, SAME, [is_nightly], [retry_nightly_backup]),
    rule("gave_up", LIVING, SAME, [not_wanted_any_more]),
    rule("gave_up", LIVING, SAME, [], [open_fault]),
    rule("effect_done", LIVING, SAME, [is_open_fault], [close_fault]),
    rule("effect_retried", LIVING, SAME, [is_open_fault], [close_fault]),
    rule("effect_dropped", LIVING, SAME, [is_the_pending_payment], [void_dropped]),
    rule("effect_dropped", LIVING, SAME, [is_open_fault], [close_fault]),

    # The customer's data
    rule("update_contact", f"provisioning failed {READY}", SAME, [same_contact]),
    rule("update_contact", f"provisioning failed {READY}", SAME, [], [change_contact]),
    rule("export", "suspended", SAME, [by_operator, must_be_asked_by_an_operator, export_under_way]),
    rule("export", "suspended", SAME, [by_operator, must_be_asked_by_an_operator], [export]),
    rule("export", READY, SAME, [must_have_been_ready, export_under_way]),
    rule("export", READY, SAME, [must_have_been_ready], [export]),
    rule("export_ready", GONE, SAME, [of_this_generation, is_complete], [close_fault, note_export, date_deletion, mail_download]),
    rule("export_ready", READY, SAME, [], [close_fault, mail_download]),
    rule("export_told", GONE, SAME, [of_this_generation], [note_export, date_deletion]),
    rule("back_up", SERVED, SAME, [back_up_under_way]),
    rule("back_up", SERVED, SAME, [], [back_up]),
    rule("restore", SERVED, SAME, [must_not_be_held, must_have_no_restore_under_way, must_have_a_restore_point], [restore]),
    rule("restored", READY, SAME, [], [close_fault, mail_restored]),
    rule("back_up_nightly", SERVED, SAME, [must_be_due], [back_up_nightly]),
    rule("backup_verified", SERVED, SAME, [is_nightly], [note_nightly_backup]),
    rule("backup_verified", SERVED, SAME, [is_open_fault], [close_fault]),
    rule("backup_verified", GONE, SAME, [is_final, of_this_generation, is_complete], [note_final_backup]),
    rule("backup_verified", GONE, SAME, [is_final, of_this_generation], [ask_for_a_waiver]),

    # Deleting
    rule("warn", f"{GONE} deleting", SAME, [must_be_due], [warn]),
    rule("notice_sent", f"{GONE} deleting", SAME, [of_this_generation], [note_notice]),
    rule("tell_again", GONE, SAME, [deletion_is_late], [tell_again]),
    rule("tell_again", "deleting", SAME, [nothing_is_removed], [tell_again]),
    rule("removal_began", "deleting", SAME, [], [note_removal]),
    rule("delete", f"failed {GONE}", "deleting", [must_be_authorized], [delete]),
    rule("site_deleted", "deleting", "deleted", [], [leave_tombstone]),

    # What comes late leads nowhere: a timer that no longer stands, a report that nobody waits for
    *(rule(late, LIVING) for late in (
        *("provisioned", "provision_failed", "remind", "expire", "renew", "retry_charge", "give_up", "end_period", "warn"),
        *("back_up_nightly", "delete", "export_ready", "export_told", "backup_verified", "notice_sent", "site_deleted", "restored", "tell_again"),
        *("charge_succeeded", "charge_declined", "suspension_noticed", "effect_done", "effect_retried", "effect_dropped", "removal_began"),
    )),
)
# fmt: on
