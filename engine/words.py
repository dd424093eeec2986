"""Values in a reader's words, for refusals, notes and attention."""

import re
from datetime import UTC, datetime

ADDRESS = re.compile(r"[^\s\"<>\\]*@[^\s\"<>\\]*")
MASK = "***"

DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""ISO 4217: the currencies whose minor unit is not a hundredth."""


def moment(at: datetime | None) -> str:
    """RFC 3339, UTC, six digits, `Z`; "not set" for None."""
    if at is None:
        return "not set"
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds')[:-6]}Z"


def agents_in_words(count: int) -> str:
    """`1 agent`, `2 agents`."""
    return f"{count} agent" if count == 1 else f"{count} agents"


def days_in_words(count: int) -> str:
    """`1 day`, `2 days`."""
    return f"{count} day" if count == 1 else f"{count} days"


def money(cents: int, currency: str) -> str:
    """`USD 1,234.50`, `JPY 1,235`, `KWD 1.234`: minor units with the decimals of their currency."""
    places = DECIMALS.get(currency, 2)
    whole, rest = divmod(cents, 10**places)
    return f"{currency} {whole:,}.{rest:0{places}}" if places else f"{currency} {whole:,}"


def shown(value: object) -> str:
    """A value from outside, escaped and cut to 80 characters."""
    text = masked(repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - the contract's 80 characters


def named(host: str) -> str:
    """A hostname, which is checked at the door, cut to 80 characters."""
    return host if len(host) <= 80 else f"{host[:77]}..."  # noqa: PLR2004 - the contract's 80 characters


def masked(text: str) -> str:
    """The text with every word that holds an e-mail address taken out; JSON stays JSON."""
    return ADDRESS.sub(MASK, text) if "@" in text else text


def addresses_in(text: str) -> set[str]:
    """The e-mail addresses in a text, as `masked` finds them, without the quotes and brackets around them."""
    found = {word.strip("'`()[]{},;:.") for word in ADDRESS.findall(text)} if "@" in text else set()
    return {word for word in found if 0 < word.find("@") < len(word) - 1}
