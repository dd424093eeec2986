"""`stripe:` cards through Stripe, each charge a PaymentIntent that nobody is present for.

The idempotency key is the charge's own key (invoice and attempt), so a request that is asked again within 24 hours
answers what the first one did. `lookup` lists the customer's intents and compares their metadata, never Stripe's
search, which lags. A `payment_method` is a reusable `pm_…` that belongs to a customer. The secret comes from
TENURE_STRIPE_KEY_FILE; `stripe:http://127.0.0.1:port` asks a double on this machine.

A decline is final for its key. `requires_action` and `authentication_required` need the customer. A lost reply, a 5xx
and an intent that is still processing are `Unknown`; 409 and 429 did nothing and are `Temporary`; a refused secret is
an outage.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from models.clock import machine_now
from workers.adapters.payment import Charge, ChargeOutcome, PaymentsOutage
from workers.adapters.payments.stripe_declines import row_of
from workers.base.errors import Permanent, Temporary, Unknown
from workers.base.masking import hidden, learn, mask
from workers.base.progress import moved

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
LOOK_BACK = timedelta(days=90)
"""A charge that an older database asks for again was made within this."""

LOOK_BACK_AT_ALL = timedelta(days=7)
"""For a card that is nobody's any more: then the intents of all customers are read."""

KEY = re.compile(r"[sr]k_(?:test|live)_[A-Za-z0-9_]{8,}")
DOUBLE = re.compile(r"stripe:(http://(?:127\.0\.0\.1|localhost):[0-9]{1,5})?\Z")
NO_CARD = ChargeOutcome("declined", "", "card", "no_card", "new_card")
BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express", "discover": "Discover"}
MISSING, UNDER_WAY = "resource_missing", 409


def opened(url: str, data_dir: Path, key_file: Path | None = None) -> "Stripe":  # noqa: ARG001 - all are opened alike
    """Stripe with the key of a file; nobody is asked before the first use. `ValueError` names the setting."""
    match = DOUBLE.match(url)
    if match is None:
        raise ValueError(f"TENURE_PAYMENTS_URL={mask(url)!r} says too much: set stripe:, and the key in a file")
    if key_file is None:
        raise ValueError(
            "TENURE_PAYMENTS_URL='stripe:' needs TENURE_STRIPE_KEY_FILE: set it to a file with the secret key"
        )
    return Stripe(_secret(key_file), match[1])


