"""What the doctor and the start call a failure, and where each is provoked and mended if not in `situations.py`."""

FAILS_ELSEWHERE = {
    "dispatch script": (
        "runtime/test_doctor.py",
        "test_another_version_of_a_library_warns_and_another_dispatch_script_fails",
    ),
    "stuck work": (
        "hostile/test_stuck_work.py",
        "test_an_act_that_waits_for_nothing_loses_its_claim_and_is_named_everywhere",
    ),
    "producers file": (
        "runtime/test_producer_verbs.py",
        "test_the_doctor_says_that_commands_come_unsigned_and_what_is_wrong_with_the_file",
    ),
    "processes": ("runtime/test_probes.py", "test_live_is_whether_our_own_processes_answer_whatever_is_away"),
    "tenure up": ("runtime/test_probes.py", "test_ready_is_over_when_tenure_up_drains"),
    "sqlite": ("runtime/test_refusals.py", "test_a_sqlite_that_corrupts_or_forgets_is_refused"),
    "journal_mode": (
        "runtime/test_refusals.py",
        "test_a_real_sqlite_file_that_is_not_safe_is_refused_and_the_same_file_made_safe_is_not",
    ),
    "synchronous": (
        "runtime/test_refusals.py",
        "test_a_real_sqlite_file_that_is_not_safe_is_refused_and_the_same_file_made_safe_is_not",
    ),
    "database role": ("runtime/test_refusals.py", "test_a_postgresql_that_can_not_be_written_is_refused"),
    "redis": ("runtime/test_refusals.py", "test_a_version_of_redis_that_is_too_old_or_open_to_its_clients_is_found"),
    "redis role": ("runtime/test_refusals.py", "test_a_replica_is_refused_until_it_is_the_primary"),
    "redis mode": ("runtime/test_refusals.py", "test_a_redis_cluster_is_refused"),
    "redis start": (
        "runtime/test_refusals.py",
        "test_a_redis_that_can_not_write_its_file_or_still_reads_it_stands_still",
    ),
    "redis disk": (
        "runtime/test_refusals.py",
        "test_a_redis_that_can_not_write_its_file_or_still_reads_it_stands_still",
    ),
}
"""By the name of the check: the file and the test."""
