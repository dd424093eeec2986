import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from workers.base.errors import Permanent
from workers.effects import letters
from workers.effects.letters import KINDS, Unwritable, letter, moment, money, needed, size

AT = datetime(2026, 1, 25, 9, 30, tzinfo=UTC)
LATER = AT + timedelta(days=31)
SITE: dict[str, Any] = {
    "site": "acme.example.com",
    "account": "acme",
    "email": "owner@acme.example",
    "state": "active",
    "trial_ends_at": AT,
    "period_ends_at": LATER,
    "cancels_at": None,
    "cancelled_at": None,
    "deletes_at": None,
    "agents_allowed": 5,
    "used_agents": 4,
    "plan_agents": 9,
    "next_agents": None,
    "price_cents": 2_000,
    "currency": "USD",
}
"""What is known about every site, whatever the letter."""

CARD = {"card_label": "Visa card ending in 4242", "decline_code": "insufficient_funds"}
RECEIPT = {
    "number": "2026-000001",
    "amount_cents": 18_000,
    "agents": 9,
    "unit_price_cents": 2_000,
    "period_start": AT,
    "period_end": LATER,
    "arithmetic": "9 agents for one month",
    "card_label": "Visa card ending in 4242",
    "next_charge_at": LATER,
    "next_amount_cents": 18_000,
    "open_cents": None,
}
DOWNLOAD = {"url": "file:///data/exports/" + "a" * 90 + ".zip", "bytes": 12_345_678, "sha256": "0f" * 32}
GIVEN = {
    "welcome": {"plan_agents": None},
    "trial_ending": {"days": 7, "kept_days": 14},
    "trial_expired": {"cancelled_at": AT, "kept_days": 14},
    "subscribed": {"first_charge_at": AT, "amount_cents": 18_000},
    "first_charge_soon": {"first_charge_at": AT, "amount_cents": 18_000},
    "receipt": RECEIPT,
    "declined": {"amount_cents": 18_000, **CARD, "next_try_at": AT, "suspends_at": LATER},
    "charge_now_declined": {"amount_cents": 18_000, **CARD, "declined_at": AT},
    "suspension_near": {"amount_cents": 18_000, "suspends_at": LATER},
    "suspended_nonpayment": {"ends_at": LATER, "amount_cents": 18_000},
    "suspended_operator": {"suspended_at": AT, "open_cents": None},
    "back_online": {"online_at": AT},
    "reduction_scheduled": {"next_agents": 3},
    "reduction_withdrawn": {},
    "reduction_impossible": {"next_agents": 3, "renews_at": LATER},
    "cancellation_scheduled": {"cancels_at": LATER, "kept_days": 14, "open_cents": None},
    "cancellation_withdrawn": {"next_charge_at": LATER},
    "cancelled": {"cancelled_at": AT, "ready_at": AT, "kept_days": 14, "open_cents": None},
    "download_ready": {**DOWNLOAD, "deletes_at": LATER, "goes_on": None},
    "deletion_in_7_days": {"deletes_at": LATER},
    "deletion_in_48_hours": {"deletes_at": LATER, "returns": True},
    "contact_changed": {"old_email": "old@acme.example", "new_email": "new@acme.example", "changed_at": AT},
    "deleted": {"deleted_at": LATER},
    "welcome_back": {},
    "restored": {"taken_at": AT},
    "agents_over_plan": {"used_agents": 11},
}
"""What each kind is given besides."""


LISTED = sorted({*GIVEN} - {"agents_over_plan", "reduction_withdrawn"})
"""The mails that the product promises."""


def facts(kind: str, **changed: object) -> dict[str, object]:
    return {**SITE, **GIVEN[kind], **changed}


def body(kind: str, **changed: object) -> str:
    return " ".join(letter(kind, facts(kind, **changed)).body.split())


def test_there_is_a_letter_of_every_kind_that_the_law_can_ask_for():
    assert sorted(GIVEN) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
class TestEveryLetter:
    def test_is_plain_greets_links_to_the_site_and_leaves_nothing_open(self, kind: str):
        written = letter(kind, facts(kind))
        assert "acme.example.com" in written.subject
        assert "https://acme.example.com" in written.body
        assert written.body.startswith("Hello,\n\n")
        assert written.body.endswith("\n\nYour hosting team\n")
        assert not re.search(r"[{}\[\]\u00a0]|None|_|\n\n\n", written.subject + written.body)
        assert (written.subject + written.body).isascii()

    def test_has_short_lines_but_for_links_and_rows(self, kind: str):
        lines = letter(kind, facts(kind)).body.splitlines()
        assert all(len(line) <= letters.WIDTH for line in lines if not line.startswith("  "))

    def test_says_which_fact_is_missing_or_none(self, kind: str):
        for fact in needed(kind):
            given = facts(kind)
            del given[fact]
            with pytest.raises(Unwritable, match=f"the letter {kind} needs the fact {fact}, and it is missing"):
                letter(kind, given)
            with pytest.raises(Unwritable, match=f"the letter {kind} needs the fact {fact}, and it is None"):
                letter(kind, facts(kind, **{fact: None}))

    def test_can_do_without_every_other_fact(self, kind: str):
        others = {fact: None for fact in facts(kind) if fact not in needed(kind)}
        assert "https://acme.example.com" in letter(kind, facts(kind, **others)).body

    def test_never_lets_a_value_break_out_of_its_line(self, kind: str):
        with pytest.raises(Permanent, match=f"the letter {kind} can't be written: site is"):
            letter(kind, facts(kind, site="acme.example.com\nBcc: all@example.com"))


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match=r"'birthday' is no kind of letter: there are agents_over_plan, back_online, "):
        letter("birthday", SITE)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="needs the fact deletes_at"):
        letter("deletion_in_7_days", facts("deletion_in_7_days", deletes_at=AT.replace(tzinfo=None)))


