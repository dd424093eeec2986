"""The law on one page: command, from, to, when, then.

Read a row as a sentence: in one of the states `source`, the command leads to `to` (SAME: the state stays) when every
word of `when` holds, and then the words of `then` follow. Rows are tried from the top; the first that holds decides.
A word of `when` that begins with `must_` refuses with a reason instead of passing on to the next row (they stand in
`engine/guards.py`, the others in `engine/predicates.py`); `nothing` answers `no_op`. What no row allows is refused
`state.illegal`.

Some things follow from the facts alone and so are not repeated in any row: going online and offline (by the state),
the agent limit told to the site, the version, and the timers (`engine/timers.py`).
"""

from dataclasses import dataclass

from engine.site import ABSENT, STATES

SAME = None
TRIALS = "trial trial_subscribed"
SERVED = "trial trial_subscribed active past_due"
GONE = "cancelled expired"
READY = f"{SERVED} suspended {GONE}"
LIVING = " ".join(state for state in STATES if state != "deleted")
BACK = "must_have_no_payment_pending must_not_be_suspended must_have_been_ready"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the law; the words are names of functions in `machine.CONDITIONS` and `machine.CONSEQUENCES`."""

    command: str
    sources: tuple[str, ...]
    to: str | None
    when: tuple[str, ...]
    then: tuple[str, ...]


def rule(command: str, sources: str, to: str | None = SAME, when: str = "", then: str = "nothing") -> Rule:
    """A row, from words separated by spaces."""
    return Rule(f"site.{command}", tuple(sources.split()), to, tuple(when.split()), tuple(then.split()))


# fmt: off
RULES: tuple[Rule, ...] = (
    # A trial begins
    rule("start_trial", ABSENT, "provisioning", "", "open_account provision"),
    rule("start_trial", LIVING, SAME, "must_have_a_free_hostname"),
    rule("provisioned", "provisioning", "trial_subscribed", "plan_chosen", "begin_trial mail_welcome mail_subscribed"),
    rule("provisioned", "provisioning", "trial", "", "begin_trial mail_welcome"),
    rule("provisioned", "cancelled", SAME, "never_ready", "take_down"),
    rule("provision_failed", "provisioning", "failed", "", "note_failure date_deletion"),
    rule("remind", TRIALS, SAME, "must_be_due", "remind"),
    rule("expire", "trial", "expired", "must_have_reached_day_30", "drop_plan end_service say_farewell mail_trial_expired"),
    rule("extend_trial", TRIALS, SAME, "", "extend_trial"),
    rule("extend_trial", "suspended", SAME, "by_operator was_in_trial", "extend_trial"),
    rule("extend_trial", "expired", "trial", BACK, "come_back extend_trial mail_welcome_back"),

    # Subscribing, and coming back
    rule("subscribe", "provisioning", SAME, "", "choose_plan tell_plan"),
    rule("subscribe", "trial", "trial_subscribed", "must_cover_used_agents", "choose_plan mail_subscribed"),
    rule("subscribe", "active", SAME, "ending same_agents", "choose_card withdraw_cancellation forget_reduction"),
    rule("subscribe", "active", SAME, "ending must_have_no_payment_pending must_cover_used_agents", "choose_card withdraw_cancellation fit_agents"),
    rule("subscribe", "trial_subscribed active", SAME, "same_plan"),
    rule("subscribe", "suspended", SAME, "by_operator was_plain_trial must_cover_used_agents", "choose_plan remember_subscribed mail_subscribed"),
    rule("subscribe", GONE, "trial_subscribed", f"{BACK} must_cover_used_agents trial_runs", "come_back choose_plan mail_subscribed"),
    rule("subscribe", GONE, "active", f"{BACK} must_cover_used_agents paid_period_runs", "use_what_was_paid come_back choose_card fit_agents mail_welcome_back"),
    rule("subscribe", GONE, "active", f"{BACK} must_cover_used_agents costs_nothing", "come_back start_for_nothing mail_welcome_back"),
    rule("subscribe", GONE, SAME, f"{BACK} must_cover_used_agents", "charge_new_start"),
    rule("keep", "trial", "trial_subscribed", "fell_back", "withdraw_cancellation"),
    rule("keep", "active past_due", SAME, "ending", "withdraw_cancellation"),
    rule("keep", "suspended", SAME, "was_plain_trial fell_back", "withdraw_cancellation remember_subscribed"),
    rule("keep", "suspended", SAME, "ending", "withdraw_cancellation"),
    rule("keep", SERVED),
    rule("keep", GONE, "trial", f"{BACK} trial_runs", "come_back drop_plan mail_welcome_back"),
    rule("keep", GONE, "active", f"{BACK} paid_period_runs", "use_what_was_paid come_back mail_welcome_back"),

    # Change Plan, Charge Now
    rule("change_plan", "trial", SAME, "must_be_subscribed_first"),
    rule("change_plan", "trial_subscribed", SAME, "same_agents"),
    rule("change_plan", "trial_subscribed", SAME, "must_cover_used_agents", "choose_agents"),
    rule("change_plan", "active", SAME, "must_have_no_payment_pending same_agents reduction_waits", "withdraw_reduction"),
    rule("change_plan", "active", SAME, "same_agents"),
    rule("change_plan", "active", SAME, "same_reduction"),
    rule("change_plan", "active", SAME, "fewer_agents must_cover_used_agents", "reduce_later"),
    rule("change_plan", "active", SAME, "too_little_to_charge", "raise_agents"),
    rule("change_plan", "active", SAME, "", "charge_added_agents"),
    rule("change_plan", "suspended", SAME, "by_operator subscribed same_agents reduction_waits", "withdraw_reduction"),
    rule("change_plan", "suspended", SAME, "by_operator subscribed same_agents"),
    rule("change_plan", "suspended", SAME, "by_operator subscribed same_reduction"),
    rule("change_plan", "suspended", SAME, "by_operator was_subscribed_trial fewer_agents must_cover_used_agents", "choose_agents"),
    rule("change_plan", "suspended", SAME, "by_operator subscribed fewer_agents must_have_no_payment_pending must_cover_used_agents", "reduce_later"),

    # Paying
    rule("renew", "trial_subscribed", "active", "must_have_reached_day_30", "begin_paying"),
    rule("renew", "active", SAME, "must_have_no_payment_pending must_have_reached_period_end must_be_due", "begin_period"),
    rule("pay", "past_due", SAME, "must_have_no_payment_pending must_name_a_card_to_try", "choose_card charge_owed"),
    rule("pay", "suspended", SAME, "was_unpaid must_have_no_payment_pending must_name_a_card_to_try", "choose_card charge_new_start"),
    rule("pay", "suspended", SAME, "owing_a_period_that_runs must_have_no_payment_pending must_name_a_card_to_try", "choose_card charge_owed"),
    rule("pay", f"{TRIALS} active suspended {GONE}"),
    rule("update_payment", "trial_subscribed active", SAME, "", "choose_card"),
    rule("update_payment", "past_due", SAME, "payment_pending", "choose_card"),
    rule("update_payment", "past_due", SAME, "must_name_a_card_to_try", "choose_card charge_owed"),
    rule("update_payment", "suspended", SAME, "subscribed", "choose_card"),
    rule("retry_charge", "past_due", "suspended", "must_be_due card_refused last_try_is_over", "suspend_unpaid"),
    rule("retry_charge", "past_due", SAME, "card_refused", "count_try"),
    rule("retry_charge", "past_due", SAME, "notice_is_lacking", "count_try"),
    rule("retry_charge", "past_due", SAME, "", "charge_owed rest_a_day"),
    rule("suspension_noticed", "past_due suspended", SAME, "of_this_debt", "note_suspension_notice"),
    rule("give_up", "suspended", "cancelled", "unpaid_only must_have_no_payment_pending must_have_been_unpaid_14_days", "write_off end_service say_farewell mail_cancelled"),

    # What the card network answers
    rule("charge_succeeded", f"{LIVING} deleted", SAME, "was_dropped", "refund_dropped"),
    rule("charge_succeeded", LIVING, SAME, "not_awaited"),
    rule("charge_succeeded", "active past_due", "active", "pays_period", "allow_paid_agents book_payment mail_receipt"),
    rule("charge_succeeded", "active suspended", SAME, "pays_agents", "raise_paid_agents book_payment mail_receipt"),
    rule("charge_succeeded", "suspended", SAME, "pays_period", "allow_paid_agents book_payment remember_active mail_receipt"),
    rule("charge_succeeded", "suspended", "active", "pays_new_start unpaid_only", "book_new_start mail_receipt mail_back_online"),
    rule("charge_succeeded", "suspended", SAME, "pays_new_start", "book_new_start remember_active mail_receipt"),
    rule("charge_succeeded", GONE, "suspended", "pays_return by_operator", "come_back book_new_start remember_active mail_receipt"),
    rule("charge_succeeded", GONE, "active", "pays_return", "come_back book_new_start mail_receipt mail_welcome_back"),
    rule("charge_succeeded", GONE, SAME, "", "ask_for_refund book_late_payment mail_receipt"),
    rule("charge_declined", LIVING, SAME, "not_awaited"),
    rule("charge_declined", "active past_due", "past_due", "pays_period card_changed", "note_decline charge_owed"),
    rule("charge_declined", "past_due", "suspended", "pays_period last_try_is_over", "note_decline suspend_unpaid"),
    rule("charge_declined", "active past_due", "past_due", "pays_period", "note_decline"),
    rule("charge_declined", "suspended", SAME, "pays_period", "note_decline remember_past_due"),
    rule("charge_declined", GONE, SAME, "pays_period", "give_up_charge"),
    rule("charge_declined", f"active suspended {GONE}", SAME, "", "void_charge"),

    # Cancelling
    rule("cancel", "trial", SAME, "at_period_end"),
    rule("cancel", "trial_subscribed", "trial", "at_period_end", "fall_back_to_trial"),
    rule("cancel", "active", SAME, "at_period_end ending"),
    rule("cancel", "active", SAME, "at_period_end", "end_with_period"),
    rule("cancel", "provisioning failed", "cancelled", "must_be_at_once", "end_service date_deletion tell_deletion mail_cancelled"),
    rule("cancel", f"{SERVED} suspended", "cancelled", "must_be_at_once", "write_off end_service say_farewell mail_cancelled"),
    rule("cancel", f"{GONE} deleting"),
    rule("end_period", "active past_due", "cancelled", "must_have_reached_cancels_at", "write_off end_service say_farewell mail_cancelled"),

    # Operators
    rule("suspend", f"suspended {GONE}", SAME, "by_operator"),
    rule("suspend", f"suspended {GONE}", SAME, "", "withdraw_charge suspend_by_operator"),
    rule("suspend", SERVED, "suspended", "", "withdraw_charge suspend_by_operator mail_suspended"),
    rule("resume", "suspended", SAME, "must_be_suspended_by_operator was_unpaid", "lift_suspension"),
    rule("resume", "suspended", "expired", "was_plain_trial trial_over", "lift_suspension drop_plan end_service say_farewell mail_trial_expired"),
    rule("resume", "suspended", "trial", "was_plain_trial", "lift_suspension mail_back_online"),
    rule("resume", "suspended", "active", "was_subscribed_trial trial_over", "lift_suspension begin_anew mail_back_online"),
    rule("resume", "suspended", "trial_subscribed", "was_subscribed_trial", "lift_suspension mail_back_online"),
    rule("resume", "suspended", "cancelled", "ending_over", "lift_suspension write_off end_service say_farewell mail_cancelled"),
    rule("resume", "suspended", "active", "period_over must_have_no_payment_pending", "lift_suspension begin_anew mail_back_online"),
    rule("resume", "suspended", "past_due", "was_past_due", "lift_suspension mail_back_online"),
    rule("resume", "suspended", "active", "owing no_payment_pending", "lift_suspension charge_owed mail_back_online"),
    rule("resume", "suspended", "active", "", "lift_suspension mail_back_online"),
    rule("resume", GONE, SAME, "by_operator", "lift_suspension"),
    rule("hold", LIVING, SAME, "held"),
    rule("hold", LIVING, SAME, "", "hold"),
    rule("release", LIVING, SAME, "held", "release"),
    rule("release", LIVING),
    rule("waive", "past_due", SAME, "of_the_notice notice_is_lacking", "note_suspension_notice"),
    rule("waive", GONE, SAME, "already_waived"),
    rule("waive", GONE, SAME, "", "waive tell_deletion"),
    rule("record_refund", "active past_due suspended", SAME, "was_charged must_name_a_paid_invoice must_not_be_of_this_period", "record_refund"),
    rule("record_refund", f"{GONE} deleting deleted", SAME, "was_charged must_name_a_paid_invoice", "record_refund give_days_back"),
    rule("mail_bounced", "past_due suspended", SAME, "threat_counts threat_bounced", "take_threat_back"),
    rule("mail_bounced", GONE, SAME, "notice_counts notice_bounced", "take_notice_back"),
    rule("mail_bounced", LIVING),
    rule("retry", "failed", "provisioning", "", "forget_failure provision"),
    rule("retry", "deleting", SAME, "", "try_again"),
    rule("retry", READY, SAME, "stuck", "try_again"),
    rule("retry", f"provisioning {READY}"),
    rule("gave_up", SERVED, SAME, "is_nightly", "try_night_again"),
    rule("gave_up", LIVING, SAME, "not_wanted_any_more"),
    rule("gave_up", LIVING, SAME, "", "ask_for_attention"),
    rule("effect_done", LIVING, SAME, "was_a_fault", "forget_it"),
    rule("effect_retried", LIVING, SAME, "was_a_fault", "forget_it"),
    rule("effect_dropped", LIVING, SAME, "is_the_payment", "void_dropped"),
    rule("effect_dropped", LIVING, SAME, "was_a_fault", "forget_it"),

    # The customer's data
    rule("update_contact", f"provisioning failed {READY}", SAME, "same_contact"),
    rule("update_contact", f"provisioning failed {READY}", SAME, "", "change_contact"),
    rule("export", "suspended", SAME, "by_operator must_be_asked_by_an_operator export_under_way"),
    rule("export", "suspended", SAME, "by_operator must_be_asked_by_an_operator", "export"),
    rule("export", READY, SAME, "must_have_been_ready export_under_way"),
    rule("export", READY, SAME, "must_have_been_ready", "export"),
    rule("export_ready", GONE, SAME, "of_this_generation is_whole", "forget_it note_export date_deletion mail_download"),
    rule("export_ready", READY, SAME, "", "forget_it mail_download"),
    rule("export_told", GONE, SAME, "of_this_generation", "note_export date_deletion"),
    rule("back_up", SERVED, SAME, "back_up_under_way"),
    rule("back_up", SERVED, SAME, "", "back_up"),
    rule("restore", SERVED, SAME, "must_not_be_held must_have_no_restore_under_way must_have_a_restore_point", "restore"),
    rule("restored", READY, SAME, "", "forget_it mail_restored"),
    rule("back_up_nightly", SERVED, SAME, "must_be_due", "back_up_tonight"),
    rule("backup_verified", SERVED, SAME, "is_nightly", "note_night"),
    rule("backup_verified", SERVED, SAME, "was_a_fault", "forget_it"),
    rule("backup_verified", GONE, SAME, "is_final of_this_generation is_whole", "note_final_backup"),
    rule("backup_verified", GONE, SAME, "is_final of_this_generation", "ask_for_a_waiver"),

    # Deleting
    rule("warn", f"{GONE} deleting", SAME, "must_be_due", "warn"),
    rule("notice_sent", f"{GONE} deleting", SAME, "of_this_generation", "note_notice"),
    rule("tell_again", GONE, SAME, "deletion_is_late", "tell_again"),
    rule("tell_again", "deleting", SAME, "nothing_is_removed", "tell_again"),
    rule("removal_began", "deleting", SAME, "", "note_removal"),
    rule("delete", f"failed {GONE}", "deleting", "must_be_authorized", "delete"),
    rule("site_deleted", "deleting", "deleted", "", "close_the_book"),

    # What comes late leads nowhere: a timer that no longer stands, a report that nobody waits for
    *(rule(late, LIVING) for late in (
        *("provisioned", "provision_failed", "remind", "expire", "renew", "retry_charge", "give_up", "end_period", "warn"),
        *("back_up_nightly", "delete", "export_ready", "export_told", "backup_verified", "notice_sent", "site_deleted", "restored", "tell_again"),
        *("charge_succeeded", "charge_declined", "suspension_noticed", "effect_done", "effect_retried", "effect_dropped", "removal_began"),
    )),
)
# fmt: on
