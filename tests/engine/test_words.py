"""How values read in a refusal, a note and a letter: both sides of each edge."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from engine.words import (
    addresses_in,
    agents_in_words,
    days_in_words,
    masked,
    moment,
    money,
    named,
    plain_decline,
    shown,
    without,
)


def test_a_moment_is_written_in_utc_with_microseconds():
    assert moment(datetime(2026, 1, 1, 9, 0, tzinfo=UTC)) == "2026-01-01T09:00:00.000000Z"
    assert moment(datetime(2026, 1, 1, 1, 0, 0, 1, timezone(timedelta(hours=2)))) == "2025-12-31T23:00:00.000001Z"
    assert moment(None) == "not set"


def test_one_is_singular_and_every_other_number_plural():
    assert [agents_in_words(count) for count in (0, 1, 2)] == ["0 agents", "1 agent", "2 agents"]
    assert [days_in_words(count) for count in (0, 1, 2)] == ["0 days", "1 day", "2 days"]


@pytest.mark.parametrize(
    ("cents", "currency", "text"),
    [
        (123450, "USD", "USD 1,234.50"),
        (5, "USD", "USD 0.05"),
        (1235, "JPY", "JPY 1,235"),
        (1234, "KWD", "KWD 1.234"),
        (12345, "CLF", "CLF 1.2345"),
    ],
)
def test_money_has_the_decimals_of_its_currency(cents, currency, text):
    assert money(cents, currency) == text


def test_a_value_or_hostname_of_80_characters_is_whole_and_one_more_is_cut():
    assert shown("x" * 78) == f"'{'x' * 78}'"
    assert shown("x" * 79) == f"'{'x' * 76}..."
    assert named("x" * 80) == "x" * 80
    assert named("x" * 81) == f"{'x' * 77}..."


@pytest.mark.parametrize("code", ["lost_card", "STOLEN-card", "pick up card", "suspected fraud"])
def test_a_suspicion_reads_as_a_plain_decline(code):
    assert plain_decline(code) == "card_declined"


@pytest.mark.parametrize("code", [None, "insufficient_funds", "expired_card"])
def test_every_other_code_is_told(code):
    assert plain_decline(code) == code


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("no address", "no address"),
        ('{"to": "owner@acme.example"}', '{"to": "***"}'),
        ("to owner\uff20acme.example", "to ***"),
        ("to owner%40acme.example now", "to *** now"),
        ("50%40 off", "50%40 off"),
        (r"at\nowner@acme.example", r"at\n***"),
    ],
)
def test_the_words_with_an_address_are_masked(text, hidden):
    assert masked(text) == hidden


def test_a_known_address_is_taken_out_in_whatever_spelling():
    known = {"root@localhost"}
    assert without("nothing", known) == "nothing"
    assert without("to root%40localhost now", known) == "to *** now"
    assert without("to other%40localhost now", known) == "to other%40localhost now"


def test_a_known_address_that_stands_across_words_takes_the_whole_text_out():
    assert without("root=40local=\nhost", {"root@localhost"}) == "***"


def test_addresses_are_read_without_the_quotes_and_brackets_around_them():
    assert addresses_in("nothing") == set()
    assert addresses_in("(owner@acme.example), @ and other%40acme.example;") == {
        "owner@acme.example",
        "other@acme.example",
    }
