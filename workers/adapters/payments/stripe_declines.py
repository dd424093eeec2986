"""What Stripe's words for a decline allow, and who is told what. A test holds the table complete.

The issuer's advice (`advice_code`) comes before the decline code: it says whether another try is any use. Codes that
must not be told to a cardholder (lost, stolen, suspected) read as a plain decline in letters, see `engine.words`.
"""

from typing import NamedTuple

from workers.adapters.payment import Retry


class Row(NamedTuple):
    """What is tried next, what the customer reads, what the operator reads."""

    retry: Retry
    customer: str
    operator: str


DECLINED = "the card was declined"
ANOTHER = "use another card"
LATER, NEW_CARD, CUSTOMER, NEVER = "later", "new_card", "customer", "never"

ADVICE: dict[str, Row] = {
    "confirm_card_data": Row("new_card", "check the card's data, or use another card", "the card's data are wrong"),
    "do_not_try_again": Row("never", ANOTHER, "the issuer forbids another try with this card"),
    "try_again_later": Row("later", DECLINED, "the issuer may approve it later"),
}

CODES: dict[str, Row] = {
    "approve_with_id": Row("later", DECLINED, "the issuer wants to be asked again; then the customer asks it"),
    "authentication_required": Row("customer", "confirm the payment in the portal", "needs the customer (SCA)"),
    "call_issuer": Row("customer", "ask your bank, or use another card", "the issuer wants a call"),
    "card_not_supported": Row("new_card", ANOTHER, "the card does not do this kind of purchase"),
    "card_velocity_exceeded": Row("later", "the card's limit is reached", "the card's limit is reached"),
    "currency_not_supported": Row("new_card", ANOTHER, "the card does not do this currency"),
    "do_not_honor": Row("later", DECLINED, "the issuer gives no reason"),
    "do_not_try_again": Row("never", ANOTHER, "the issuer forbids another try with this card"),
    "duplicate_transaction": Row("later", DECLINED, "the issuer saw this amount just now: look for it"),
    "expired_card": Row("new_card", "the card has expired", "the card has expired"),
    "fraudulent": Row("never", DECLINED, "suspected; do not tell the customer"),
    "generic_decline": Row("later", DECLINED, "no reason, or blocked by Radar"),
    "incorrect_address": Row("new_card", "the address does not fit the card", "the address is wrong"),
    "incorrect_cvc": Row("new_card", "enter the card anew", "the CVC is wrong"),
    "incorrect_number": Row("new_card", "enter the card anew", "the number is wrong"),
    "incorrect_pin": Row("new_card", ANOTHER, "for card readers only"),
    "incorrect_zip": Row("new_card", "the postal code does not fit the card", "the postal code is wrong"),
    "insufficient_funds": Row("later", "the funds do not suffice", "the funds do not suffice"),
    "invalid_account": Row("new_card", ANOTHER, "the account behind the card is invalid"),
    "invalid_amount": Row("customer", "ask your bank, or use another card", "the issuer refuses this amount"),
    "invalid_cvc": Row("new_card", "enter the card anew", "the CVC is wrong"),
    "invalid_expiry_month": Row("new_card", "enter the card anew", "the month is wrong"),
    "invalid_expiry_year": Row("new_card", "enter the card anew", "the year is wrong"),
    "invalid_number": Row("new_card", "enter the card anew", "the number is wrong"),
    "invalid_pin": Row("new_card", ANOTHER, "for card readers only"),
    "issuer_not_available": Row("later", DECLINED, "the issuer could not be reached"),
    "lost_card": Row("never", DECLINED, "reported lost; do not tell the customer"),
    "merchant_blacklist": Row("never", DECLINED, "on your own block list; do not tell the customer"),
    "mobile_device_authentication_required": Row("customer", "confirm the payment on your phone", "needs the customer"),
    "new_account_information_available": Row("new_card", ANOTHER, "the account has new data"),
    "no_action_taken": Row("customer", "ask your bank, or use another card", "the issuer gives no reason"),
    "not_permitted": Row("customer", "ask your bank, or use another card", "the issuer does not permit it"),
    "offline_pin_required": Row("new_card", ANOTHER, "for card readers only"),
    "online_or_offline_pin_required": Row("new_card", ANOTHER, "for card readers only"),
    "pickup_card": Row("never", DECLINED, "may be lost or stolen; do not tell the customer"),
    "pin_try_exceeded": Row("new_card", ANOTHER, "too many wrong PINs"),
    "processing_error": Row("later", DECLINED, "an error on the way"),
    "reenter_transaction": Row("later", DECLINED, "an error at the issuer"),
    "restricted_card": Row("never", DECLINED, "may be lost or stolen; do not tell the customer"),
    "revocation_of_all_authorizations": Row("never", ANOTHER, "the customer stopped all payments at the bank"),
    "revocation_of_authorization": Row("never", ANOTHER, "the customer stopped this payment at the bank"),
    "security_violation": Row("customer", "ask your bank, or use another card", "the issuer gives no reason"),
    "service_not_allowed": Row("customer", "ask your bank, or use another card", "the issuer does not allow it"),
    "stolen_card": Row("never", DECLINED, "reported stolen; do not tell the customer"),
    "stop_payment_order": Row("never", ANOTHER, "the customer stopped the payment at the bank"),
    "testmode_decline": Row("new_card", ANOTHER, "a test card with a live key, or the other way round"),
    "transaction_not_allowed": Row("customer", "ask your bank, or use another card", "the issuer does not allow it"),
    "try_again_later": Row("later", DECLINED, "the issuer may approve it later"),
    "withdrawal_count_limit_exceeded": Row("later", "the card's limit is reached", "the card's limit is reached"),
}

UNKNOWN = Row("later", DECLINED, "a code that this version does not know: see Stripe's page of decline codes")


def row_of(decline_code: str | None, advice_code: str | None = None) -> Row:
    """What holds for a decline. A code that is authentication's stays the customer's, whatever the advice."""
    row = CODES.get(decline_code or "", UNKNOWN)
    advice = ADVICE.get(advice_code or "")
    return row if advice is None or row.retry == CUSTOMER else row._replace(retry=advice.retry)
