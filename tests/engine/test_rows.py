"""Which test says each row of "Edges, decided" (design.md): a row without its sentence is a gap."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = {
    "kept": "a_changed_price_is_for_later_customers a_changed_trial_and_limit_are_for_later_customers "
    "a_changed_retention_is_for_later_customers",
    "day 30": "day_30_is_30_times_24_hours_from_the_moment_the_site_is_ready_to_the_microsecond",
    "subscribed in the trial": "subscribed_in_the_trial_there_is_no_charge_before_day_30_and_five_agents_until_the_"
    "first_payment a_plan_below_the_agents_in_use_is_refused_and_says_how_many_to_remove",
    "change plan, subscribed trial": "a_change_of_plan_in_a_subscribed_trial_replaces_the_number_from_day_30_and_"
    "charges_nothing",
    "periods": "billing_dates_count_from_the_anchor_and_are_clamped_to_the_month",
    "more agents, active": "more_agents_are_charged_for_the_time_left added_counts_from_the_number_now_allowed "
    "a_review_fixes_the_moment_and_so_the_amount the_smallest_charge_is_charged_and_a_cent_less_is_not "
    "a_declined_charge_now_voids_its_invoice_and_changes_nothing "
    "more_agents_rise_when_the_payment_has_succeeded_and_replace_a_pending_reduction",
    "fewer agents": "fewer_agents_come_with_the_next_period_without_refund "
    "asking_for_todays_number_withdraws_a_reduction "
    "a_reduction_is_asked_again_at_each_renewal_while_too_many_agents_are_in_use",
    "more agents in the site than in the plan": "more_agents_in_the_site_than_in_the_plan_locks_nobody_out_and_tells_"
    "the_customer",
    "one payment at a time": "one_payment_at_a_time_others_are_refused_payment_pending "
    "a_renewal_waits_for_an_open_payment_and_its_period_still_begins_at_the_anchor",
    "our fault is not a decline": "our_fault_is_not_a_decline_and_the_ladder_stands_still",
    "declined at day 30 or renewal": "declined_it_is_past_due_and_online_until_the_decline_on_day_7_suspends_for_14_"
    "days declined_at_a_renewal_it_is_past_due_and_tried_on_days_1_3_5_and_7_like_at_day_30 "
    "a_new_card_is_tried_at_once",
    "a decline that forbids another try": "a_card_that_forbids_another_try_is_not_tried_again_and_the_dates_run_on",
    "paid in past_due": "paid_in_past_due_it_is_that_invoice_and_the_same_anchor "
    "paid_in_suspended_the_old_invoice_is_void_and_a_new_period_begins_at_the_payment",
    "suspended by an operator": "an_operators_suspension_remembers_where_from "
    "while_an_operator_suspends_nothing_is_charged_and_nothing_expires "
    "a_trial_that_ended_meanwhile_expires_at_the_resume_with_14_days_from_then "
    "a_suspension_outlives_a_cancellation_and_blocks_coming_back_until_an_operator_lifts_it "
    "both_reasons_may_hold_and_the_nonpayment_clock_stands_still",
    "cancel": "cancel_now_is_at_once_without_refund_and_names_the_paid_days_given_up "
    "cancel_at_the_end_of_the_period_stays_active_until_then_and_keep_undoes_it "
    "a_subscribed_trial_cancelled_for_its_end_falls_back_to_trial_and_expires",
    "cancel, owing": "cancel_owing_makes_the_invoice_uncollectible_and_the_unpaid_period_gives_no_time_to_return_to",
    "cancel, payment under way": "a_charge_that_no_worker_has_claimed_becomes_void "
    "a_claimed_charge_is_awaited_and_if_it_succeeds_an_operator_is_asked_to_refund",
    "cancel before ready": "a_site_cancelled_before_it_was_ready_is_taken_down_when_the_builder_reports "
    "a_site_that_was_never_ready_is_deleted_after_14_days_without_export_backup_or_notice "
    "a_failed_site_frees_its_hostname_after_14_days",
    "the trial expires": "the_trial_expires_like_a_cancellation_offline_export_14_days",
    "coming back with time left": "back_before_the_old_day_30_the_rest_of_the_trial_is_still_free "
    "back_before_the_end_of_a_paid_period_only_added_agents_are_charged",
    "coming back with none": "back_with_none_a_decline_changes_nothing_deletes_at_included "
    "back_with_none_the_new_period_begins_when_it_is_paid an_open_payment_makes_the_deletion_wait",
    "retention": "a_cancelled_site_survives_day_13_and_is_deleted_on_day_14 "
    "deletion_counts_from_the_first_verified_export_and_has_no_date_before_it "
    "the_warnings_come_7_days_and_48_hours_before "
    "a_late_notice_is_sent_all_the_same_and_deletion_comes_48_hours_after_it "
    "retention_of_14_days_is_accepted_and_13_refuses",
    "release after the date": "release_after_the_date_sends_a_new_notice_and_deletes_48_hours_later "
    "paused_deletions_wait_and_resumed_ones_come_48_hours_after_a_new_notice "
    "a_date_that_passed_in_safe_mode_is_told_anew_and_kept_48_hours_later",
    "hold": "under_a_hold_charges_expiry_cancel_and_export_go_on_and_no_deletion_no_restore_and_no_deletion_mail "
    "a_hold_stops_the_steps_of_a_deletion_that_are_not_done_and_release_lets_them_go_on",
    "a guard that can never pass": "an_operator_may_waive_one_guard_and_never_the_14_days "
    "a_waived_guard_is_asked_again_in_the_next_generation",
    "restore": "a_restore_changes_the_content_and_nothing_else",
    "reactivation against the deletion timer": "reactivation_against_the_deletion_timer_is_either_back_intact_or_"
    "deleted_and_the_loser_is_answered",
    "silence": "after_a_silence_only_the_reminder_that_is_still_true_is_sent "
    "after_a_silence_of_months_each_period_is_charged_a_day_apart "
    "after_a_silence_the_ladder_charges_at_most_once_in_24_hours "
    "after_a_silence_of_more_than_a_day_deletions_wait_for_an_operator",
    "clock jump, restored database": "no_timer_fires_in_safe_mode_and_commands_go_on "
    "a_missing_witness_is_written_anew a_witness_newer_than_the_database_means_that_it_was_restored",
    "retry": "retry_answers_with_each_thing_that_it_tries_again "
    "retry_never_makes_a_restore_that_gave_up_and_says_what_to_do_instead "
    "what_gave_up_in_a_past_generation_is_no_fault_and_is_not_tried_again "
    "attention_names_every_open_fault_and_not_only_the_last",
    "a charge of 0": "where_nothing_is_owed_nothing_is_asked_and_periods_begin_as_ever "
    "a_share_that_rounds_to_nothing_is_not_asked_for_although_the_smallest_charge_is_nothing",
    "currency": "a_payment_is_in_the_currency_that_was_told_whatever_the_setting_says_meanwhile "
    "who_was_told_60_dollars_pays_60_dollars_although_the_setting_is_euros_by_then",
    "a waiting reduction, settled": "a_reduction_that_waits_never_raises_the_agents_before_the_first_payment",
    "cancels_at": "a_cancellation_for_the_periods_end_survives_a_decline_and_its_payment_and_nothing_more_is_charged "
    "paid_after_a_suspension_it_moves_to_the_end_of_the_period_that_then_begins "
    "the_answer_says_what_is_still_owed_and_when_it_ends",
    "a letter": "a_letter_of_a_time_that_is_over_is_not_sent",
    "agents in use": "pay_judges_on_the_agents_that_are_in_use_now resume_judges_on_the_agents_that_are_in_use_now "
    "a_renewal_that_becomes_due_after_the_hosts_were_asked_waits_for_the_next_round",
    "more agents used than paid": "at_each_renewal_with_too_many_agents_the_customer_and_operators_are_told "
    "more_agents_than_are_paid_for_are_an_event_a_flag_and_a_list",
    "refund": "a_refunded_period_gives_its_days_back_and_coming_back_is_charged_anew "
    "a_refunded_invoice_makes_room_for_another_of_the_same_period",
    "release, or the breaker resumed": "a_breaker_that_tripped_and_is_resumed_after_the_date_tells_anew "
    "a_deletion_that_has_removed_nothing_is_told_anew_and_comes_48_hours_later "
    "a_deletion_that_has_begun_to_remove_is_told_no_other_date",
    "a charge that gave up": "a_charge_that_gave_up_holds_no_deletion_once_it_is_dropped "
    "a_charge_that_gave_up_is_asked_for_under_the_same_key_by_retry "
    "a_success_after_it_was_dropped_is_to_be_refunded_even_if_the_site_is_deleted_by_then",
}


@pytest.fixture(scope="module")
def code():
    return "\n".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_edges_has_a_test_that_is_its_sentence(code, row):
    assert [name for name in ROWS[row].split() if f"def test_{name}(" not in code] == []
