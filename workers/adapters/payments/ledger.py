"""`ledger:` the embedded card network. It accepts every card but the declared bad ones, and writes down what it did.

`payments.jsonl` holds a line per accepted charge, `payments-declined.jsonl` one per decline; both are append-only, and
a key that stands in either is answered from there for ever. Cards: `pm_declined…` is declined and may be tried again
later; `pm_declined_new_card…`, `pm_declined_customer…` and `pm_declined_never…` are declined as their name says, and so
is a charge without a card. Everything else is accepted.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from models.timestamps import stamp
from workers.adapters.payment import Charge, ChargeOutcome, Retry
from workers.adapters.payments.keyed_log import KeyedLog, LogLine
from workers.base.errors import Permanent
from workers.base.masking import mask
from workers.storage.atomic_files import explained, make_folder
from workers.storage.file_lock import take_turn

DECLINES: tuple[tuple[str, str, Retry], ...] = (
    ("pm_declined_new_card", "expired_card", "new_card"),
    ("pm_declined_customer", "authentication_required", "customer"),
    ("pm_declined_never", "stolen_card", "never"),
    ("pm_declined", "insufficient_funds", "later"),
)
"""How a bad card's name begins, with its decline code and what may be tried next; the first that fits counts."""

NO_CARD: tuple[str, Retry] = ("no_card", "new_card")
BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express", "discover": "Discover"}


def opened(url: str, data_dir: Path, key_file: Path | None = None) -> "Ledger":  # noqa: ARG001 - all are opened alike
    """The ledger of a data folder; nothing is touched before its first use."""
    if url != "ledger:":
        raise ValueError(
            f"TENURE_PAYMENTS_URL={mask(url)!r} says too much: the ledger is in the data folder; set ledger:"
        )
    return Ledger(data_dir)


class Ledger:
    """Two books under one lock, so that a key is decided once, whoever asks and however many at a time."""

    def __init__(self, data_dir: Path) -> None:
        self._accepted = KeyedLog(data_dir / "payments.jsonl")
        self._declined = KeyedLog(data_dir / "payments-declined.jsonl")

    def charge(self, charge: Charge) -> ChargeOutcome:
        """Book a charge as accepted or declined, or answer again what stands in the books."""
        if charge.amount_cents <= 0:
            raise Permanent(
                f"{charge.key} asks for {charge.amount_cents} minor units: only a positive amount is charged"
            )
        with self._open() as books:
            line = _find(books, charge.key)
            if line is None:
                line = self._book(books, charge)
        _must_be_the_same(charge, line)
        return _outcome(line)

    def lookup(self, charge: Charge) -> ChargeOutcome | None:
        """What stands in the books under its key."""
        with self._open() as books:
            line = _find(books, charge.key)
        return None if line is None else _outcome(line)

    def writable(self) -> None:
        """Open, lock and read both books."""
        with self._open() as books:
            _find(books, "")

    @contextmanager
    def _open(self) -> Iterator[tuple[tuple[KeyedLog, BinaryIO], tuple[KeyedLog, BinaryIO]]]:
        """Open both books under the lock; closing them gives it back, and so does the death of the process."""
        first, second = self._accepted, self._declined
        with explained(first.path):
            make_folder(first.path.parent)
            with first.path.open("a+b") as accepted, second.path.open("a+b") as declined:
                take_turn(accepted)
                yield (first, accepted), (second, declined)

    def _book(self, books: tuple[tuple[KeyedLog, BinaryIO], ...], charge: Charge) -> LogLine:
        line = _line(charge)
        book, file = books["decline_code" in line]
        book.append(file, line)
        return line


def _find(books: tuple[tuple[KeyedLog, BinaryIO], ...], key: str) -> LogLine | None:
    found = [book.find(file, key) for book, file in books]
    return next((line for line in found if line is not None), None)


def _line(charge: Charge) -> LogLine:
    """What is written down about a charge; no word about the card but its label."""
    line: LogLine = {
        "key": charge.key,
        "site": charge.site_id,
        "invoice": charge.invoice_id,
        "amount_cents": charge.amount_cents,
        "currency": charge.currency,
        "at": stamp(charge.at),
        "card_label": _card_label(charge.payment_method),
        "reference": f"ledger_{blake2b(charge.key.encode(), digest_size=10).hexdigest()}",
    }
    decline = _decline(charge.payment_method)
    return line if decline is None else {**line, "decline_code": decline[0], "retry": decline[1]}


def _decline(payment_method: str) -> tuple[str, Retry] | None:
    if not payment_method:
        return NO_CARD
    return next(((code, retry) for begin, code, retry in DECLINES if payment_method.startswith(begin)), None)


def _card_label(payment_method: str) -> str:
    """`Visa card ending in 4242`, as far as the name of the payment method tells."""
    brand = next((name for word, name in BRANDS.items() if word in payment_method.lower()), "")
    digits = re.search(r"([0-9]{4})$", payment_method)
    ending = f" ending in {digits[1]}" if digits else ""
    return f"{brand} card{ending}".strip()


def _must_be_the_same(charge: Charge, line: LogLine) -> None:
    """Refuse a key that stands for another charge; the moment and the card may differ."""
    asked: dict[str, Any] = {
        "site": charge.site_id,
        "invoice": charge.invoice_id,
        "amount_cents": charge.amount_cents,
        "currency": charge.currency,
    }
    for name, value in asked.items():
        if line.get(name, value) != value:
            raise Permanent(
                f"{charge.key} was asked for {name} {line[name]!r} before and for {value!r} now:"
                " another charge needs another key"
            )


def _outcome(line: LogLine) -> ChargeOutcome:
    code, retry = line.get("decline_code"), line.get("retry")
    said = (line.get("reference", ""), line.get("card_label", "card"))
    return ChargeOutcome("declined" if code else "succeeded", *said, code, retry)
