"""Stripe by its documented rules: replays, mismatches, conflicts, lost replies, lists that lag, secrets."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from tests.adapters.stripe_account import StripeDouble, stripe_double  # noqa: F401 - a fixture
from tests.adapters.test_payments import CHARGE
from workers.adapters.payment import PaymentsOutage, Retry, open_payments
from workers.adapters.payments.stripe_declines import ADVICE, CODES, row_of
from workers.base.errors import Permanent, Temporary, Unknown
from workers.base.masking import hidden


@pytest.mark.parametrize("fault", [409, 429])
def test_what_did_nothing_is_temporary_and_charged_at_the_next_try(stripe_double, tmp_path, fault):  # noqa: F811
    stripe_double.script(tmp_path, fault)
    network = stripe_double.open(tmp_path)
    with pytest.raises(Temporary):
        network.charge(CHARGE)
    assert stripe_double.charged(tmp_path) == []
    assert network.charge(CHARGE).status == "succeeded"
    assert stripe_double.charged(tmp_path) == [CHARGE.key]


@pytest.mark.parametrize("fault", ["lost", "charged_500"])
def test_a_charge_without_a_reply_is_unknown_and_found(stripe_double, tmp_path, fault):  # noqa: F811
    stripe_double.script(tmp_path, fault)
    network = stripe_double.open(tmp_path)
    with pytest.raises(Unknown):
        network.charge(CHARGE)
    assert network.lookup(CHARGE).status == "succeeded"
    assert network.charge(CHARGE).status == "succeeded"
    assert stripe_double.charged(tmp_path) == [CHARGE.key]


def test_a_list_that_lags_does_not_charge_twice(stripe_double, tmp_path):  # noqa: F811
    stripe_double.script(tmp_path, "lost")
    network = stripe_double.open(tmp_path)
    with pytest.raises(Unknown):
        network.charge(CHARGE)
    stripe_double.lag(tmp_path, 1)
    assert network.lookup(CHARGE) is None
    assert network.charge(CHARGE).status == "succeeded"
    assert stripe_double.charged(tmp_path) == [CHARGE.key]


def test_other_parameters_under_a_key_that_lists_do_not_show_yet_are_refused(stripe_double, tmp_path):  # noqa: F811
    network = stripe_double.open(tmp_path)
    network.charge(CHARGE)
    stripe_double.lag(tmp_path, 1)
    with pytest.raises(Permanent, match="another charge needs another key"):
        network.charge(replace(CHARGE, amount_cents=1))
    assert stripe_double.charged(tmp_path) == [CHARGE.key]


def test_a_500_that_is_replayed_stays_unknown_and_takes_no_money(stripe_double, tmp_path):  # noqa: F811
    stripe_double.script(tmp_path, 500)
    network = stripe_double.open(tmp_path)
    for _ in range(3):
        with pytest.raises(Unknown):
            network.charge(CHARGE)
    assert stripe_double.charged(tmp_path) == []


def test_processing_is_unknown_and_looked_up(stripe_double, tmp_path):  # noqa: F811
    stripe_double.script(tmp_path, "processing")
    network = stripe_double.open(tmp_path)
    for ask in (network.charge, network.lookup, network.charge):
        with pytest.raises(Unknown, match="still processing"):
            ask(CHARGE)


def test_authentication_is_the_customers(stripe_double, tmp_path):  # noqa: F811
    stripe_double.script(tmp_path, "action")
    network = stripe_double.open(tmp_path)
    first = network.charge(CHARGE)
    assert (first.status, first.decline_code, first.retry) == ("declined", "authentication_required", "customer")
    other = network.charge(replace(CHARGE, key="another", payment_method="pm_declined_customer"))
    assert (other.status, other.decline_code, other.retry) == ("declined", "authentication_required", "customer")


@pytest.mark.parametrize("card", ["", "pm_gone", "pm_nobody"])
def test_a_card_that_belongs_to_nobody_needs_another(stripe_double, tmp_path, card):  # noqa: F811
    network = stripe_double.open(tmp_path)
    charge = replace(CHARGE, payment_method=card)
    assert (network.charge(charge).decline_code, network.charge(charge).retry) == ("no_card", "new_card")
    assert network.lookup(charge) is None


def test_a_charge_without_a_reply_is_found_though_the_card_was_taken_from_its_customer(stripe_double, tmp_path):  # noqa: F811
    stripe_double.script(tmp_path, "lost")
    charge = replace(CHARGE, at=datetime.now(UTC))
    with pytest.raises(Unknown):
        stripe_double.open(tmp_path).charge(charge)
    stripe_double.detach_cards(tmp_path)
    network = stripe_double.open(tmp_path)
    assert network.lookup(charge).status == network.charge(charge).status == "succeeded"
    assert network.charge(replace(charge, key="another")).decline_code == "no_card"
    assert stripe_double.charged(tmp_path) == [CHARGE.key]


def test_a_charge_is_found_among_many_and_under_a_clock_of_another_year(stripe_double, tmp_path):  # noqa: F811
    network = stripe_double.open(tmp_path)
    first = network.charge(CHARGE)
    for number in range(120):
        network.charge(replace(CHARGE, key=f"key_{number}"))
    assert network.lookup(CHARGE) == first
    assert network.lookup(replace(CHARGE, at=datetime(2099, 1, 1, tzinfo=UTC))) == first
    assert first.card_label == "Visa card ending in 4242"


def test_a_refused_key_is_an_outage_that_shows_no_secret(stripe_double: StripeDouble, tmp_path: Path):  # noqa: F811
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("sk_test_wrong4242424242")
    network = open_payments(stripe_double.url, tmp_path, key)
    for ask in (network.writable, lambda: network.charge(CHARGE)):
        with pytest.raises(PaymentsOutage, match="Stripe refuses the key") as refused:
            ask()
        assert "wrong4242" not in str(refused.value)
    assert "wrong4242" not in hidden("a trace with sk_test_wrong4242424242")


@pytest.mark.parametrize(
    ("text", "mode", "error"),
    [
        (None, 0, "can't be read"),
        ("sk_test_12345678", 0o644, "chmod 600"),
        ("pk_test_12345678", 0o600, "no secret key"),
    ],
)
def test_a_key_file_that_is_no_secret_is_refused(tmp_path, text, mode, error):
    key = tmp_path / "key"
    if text is not None:
        key.write_text(text)
        key.chmod(mode)
    with pytest.raises(ValueError, match=f"TENURE_STRIPE_KEY_FILE=.*{error}") as refused:
        open_payments("stripe:", tmp_path, key)
    assert "12345678" not in str(refused.value)


def test_without_a_key_file_the_start_says_which_setting():
    with pytest.raises(ValueError, match="needs TENURE_STRIPE_KEY_FILE: set it"):
        open_payments("stripe:", Path())


def test_every_row_has_a_retry_and_words_for_both():
    for row in (*CODES.values(), *ADVICE.values()):
        assert row.retry in get_args(Retry)
        assert row.customer
        assert row.operator
    assert len(CODES) == 49


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent", "pickup_card", "restricted_card"])
def test_what_a_cardholder_must_not_be_told_reads_as_a_plain_decline(code):
    assert row_of(code)[:2] == ("never", "the card was declined")


@pytest.mark.parametrize(
    ("code", "advice", "retry"),
    [
        ("insufficient_funds", None, "later"),
        ("insufficient_funds", "do_not_try_again", "never"),
        ("do_not_honor", "confirm_card_data", "new_card"),
        ("expired_card", "try_again_later", "later"),
        ("authentication_required", "try_again_later", "customer"),
        ("of_tomorrow", None, "later"),
        (None, None, "later"),
    ],
)
def test_advice_comes_before_the_code_but_not_before_the_customers_authentication(code, advice, retry):
    assert row_of(code, advice).retry == retry