def test_a_value_is_never_read_as_a_template():
    assert "{site} [x]" in body("receipt", arithmetic="{site} [x]")


@pytest.mark.parametrize(
    ("cents", "currency", "text"),
    [
        (2_000, "USD", "USD 20.00"),
        (5, "EUR", "EUR 0.05"),
        (0, "USD", "USD 0.00"),
        (123_456_789, "USD", "USD 1,234,567.89"),
        (1_235, "JPY", "JPY 1,235"),
        (1_234, "KWD", "KWD 1.234"),
        (12_345, "CLF", "CLF 1.2345"),
    ],
)
def test_money_has_the_decimals_of_its_currency(cents: int, currency: str, text: str):
    assert money(cents, currency) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (AT, "Sunday 25 January 2026, 09:30 UTC"),
        (datetime(2028, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC), "Tuesday 29 February 2028, 23:59 UTC"),
        (datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "Saturday 28 February 2026, 23:00 UTC"),
    ],
)
def test_a_moment_is_told_in_utc_and_never_later_than_it_is(at: datetime, text: str):
    assert moment(at) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1_023, "1023 bytes"), (1_024, "1.0 KB"), (12_345_678, "11.8 MB"), (5 * 1024**5, "5120.0 TB")],
)
def test_a_size_is_told_in_the_unit_that_fits(count: int, text: str):
    assert size(count) == text


def test_a_moment_stays_on_one_line():
    for kind in KINDS:
        for line in letter(kind, facts(kind)).body.splitlines():
            assert ("UTC" in line) == (" 2026, " in line)


class TestWhatTheyTell:
    def test_the_welcome_of_a_trial_says_that_no_card_is_asked_for(self):
        assert "up to 5 agents. No card is asked for" in body("welcome")

    def test_the_welcome_of_a_site_already_subscribed_does_not(self):
        text = body("welcome", plan_agents=9)
        assert "After that your subscription of 9 agents begins." in text
        assert "No card" not in text

    @pytest.mark.parametrize(("days", "words"), [(7, "in 7 days"), (3, "in 3 days"), (1, "in 1 day")])
    def test_the_end_of_a_trial_is_counted_in_days(self, days: int, words: str):
        assert letter("trial_ending", facts("trial_ending", days=days)).subject.endswith(words)

    def test_the_receipt_has_everything_that_an_accountant_wants(self):
        text = body("receipt")
        for row in (
            "Receipt: 2026-000001",
            "Period: Sunday 25 January 2026, 09:30 UTC to Wednesday 25 February 2026, 09:30 UTC",
            "Agents: 9 agents",
            "Unit price: USD 20.00 for each agent and month",
            "Calculation: 9 agents for one month",
            "Paid: USD 180.00",
            "Paid with: Visa card ending in 4242",
            "Next charge: USD 180.00 on Wednesday 25 February 2026, 09:30 UTC",
        ):
            assert row in text

    def test_the_receipt_of_a_site_that_ends_announces_no_charge(self):
        text = body("receipt", cancels_at=LATER)
        assert "Next charge" not in text
        assert "The site ends on Wednesday 25 February 2026, 09:30 UTC; no further charge follows." in text

    def test_a_decline_gives_the_banks_reason_in_words_and_the_dates(self):
        text = body("declined")
        assert "Reason: insufficient funds" in text
        assert "Offline from: Wednesday 25 February 2026, 09:30 UTC" in text
        assert "Next try" not in body("declined", next_try_at=None)

    def test_a_decline_while_an_operator_suspends_does_not_say_that_the_site_is_online(self):
        assert "still online" in body("declined")
        text = body("declined", suspends_at=None, next_try_at=None)
        assert "online" not in text
        assert "at once" not in text

    def test_a_subscription_in_the_trial_is_stopped_by_the_name_that_the_menu_has_then(self):
        assert '"End Trial"' in body("subscribed")
        assert "Cancel Site" not in body("subscribed")

    def test_a_declined_payment_of_a_suspended_site_does_not_say_that_nothing_is_owed(self):
        assert "owed" not in body("charge_now_declined")

    @pytest.mark.parametrize("kind", LISTED)
    def test_each_letter_of_the_list_has_a_moment_in_utc(self, kind: str):
        assert re.search(r"\d\d:\d\d UTC", body(kind))

    @pytest.mark.parametrize("kind", ["cancelled", "trial_expired", "trial_ending", "cancellation_scheduled"])
    def test_the_days_that_the_data_is_kept_are_those_of_this_customer(self, kind: str):
        assert "at least 14 days" in body(kind)
        assert "at least 30 days" in body(kind, kept_days=30)

    def test_the_cancellation_of_a_site_that_was_never_ready_promises_no_download(self):
        assert "never opened" not in body("cancelled")
        text = body("cancelled", ready_at=None, deletes_at=LATER)
        assert "download" not in text
        assert "never opened" in text

    def test_the_download_has_a_date_if_the_site_is_to_be_deleted_and_none_otherwise(self):
        assert "before Wednesday 25 February 2026, 09:30 UTC" in body("download_ready")
        on_demand = body("download_ready", deletes_at=None)
        assert "deleted" not in on_demand
        assert "Size: 11.8 MB" in on_demand

    def test_a_site_that_came_back_reads_until_when_it_is_paid_or_free(self):
        assert "Paid until: Wednesday" in body("welcome_back")
        assert "Free until: Sunday" in body("welcome_back", period_ends_at=None)

    def test_one_agent_is_not_agents(self):
        assert "may then have 1 agent at most" in body("reduction_scheduled", next_agents=1)
