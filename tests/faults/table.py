"""Each fault, what must happen, and the test that makes it happen with the real part."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`test` is `file::function` or `file::Class::function` under `tests/`; `part` is what is really broken."""

    fault: str
    must: str
    test: str
    part: str


BROKER = "runtime/test_broker.py::"
CRASH = "crash/test_effects.py::"
LIVE = "live/test_live.py::"
CLOCKS = "journeys/test_safety.py::"
JUMPS = "journeys/test_clock_jumps.py::"
LEDGER = "adapters/test_payments.py::"
MAIL = "adapters/test_mailers.py::"
DISKS = "faults/test_disks.py::"
REDIS = "faults/test_redis.py::"
WORKERS = "faults/test_workers.py::"


TABLE = (
    # The broker
    Row(
        "a retry can't be enqueued",
        "the message goes back to its queue, and is done",
        f"{REDIS}test_a_retry_whose_enqueue_got_no_reply_is_made_all_the_same",
        "Valkey behind a wire that loses replies",
    ),
    Row(
        "a message can't be decoded",
        "it is put aside, its neighbours are delivered",
        f"{LIVE}test_poison_on_the_queue_is_put_aside_and_the_queue_goes_on",
        "tenure up",
    ),
    Row(
        "4,000 mutated messages come in",
        "no worker stops, no neighbour waits, each is a dead letter",
        "runtime/test_mutations.py::test_four_thousand_mutated_messages_stop_no_worker_and_cost_no_neighbour",
        "tenure up",
    ),
    Row(
        "a message is enqueued twice",
        "it runs once at a time, and is answered as the first time",
        f"{BROKER}test_a_message_that_is_pushed_twice_runs_once_at_a_time",
        "Valkey",
    ),
    Row(
        "a fetch whose reply is lost",
        "the process takes its message back by itself",
        f"{BROKER}test_a_fetch_whose_reply_was_lost_strands_nothing",
        "Valkey",
    ),
    Row(
        "replies between workers and Redis are lost",
        "every command and effect is done once; the sweep offers again what was not heard",
        f"{REDIS}test_replies_that_are_lost_between_workers_and_redis_cost_time_and_nothing_else",
        "tenure up, Valkey behind a wire that loses replies",
    ),
    Row(
        "an effect takes longer than any time limit",
        "nothing cuts it off; its claim is kept as long as its process lives",
        "journeys/test_lease.py::test_a_long_effect_keeps_its_claim_and_says_that_it_goes_on",
        "SQLite and PostgreSQL",
    ),
    Row(
        "a message is held by a dead worker",
        "another worker has it within seconds",
        f"{BROKER}test_what_a_dead_process_held_is_offered_again",
        "Valkey",
    ),
    # The sweeps
    Row(
        "an effect's wake-up is lost",
        "the sweep offers it again",
        f"{REDIS}test_a_redis_that_is_emptied_under_work_loses_no_effect_and_a_command_is_asked_again",
        "tenure up",
    ),
    Row(
        "an effect's lease runs out",
        "another worker takes it; the late one is fenced",
        f"{WORKERS}test_a_worker_stopped_for_longer_than_its_lease_is_overtaken_and_its_late_result_does_not_count",
        "tenure up, a worker under SIGSTOP",
    ),
    Row(
        "a timer is overdue",
        "it fires once, late",
        f"{LIVE}test_a_killed_clock_is_restarted_and_fires_what_became_due",
        "tenure up, the clock killed",
    ),
    Row(
        "an event was not sent",
        "it is published again with the same id",
        "crash/test_events.py::test_an_emptied_stream_gets_the_last_day_again_with_the_same_ids",
        "Valkey",
    ),
    # Dead letters
    Row(
        "a dead letter",
        "the database keeps it with its reason; it can be listed, retried and dropped",
        "journeys/test_reports.py::test_a_message_that_nobody_can_answer_is_kept_and_may_be_tried_again_or_dropped",
        "SQLite and PostgreSQL, Valkey",
    ),
    Row(
        "a dead letter that a deletion waits for",
        "it can be retried and not dropped",
        "journeys/test_reports.py::test_an_effect_that_a_deletion_waits_for_may_be_retried_and_not_dropped",
        "SQLite and PostgreSQL",
    ),
    # Processes
    Row(
        "a worker is killed",
        "another one does its work, once",
        f"{LIVE}test_a_worker_killed_in_the_middle_of_a_backup_is_replaced_and_the_backup_is_done_once",
        "tenure up, a worker killed",
    ),
    Row(
        "the workers' master is killed",
        "it leaves no orphan and is started again",
        f"{LIVE}test_a_killed_master_leaves_no_orphan_and_is_restarted",
        "tenure up, the master killed",
    ),
    Row(
        "a worker is stopped for longer than its lease",
        "its effect is done once; what it says late does not count",
        f"{WORKERS}test_a_worker_stopped_for_longer_than_its_lease_is_overtaken_and_its_late_result_does_not_count",
        "tenure up, a worker under SIGSTOP",
    ),
    Row(
        "the clock is killed",
        "it is started again and fires what became due",
        f"{LIVE}test_a_killed_clock_is_restarted_and_fires_what_became_due",
        "tenure up, the clock killed",
    ),
    Row(
        "a process dies anywhere",
        "at each of more than 150 points a death changes nothing in the end",
        "crash/test_crash_points.py::test_a_death_at_a_point_changes_nothing_in_the_end",
        "SQLite and PostgreSQL, Valkey, the stores",
    ),
    Row(
        "hosts die in the middle of many lives",
        "nothing is lost, nothing is done twice",
        "postgres/test_hosts.py::"
        "test_hosts_that_join_leave_and_die_in_the_middle_of_many_lives_lose_nothing_and_repeat_nothing",
        "PostgreSQL, Valkey, workers and clocks of several hosts",
    ),
    # Adapters
    Row(
        "an adapter is asked twice",
        "twice equals once",
        f"{LEDGER}TestEveryCardNetwork::test_asked_twice_charges_once_and_answers_the_same",
        "the card network's books",
    ),
    Row(
        "an adapter is killed half-way",
        "the next call finishes it, and nothing passes for whole that is not",
        "adapters/test_vault.py::test_killed_at_each_step_a_backup_is_whole_or_not_there_and_the_next_try_finishes",
        "a process killed at each touch of the disk",
    ),
    Row(
        "an adapter answers late",
        "what it did for a claim that was lost is found and removed, or made good",
        f"{CRASH}test_an_upload_that_arrives_after_the_deletion_is_taken_away",
        "the stores",
    ),
    Row(
        "an adapter answers after a timeout",
        "the outcome is looked up by its key",
        f"{LEDGER}TestEveryCardNetwork::test_tells_after_a_lost_reply_what_was_done",
        "the card network's books",
    ),
    Row(
        "an adapter lies",
        "a backup counts when every byte was read back",
        "adapters/test_vault.py::test_a_help_desk_whose_pages_are_damaged_does_not_pass_as_a_backup",
        "the pages of a site's database",
    ),
    Row(
        "a mail server does not say whether it took a mail",
        "it is sent again with the same id",
        f"{MAIL}TestTheServer::test_a_connection_lost_after_data_is_unknown_and_sent_again_with_the_same_id",
        "an SMTP server that hangs up",
    ),
    # Clocks
    Row(
        "the clock jumps 400 days ahead and back",
        "no expiry, charge, mail or deletion; operators are told",
        f"{JUMPS}test_a_clock_that_jumps_400_days_ahead_and_back_does_nothing_to_anybody",
        "the clock process's own jobs on SQLite and PostgreSQL",
    ),
    Row(
        "the clock is behind the high-water mark",
        "safe mode, at the start as well",
        f"{CLOCKS}test_a_clock_behind_the_high_water_mark_is_safe_mode_after_a_restart_too",
        "SQLite and PostgreSQL",
    ),
    Row(
        "the wall clock leaves the steady one",
        "safe mode from the 61st second on",
        f"{CLOCKS}test_a_jump_of_more_than_a_minute_is_safe_mode",
        "SQLite and PostgreSQL",
    ),
    Row(
        "a long silence",
        "late timers fire, deletions wait for an operator",
        f"{CLOCKS}test_after_a_silence_of_more_than_a_day_deletions_wait_for_an_operator",
        "SQLite and PostgreSQL",
    ),
    Row(
        "a silence that may be a wrong clock",
        "after more than 7 days no timer fires until an operator has looked",
        f"{CLOCKS}test_a_silence_of_more_than_7_days_is_taken_for_a_wrong_clock",
        "SQLite and PostgreSQL",
    ),
    Row(
        "safe mode and an operator",
        "it outlives the jump back and a restart; `tenure safe-mode leave` ends it",
        f"{CLOCKS}test_safe_mode_outlives_the_jump_back_and_a_restart_until_an_operator_leaves_it",
        "SQLite and PostgreSQL",
    ),
    Row(
        "another host's clock is 61 s ahead",
        "it takes part, and each effect is done once",
        f"{WORKERS}test_a_worker_61_s_ahead_takes_part_and_nothing_is_done_twice",
        "tenure up, a worker whose clock is ahead",
    ),
    Row(
        "Redis's or the database's clock is another one",
        "safe mode: one of them is wrong",
        f"{CLOCKS}test_a_clock_of_another_machine_that_is_a_minute_apart_is_safe_mode",
        "SQLite and PostgreSQL, Valkey",
    ),
    Row(
        "a database of yesterday is put back",
        "its witness knows it; no second charge, no early deletion",
        "faults/test_restored.py::test_a_database_of_yesterday_is_recognised_and_lived_again_without_a_second_charge",
        "tenure up under load, the file of the database",
    ),
    # Disks and databases
    Row(
        "the disk of a store is full",
        "the log names the disk and the remedy; the work is done when there is room",
        f"{DISKS}test_a_store_whose_disk_is_full_says_so_and_the_work_is_done_when_there_is_room",
        "a small disk",
    ),
    Row(
        "the disk of the card network's books is full",
        "nothing is booked and it is no decline; one charge when there is room",
        f"{DISKS}test_books_whose_disk_is_full_book_nothing_and_one_charge_when_there_is_room",
        "a small disk",
    ),
    Row(
        "the disk of the database is full",
        "commands wait in their queue, and are answered when there is room",
        f"{DISKS}test_a_database_whose_disk_is_full_keeps_commands_waiting_and_answers_them_when_there_is_room",
        "tenure up, a small disk",
    ),
    Row(
        "the database is locked: commands",
        "they go back to the queue, with a line that says for how long",
        f"{DISKS}test_a_command_that_finds_the_database_locked_waits_in_its_queue",
        "SQLite, locked by another; Valkey",
    ),
    Row(
        "the database is locked: effects and timers",
        "they stay as they were, and are done afterwards",
        f"{DISKS}test_effects_and_timers_that_find_the_database_locked_lose_nothing",
        "SQLite, locked by another",
    ),
    Row(
        "the database is gone",
        "the transaction is tried again on a new connection",
        "postgres/test_outages.py::"
        "test_an_effect_whose_connection_is_cut_in_its_last_transaction_is_settled_by_another",
        "PostgreSQL, its connections ended",
    ),
    Row(
        "the database is gone and comes back under a life",
        "the life goes on to its deletion",
        "postgres/test_live.py::"
        "test_a_life_by_the_real_processes_with_a_worker_killed_and_the_server_restarted_on_the_way",
        "tenure up on PostgreSQL",
    ),
    Row(
        "a commit whose reply is lost",
        "it is read again by its key, and nothing is done twice",
        "postgres/test_outages.py::test_an_effect_whose_last_commit_got_no_reply_is_found_settled_and_not_done_again",
        "PostgreSQL behind a wire that is cut at the commit",
    ),
    # Redis
    Row(
        "Redis is gone",
        "it is back at the same address with every command",
        f"{LIVE}test_a_killed_valkey_comes_back_at_the_same_address_with_every_command",
        "tenure up, Valkey killed",
    ),
    Row(
        "Redis is empty",
        "no effect is lost; who asks again is answered; the stream is filled again",
        f"{REDIS}test_a_redis_that_is_emptied_under_work_loses_no_effect_and_a_command_is_asked_again",
        "tenure up, FLUSHALL",
    ),
    Row(
        "Redis is full",
        "producers are refused, the log says so, and all goes on when there is room",
        f"{REDIS}test_a_full_redis_refuses_loudly_and_everything_goes_on_when_there_is_room",
        "tenure up, maxmemory with noeviction",
    ),
)