def _secret(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as wrong:
        raise ValueError(
            f"TENURE_STRIPE_KEY_FILE={str(path)!r} can't be read ({wrong}): give its owner access"
        ) from None
    if path.stat().st_mode & 0o077:
        raise ValueError(f"TENURE_STRIPE_KEY_FILE={str(path)!r} is open to other users: chmod 600 it")
    if not KEY.fullmatch(secret):
        raise ValueError(f"TENURE_STRIPE_KEY_FILE={str(path)!r} holds no secret key: put sk_… or rk_… into it, alone")
    learn([secret])
    return secret


class Stripe:
    """A card network behind Stripe's API."""

    def __init__(self, secret: str, base: str | None = None) -> None:
        self._secret = secret
        self._base = base
        self._customers: dict[str, str] = {}

    def charge(self, charge: Charge) -> ChargeOutcome:
        """Make the charge, or answer again what was answered under its key."""
        if charge.amount_cents <= 0:
            what = f"{charge.key} asks for {charge.amount_cents} minor units: only a positive amount is charged"
            raise Permanent(what)
        if not charge.payment_method:
            return NO_CARD
        known = self.lookup(charge)
        if known is not None:
            return known
        customer = self._customer_of(charge.payment_method)
        return NO_CARD if customer is None else self._create(charge, customer)

    def lookup(self, charge: Charge) -> ChargeOutcome | None:
        """What the customer's intents say about a key; None when there is none.

        A card may have been taken from its customer since: the intents of all are read then.
        """
        if not charge.payment_method:
            return None
        for intent in self._intents(charge, self._customer_of(charge.payment_method)):
            if intent["metadata"].get("tenure_key") == charge.key:
                _must_be_the_same(charge, intent)
                return _outcome(intent)
        return None

    def writable(self) -> None:
        """Ask for one intent: the key is good, and Stripe answers."""
        _asked(lambda: self._client.v1.payment_intents.list({"limit": 1}))

    @cached_property
    def _client(self) -> Any:
        """Loaded when it is used: it takes 1.7 seconds and 45 MB."""
        import stripe  # noqa: PLC0415 - see above

        stripe.enable_telemetry = False
        http = stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        bases: Any = {} if self._base is None else {"base_addresses": {"api": self._base}}
        return stripe.StripeClient(self._secret, max_network_retries=0, http_client=http, **bases)

    def _customer_of(self, method: str) -> str | None:
        """Whose card it is; None for a card that is gone or nobody's."""
        if method not in self._customers:
            found = _asked(lambda: self._client.v1.payment_methods.retrieve(method), or_missing=True)
            if found is None or found["customer"] is None:
                return None
            self._customers[method] = found["customer"]
        return self._customers[method]

    def _intents(self, charge: Charge, customer: str | None) -> Iterator[Any]:
        back = LOOK_BACK_AT_ALL if customer is None else LOOK_BACK
        since = int((min(charge.at, machine_now()) - back).timestamp())
        asked: dict[str, Any] = {
            **({} if customer is None else {"customer": customer}),
            "created": {"gte": since},
            "limit": 100,
            "expand": ["data.latest_charge"],
        }
        while True:
            page = _asked(partial(self._client.v1.payment_intents.list, asked))
            yield from page["data"]
            if not page["has_more"]:
                return
            asked = {**asked, "starting_after": page["data"][-1]["id"]}

    def _create(self, charge: Charge, customer: str) -> ChargeOutcome:
        asked = {
            "amount": charge.amount_cents,
            "currency": charge.currency.lower(),
            "customer": customer,
            "payment_method": charge.payment_method,
            "payment_method_types": ["card"],
            "off_session": True,
            "confirm": True,
            "expand": ["latest_charge"],
            "metadata": {"tenure_key": charge.key, "site": charge.site_id, "invoice": charge.invoice_id},
        }
        try:
            intent = _asked(
                lambda: self._client.v1.payment_intents.create(asked, {"idempotency_key": charge.key}), charges=True
            )
        except Declined as declined:
            error = declined.error
            return _declined(error, (error.get("payment_intent") or {}).get("id", ""), _label(_card_of(error)))
        return _outcome(intent)


class Declined(Exception):  # noqa: N818 - an outcome
    """Stripe answered 402: the card was not charged."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__("declined")
        self.error = error


def _asked(call: Callable[[], Any], *, charges: bool = False, or_missing: bool = False) -> Any:
    """Stripe's answer; its errors as ours. `charges`: a lost reply leaves open whether money was taken."""
    import stripe  # noqa: PLC0415 - a start-up cost

    lost = Unknown if charges else Temporary
    try:
        answer = call()
    except stripe.CardError as error:
        body: Any = error.json_body or {}
        raise Declined(body.get("error") or {}) from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise PaymentsOutage(f"Stripe refuses the key: {_said(error)}") from None
    except stripe.IdempotencyError as error:
        raise Permanent(
            f"the key stands for another charge at Stripe ({_said(error)}): another charge needs another key"
        ) from None
    except stripe.RateLimitError as error:
        raise Temporary(f"Stripe takes no more requests now: {_said(error)}") from None
    except stripe.InvalidRequestError as error:
        if or_missing and error.code == MISSING:
            return None
        raise Permanent(f"Stripe refuses the request: {_said(error)}") from None
    except stripe.StripeError as error:
        if error.http_status == UNDER_WAY:
            raise Temporary(f"the same charge is under way: {_said(error)}") from None
        raise lost(f"Stripe gave no clear answer: {_said(error)}") from None
    moved()
    return answer.to_dict()


def _said(error: Any) -> str:
    return hidden(mask(str(error)[:200]))


def _must_be_the_same(charge: Charge, intent: dict[str, Any]) -> None:
    asked = {
        "amount": (intent["amount"], charge.amount_cents),
        "currency": (intent["currency"], charge.currency.lower()),
        "site": (intent["metadata"].get("site"), charge.site_id),
        "invoice": (intent["metadata"].get("invoice"), charge.invoice_id),
    }
    for name, (before, now) in asked.items():
        if before != now:
            what = f"{charge.key} was asked for {name} {before!r} before and for {now!r} now"
            raise Permanent(f"{what}: another charge needs another key")


def _outcome(intent: dict[str, Any]) -> ChargeOutcome:
    """What an intent says."""
    label = _label(_card(intent))
    if intent["status"] == "succeeded":
        return ChargeOutcome("succeeded", intent["id"], label)
    if intent["status"] == "processing":
        raise Unknown(f"{intent['id']} is still processing at Stripe")
    if intent["status"] == "requires_action":
        return ChargeOutcome("declined", intent["id"], label, "authentication_required", "customer")
    error = intent.get("last_payment_error")
    if error is None:
        raise Unknown(f"{intent['id']} is {intent['status']} at Stripe, which is no answer")
    return _declined(error, intent["id"], label)


def _declined(error: dict[str, Any], reference: str, label: str) -> ChargeOutcome:
    """What the error of a 402, or the last one of an intent, says: the same for both."""
    code = _code(error)
    return ChargeOutcome("declined", reference, label, code, row_of(code, error.get("advice_code")).retry)


def _code(error: dict[str, Any]) -> str:
    """`authentication_required` may come as the error's code, with a decline code of the issuer beside it."""
    if error.get("code") == "authentication_required":
        return "authentication_required"
    return str(error.get("decline_code") or error.get("code") or "generic_decline")


def _card(intent: dict[str, Any]) -> dict[str, Any]:
    charge = intent.get("latest_charge")
    if isinstance(charge, dict):
        return (charge.get("payment_method_details") or {}).get("card") or {}
    return _card_of(intent.get("last_payment_error") or {})


def _card_of(error: dict[str, Any]) -> dict[str, Any]:
    return (error.get("payment_method") or {}).get("card") or {}


def _label(card: dict[str, Any]) -> str:
    """`Visa card ending in 4242`, as far as Stripe says."""
    brand = BRANDS.get(card.get("brand") or "", "")
    last = card.get("last4")
    return f"{brand} card{f' ending in {last}' if last else ''}".strip()
