"""Values in a reader's words, for refusals, notes and attention."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

from engine.spelling import has_at_sign, names, plain

WORDS = re.compile(r"(\\{1,8}(?![uUx][0-9a-fA-F]{2})[bfnrt]?)|((?:[^\s\"<>\\]|\\{1,8}[uUx][0-9a-fA-F]{2})+)")
"""What stands between blanks, quotes and angle brackets. A backslash belongs to a word only if it escapes a letter."""

PLAIN_ADDRESS = re.compile(r"[^\s@]@[^\s@]+\.[^\W\d]{2,}")
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


SUSPECT = ("lost", "stolen", "fraud", "pickup", "pick_up", "restricted", "blacklist", "security", "suspect", "risk")
"""In decline codes: what a bank suspects is not for the eyes of whoever holds the card."""


def plain_decline(code: str | None) -> str | None:
    """A decline code as a customer may see it: one that speaks of a suspicion reads as a plain decline."""
    if code is None or not any(word in code.lower().replace("-", "_").replace(" ", "_") for word in SUSPECT):
        return code
    return "card_declined"


def masked(text: str) -> str:
    """The text with every word that holds an e-mail address taken out, however it is written; JSON stays JSON."""
    return WORDS.sub(_without_address, text) if has_at_sign(text) else text


def without(text: str, known: Collection[str]) -> str:
    """The text masked, and without these addresses (`spelling.plain`) in whatever spelling they are written."""
    text = masked(text)
    if not names(text, known):
        return text
    text = WORDS.sub(lambda found: MASK if names(found[0], known) else found[0], text)
    return MASK if names(text, known) else text


def addresses_in(text: str) -> set[str]:
    """The e-mail addresses in a text, as `masked` finds them, without the quotes and brackets around them."""
    if not has_at_sign(text):
        return set()
    told = [word for _, word in WORDS.findall(text) if _is_address(word)]
    found = {word.strip("'`()[]{},;:.") for one in told for word in (one, *plain(one).split()) if "@" in word}
    return {word for word in found if 0 < word.find("@") < len(word) - 1}


def _without_address(found: re.Match[str]) -> str:
    return MASK if found[2] and _is_address(found[2]) else found[0]


def _is_address(word: str) -> bool:
    """Whether a word has an at sign, or is an address when it is decoded."""
    if "@" in word or "\uff20" in word or "\ufe6b" in word:
        return True
    return has_at_sign(word) and PLAIN_ADDRESS.search(plain(word)) is not None
