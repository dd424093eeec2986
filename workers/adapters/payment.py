"""Payments: what any card network must do for the engine, and the one that the settings choose."""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol

from workers.base.errors import Outage
from workers.base.masking import mask

Retry = Literal["later", "new_card", "customer", "never"]
"""What a decline allows: the same card later, another card, a word from the customer first, or no further try."""

IMPLEMENTATIONS = {"ledger": "workers.adapters.payments.ledger", "stripe": "workers.adapters.payments.stripe"}
"""The module of each scheme, loaded when it is chosen."""


class PaymentsOutage(Outage):
    """No card can be charged now: the card network refuses the key."""

    alarm_code = "payments.outage"


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge, named by its key. The amount is in minor units, `at` is the engine's time, aware UTC."""

    key: str
    site_id: str
    invoice_id: str
    amount_cents: int
    currency: str
    payment_method: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChargeOutcome:
    """What the card network said; final for its key. A decline has a code and says what may be tried next."""

    status: Literal["succeeded", "declined"]
    reference: str
    card_label: str
    decline_code: str | None = None
    retry: Retry | None = None


class Payments(Protocol):
    """A card network. `tests/adapters/test_payments.py` holds the contract for all of them."""

    def charge(self, charge: Charge) -> ChargeOutcome:
        """Charge, or answer again what was answered for this key, whatever card is named now.

        Raises `Permanent` for a key that stands for another charge, `Temporary` if nothing was done, and `Unknown`
        if nobody can tell: then `lookup`.
        """
        ...

    def lookup(self, charge: Charge) -> ChargeOutcome | None:
        """What is known about a charge's key; None when it never arrived. Raises `Temporary` and `Unknown`.

        It is given whole, because a card network may find it by customer and time only.
        """
        ...

    def writable(self) -> None:
        """Raise `Permanent` or `Temporary` with the remedy if charges can't be made."""
        ...


def open_payments(url: str, data_dir: Path, key_file: Path | None = None) -> Payments:
    """The payments that a URL chooses, with the secret of a file. `ValueError` names the setting and the remedy."""
    module = IMPLEMENTATIONS.get(url.partition(":")[0])
    if module is None:
        known = ", ".join(f"{scheme}:" for scheme in IMPLEMENTATIONS)
        raise ValueError(f"TENURE_PAYMENTS_URL={mask(url)!r} is no known kind of payments: set it to one of {known}")
    opened: Payments = import_module(module).opened(url, data_dir, key_file)
    return opened
