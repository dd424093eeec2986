"""Letters to customers: plain text, made from the templates in `letter_texts/` and the facts of a site.

A template's first line is the subject; each line after it is a paragraph, wrapped when it is written. `{fact}` stands
for a fact in a reader's words. `[fact]` before a paragraph keeps it only if the fact is known, `[!fact]` only if not.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from workers.errors import Permanent

TEXTS = Path(__file__).with_name("letter_texts")
KINDS = tuple(sorted(path.stem for path in TEXTS.glob("*.txt")))
"""Every kind of letter; each is a template of that name."""

WIDTH = 72
GLUE = "\u00a0"
CONDITION = re.compile(r"\[(!?)(\w+)\] ?")
PLACEHOLDER = re.compile(r"{(\w+)}")

WITHOUT_CENTS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
WITH_MILS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
"""ISO 4217: the currencies whose minor unit is not a hundredth."""

STEP = 1024


@dataclass(frozen=True, slots=True)
class Letter:
    """A subject of one line, and a body that ends with a line break."""

    subject: str
    body: str


def letter(kind: str, facts: Mapping[str, Any]) -> Letter:
    """Write a letter from facts: moments aware UTC, money in minor units.

    `ValueError` for a kind that is not in `KINDS` and for a fact that is needed and None, `KeyError` for one that is
    missing, `Permanent` for one that would break out of its line; each names the kind and the fact.
    """
    subject, paragraphs = _template(kind)
    kept = [CONDITION.sub("", line) for line in paragraphs if _applies(kind, line, facts)]
    text = "\n".join(_wrapped(_filled(kind, line, facts)) for line in kept)
    return Letter(_filled(kind, subject, facts).replace(GLUE, " "), re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n")


def needed(kind: str) -> frozenset[str]:
    """The facts without which a letter can't be written; others may be None."""
    subject, paragraphs = _template(kind)
    always = [subject, *(line for line in paragraphs if not CONDITION.match(line))]
    return frozenset(fact for line in always for fact in PLACEHOLDER.findall(line))


def money(cents: int, currency: str) -> str:
    """`USD 1,234.50`, `JPY 1,235`, `KWD 1.234`: minor units with the decimals of their currency."""
    places = 0 if currency in WITHOUT_CENTS else 3 if currency in WITH_MILS else 2
    whole, rest = divmod(cents, 10**places)
    return f"{currency} {whole:,}.{rest:0{places}}" if places else f"{currency} {whole:,}"


def moment(at: datetime) -> str:
    """`Sunday 25 January 2026, 09:30 UTC`: the minute that has begun, never a later one."""
    utc = at.astimezone(UTC)
    return f"{utc:%A} {utc.day} {utc:%B %Y, %H:%M} UTC"


def size(count: int) -> str:
    """`12.3 MB`, in steps of 1024."""
    amount, units = float(count), ["bytes", "KB", "MB", "GB", "TB"]
    while amount >= STEP and len(units) > 1:
        amount, units = amount / STEP, units[1:]
    return f"{count} bytes" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"


@cache
def _template(kind: str) -> tuple[str, tuple[str, ...]]:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of letter: there are {', '.join(KINDS)}")
    subject, *paragraphs = (TEXTS / f"{kind}.txt").read_text("utf-8").splitlines()
    return subject, tuple(paragraphs)


def _applies(kind: str, line: str, facts: Mapping[str, Any]) -> bool:
    """Whether each condition at the start of a paragraph holds."""
    return all((_given(kind, fact, facts) is None) == bool(no) for no, fact in _conditions(line))


def _conditions(line: str) -> list[tuple[str, str]]:
    found = []
    while match := CONDITION.match(line):
        found.append((match[1], match[2]))
        line = line[match.end() :]
    return found


def _filled(kind: str, line: str, facts: Mapping[str, Any]) -> str:
    """Put the facts in, their blanks made unbreakable so that a moment or an amount stays on one line."""
    words = {fact: _in_words(kind, fact, facts).replace(" ", GLUE) for fact in PLACEHOLDER.findall(line)}
    return line.format_map(words)


def _given(kind: str, fact: str, facts: Mapping[str, Any]) -> Any:
    if fact not in facts:
        raise KeyError(f"the letter {kind} needs the fact {fact}")
    return facts[fact]


def _in_words(kind: str, fact: str, facts: Mapping[str, Any]) -> str:
    """A fact as a customer reads it, by what its name and its type say."""
    value = _given(kind, fact, facts)
    if value is None or (isinstance(value, datetime) and value.tzinfo is None):
        raise ValueError(f"the letter {kind} needs the fact {fact}, and it is {value!r}")
    if isinstance(value, datetime):
        return moment(value)
    if fact.endswith("_cents"):
        return money(value, str(_in_words(kind, "currency", facts)))
    if fact.endswith("agents") or fact == "days":
        return f"{value} {'agent' if fact != 'days' else 'day'}{'' if value == 1 else 's'}"
    if fact == "bytes":
        return size(value)
    return _one_line(kind, fact, str(value))


def _one_line(kind: str, fact: str, text: str) -> str:
    if not text.isprintable():
        raise Permanent(f"the letter {kind} can't be written: {fact} is {text[:80]!r}, which is no line of text")
    return text.replace("_", " ") if fact == "decline_code" else text


def _wrapped(line: str) -> str:
    """Wrap a paragraph; an indented line, a row of a table, stays whole."""
    if line.startswith(" "):
        return line.replace(GLUE, " ")
    return textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False).replace(GLUE, " ")