WANTED = frozenset(
    {
        *("a retry can't be enqueued", "a message can't be decoded", "a message is enqueued twice"),
        *("an effect takes longer than any time limit", "a message is held by a dead worker"),
        *("replies between workers and Redis are lost", "an effect's wake-up is lost", "an effect's lease runs out"),
        *("a timer is overdue", "an event was not sent", "a dead letter", "a dead letter that a deletion waits for"),
        *("a worker is killed", "a worker is stopped for longer than its lease", "the clock is killed"),
        *("an adapter is asked twice", "an adapter is killed half-way", "an adapter answers late"),
        *("an adapter answers after a timeout", "an adapter lies", "the clock is behind the high-water mark"),
        *("the clock jumps 400 days ahead and back", "the wall clock leaves the steady one", "a long silence"),
        *("safe mode and an operator", "another host's clock is 61 s ahead", "a database of yesterday is put back"),
        *("the disk of a store is full", "the disk of the database is full", "the database is locked: commands"),
        *("the database is gone", "Redis is gone", "Redis is empty", "Redis is full"),
    }
)
"""The faults that this engine was promised to survive; the table may have more."""


def shown() -> str:
    """The table for people."""
    head = ["| fault | what must happen | what is really broken | test |", "|---|---|---|---|"]
    rows = [f"| {row.fault} | {row.must} | {row.part} | `{row.test}` |" for row in TABLE]
    return "\n".join([*head, *rows]) + "\n"
