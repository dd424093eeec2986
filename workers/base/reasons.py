"""An error's reason without what differs from one site to the next, so that equal failures can be counted together."""

import re

NO_REASON = "no reason was kept"
FILES = "db|eml|gz|json|jsonl|key|py|sock|sqlite|tar|tmp|toml|txt|zip|zst"

PARTS = re.compile(
    rf"""
    (?P<TIME>\d{{4}}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?)
  | (?P<ID>\b(?:site|inv|exp|bak|pay|msg|pi|pm|ch|req)_[\w:.-]*\w
      |\b[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}\b
      |\b(?=[a-f]*\d)[0-9a-f]{{12,}}\b)
  | (?P<HOST>\b\d{{1,3}}(?:\.\d{{1,3}}){{3}}\b
      |(?<![\w./-])(?!\w+\.(?:{FILES})\b)(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?!(?:{FILES})\b)(?:[a-z]{{2,}}|xn--[a-z0-9-]+)\b
      |(?<=//)[^\s/:'"]+)
  | (?P<N>(?<![A-Za-z_])\d+(?:\.\d+)*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What is folded away, each under the word that stands for it then."""


def folded(error: str | None) -> str:
    """The reason with TIME, ID, HOST and N where those stood; a folded one stays as it is."""
    return PARTS.sub(_word, error) if error else NO_REASON


def _word(found: re.Match[str]) -> str:
    return str(found.lastgroup)


def has_reason(error: str | None, reason: str) -> bool:
    """Whether an error is of a reason: its folded form or its own words hold it."""
    return reason in folded(error) or reason in (error or "")
