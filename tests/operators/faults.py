"""Each fault that a site's document names: how it comes about, and its remedy followed to the letter."""

import re
from collections.abc import Callable
from typing import Any

from tests.operators.situations import Situation, typed

# Following a remedy


def _send(world: Any, remedy: str) -> None:
    if "mend the cause" in remedy or "site.retry" in remedy:
        world.outside.broken = {}
    kind = re.search(r"site\.(\w+)", remedy)[1]
    world.send(kind, **GIVEN.get(kind, dict)(world, remedy))


def _address(world: Any, _remedy: str) -> dict[str, Any]:
    world.outside.broken = {}
    return {"email": "new@acme.example.com"}


def _refund(_world: Any, remedy: str) -> dict[str, Any]:
    return {"invoice": re.search(r"invoice=(\S+)", remedy)[1], "reference": "re_1", "reason": "cancelled before"}


GIVEN: dict[str, Callable[[Any, str], dict[str, Any]]] = {
    "retry": lambda _world, _remedy: {},
    "update_contact": _address,
    "record_refund": _refund,
}


def contact(world: Any, remedy: str) -> None:
    """Where it is the address: change it."""
    assert "site.update_contact where it is the address" in remedy
    world.send("update_contact", **_address(world, remedy))


def dropped(world: Any, remedy: str) -> None:
    """Give the charge up, as the remedy's other half says."""
    assert "`tenure dead drop` gives the charge up" in remedy
    typed(world, "`tenure dead list` `tenure dead drop ID`")


# Bringing things about


def export_gives_up(world: Any) -> None:
    world.start_active()
    world.outside.broken = {"build": "the store is full"}
    world.send("export")


def charge_gives_up(world: Any) -> None:
    world.start_active()
    world.outside.broken = {"charge": "the card network refuses this key"}
    world.send("change_plan", agents=9)


def letter_gives_up(world: Any) -> None:
    world.outside.broken = {"owner@acme.example.com": "550 there is no such mailbox"}
    world.start_trial()


def building_fails(world: Any) -> None:
    world.outside.broken = {"provision": "the host has no room"}
    world.send("start_trial", account="acme", email="owner@acme.example.com")


def charge_succeeds_after_the_cancellation(world: Any) -> None:
    world.start_active()
    real = world.outside.charge

    def slow(charge: Any) -> Any:
        world.say("cancel")
        return real(charge)

    world.outside.charge = slow
    world.send("change_plan", agents=9)
    del world.outside.charge


SITE_FAULTS = (
    Situation("effect.gave_up", export_gives_up, _send, "mend the cause, then site.retry"),
    Situation("effect.gave_up", charge_gives_up, _send, "site.retry asks under the same key"),
    Situation("effect.gave_up", charge_gives_up, dropped, "or `tenure dead drop` gives the charge up"),
    Situation("effect.gave_up", letter_gives_up, contact, "site.update_contact where it is the address"),
    Situation("build.failed", building_fails, _send, "site.retry builds it again"),
    Situation("refund.due", charge_succeeds_after_the_cancellation, _send, "site.record_refund with invoice="),
)

ELSEWHERE = {
    "notice.bounced": (
        "journeys/test_refunds.py",
        "test_a_notice_that_bounced_is_sent_to_the_new_address_and_counts_from_then",
    ),
    "database.too_large": (
        "hostile/test_databases.py",
        "test_a_sparse_terabyte_is_counted_and_not_copied_beyond_the_limit",
    ),
    "work.failing": ("journeys/test_failing_work.py", "test_it_is_gone_when_the_work_is_done"),
    "work.stuck": (
        "hostile/test_stuck_work.py",
        "test_an_act_that_waits_for_nothing_loses_its_claim_and_is_named_everywhere",
    ),
    "backup.failed": ("journeys/test_nights.py", ""),
    "restore_point.missing": ("journeys/test_nights.py", ""),
    "backup.partial": ("hostile/test_partial_copies.py", ""),
    "backup.not_restorable": ("hostile/test_partial_copies.py", ""),
    "database.unreadable": (
        "hostile/test_agents_in_use.py",
        "test_what_is_wrong_and_what_to_do_stands_in_the_document_and_goes_when_it_is_mended",
    ),
    "database.locked": ("hostile/test_agents_in_use.py", "test_a_lock_is_told_only_when_it_is_found_twice"),
    "database.odd": (
        "hostile/test_databases.py",
        "test_a_hostile_database_is_named_soon_and_the_neighbour_is_answered_at_once",
    ),
    "database.slow": (
        "hostile/test_databases.py",
        "test_millions_of_rows_are_given_up_in_time_and_counted_by_who_has_more_of_it",
    ),
    "database.damaged": (
        "hostile/test_databases.py",
        "test_a_hostile_database_is_named_soon_and_the_neighbour_is_answered_at_once",
    ),
    "database.missing": ("hostile/test_databases.py", ""),
    "database.unfinished": (
        "hostile/test_databases.py",
        "test_what_a_help_desk_that_was_killed_has_committed_counts_and_nothing_else",
    ),
    "database.restless": ("hostile/test_databases.py", ""),
    "database.failed": ("hostile/test_databases.py", ""),
    "host.failed": ("hostile/test_agents_in_use.py", ""),
    "host.silent": (
        "hostile/test_agents_in_use.py",
        "test_a_host_that_never_answers_keeps_a_batch_two_seconds_and_the_next_one_not_at_all",
    ),
    "payments.outage": ("adapters/test_stripe.py", "test_a_refused_key_is_an_outage_that_shows_no_secret"),
    "mail.outage": (
        "journeys/test_mail_outage.py",
        "test_a_wrong_relay_setting_gives_up_no_letter_and_they_go_out_when_it_is_right",
    ),
    "safe_mode": ("operators/situations.py", ""),
    "silence": ("journeys/test_clock_jumps.py", ""),
    "deletions.tripped": ("operators/situations.py", ""),
    "redis.memory": ("hostile/test_redis_bounds.py", "test_an_alarm_is_raised_at_70_and_at_90_percent_once_each"),
}
"""What is provoked and mended by a test of its own room: by its code, the file and the test."""
