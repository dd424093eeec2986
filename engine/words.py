"""Values in a reader's words, for refusals, notes and attention."""

from datetime import UTC, datetime


def moment(at: datetime | None) -> str:
    """RFC 3339, UTC, six digits, `Z`; "not set" for None."""
    if at is None:
        return "not set"
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def agents_in_words(count: int) -> str:
    """`1 agent`, `2 agents`."""
    return f"{count} agent" if count == 1 else f"{count} agents"


def money(cents: int, currency: str) -> str:
    """An amount as an operator reads it; the letters to customers have a fuller form."""
    return f"{cents} {currency} minor units"


def shown(value: object) -> str:
    """A value from outside, escaped and cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - the contract's 80 characters


def named(host: str) -> str:
    """A hostname, which is checked at the door, cut to 80 characters."""
    return host if len(host) <= 80 else f"{host[:77]}..."  # noqa: PLR2004 - the contract's 80 characters
