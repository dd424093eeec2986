"""Letters to customers: plain text, made from the templates in `letter_texts/` and the facts of a site.

A template's first line is the subject; each line after it is a paragraph, wrapped when it is written. `{fact}` stands
for a fact in a reader's words. `[fact]` before a paragraph keeps it only if the fact is known, `[!fact]` only if not.
`[?fact]` keeps it only if the fact was given at all: letters that an older version asked for may lack it.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from engine.words import money
from workers.base.errors import Permanent

TEXTS = Path(__file__).with_name("letter_texts")
KINDS = tuple(sorted(path.stem for path in TEXTS.glob("*.txt")))
"""Every kind of letter; each is a template of that name."""

WIDTH = 72
GLUE = "\u00a0"
CONDITION = re.compile(r"\[([!?]?)(\w+)\]")
PLACEHOLDER = re.compile(r"{(\w+)}")

STEP = 1024
NO_OTHERS: Mapping[str, tuple[str, ...]] = {}


class Unwritable(Permanent, ValueError):  # noqa: N818 - an outcome, as in workers.base.errors
    """A letter can't be written: its kind is unknown, or a fact is missing, None or no line of text."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A subject of one line, and a body that ends with a line break."""

    subject: str
    body: str


def letter(kind: str, facts: Mapping[str, Any], own: Mapping[str, tuple[str, ...]] = NO_OTHERS) -> Letter:
    """Write a letter from facts: moments aware UTC, money in minor units. `Unwritable` names the kind and the fact.

    `own` has the operator's templates, by the letter's name.
    """
    subject, *lines = own.get(kind) or template(kind)
    kept = [text for conditions, text in map(parted, lines) if _hold(kind, conditions, facts)]
    body = "\n".join(_wrapped(_filled(kind, text, facts)) for text in kept)
    return Letter(_filled(kind, subject, facts).replace(GLUE, " "), re.sub(r"\n{3,}", "\n\n", body).strip("\n") + "\n")


def needed(kind: str) -> frozenset[str]:
    """The facts without which a letter can't be written; the others that it names must be given, but may be None."""
    always = [text for conditions, text in map(parted, template(kind)) if not conditions]
    facts = frozenset(fact for text in always for fact in PLACEHOLDER.findall(text))
    return facts | {"currency"} if any(fact.endswith("_cents") for fact in facts) else facts


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
def template(kind: str) -> tuple[str, ...]:
    """The shipped subject and paragraphs of a letter."""
    if kind not in KINDS:
        raise Unwritable(f"{kind!r} is no kind of letter: there are {', '.join(KINDS)}")
    return tuple((TEXTS / f"{kind}.txt").read_text("utf-8").splitlines())


def parted(line: str) -> tuple[list[tuple[str, str]], str]:
    """The conditions at the start of a line, and its text."""
    conditions = []
    while match := CONDITION.match(line):
        conditions.append((match[1], match[2]))
        line = line[match.end() :]
    return conditions, line


def _hold(kind: str, conditions: list[tuple[str, str]], facts: Mapping[str, Any]) -> bool:
    return all(_is_known(kind, how, fact, facts) for how, fact in conditions)


def _is_known(kind: str, how: str, fact: str, facts: Mapping[str, Any]) -> bool:
    if how == "?":
        return facts.get(fact) is not None
    return (_given(kind, fact, facts) is None) == (how == "!")


def _filled(kind: str, line: str, facts: Mapping[str, Any]) -> str:
    """Put the facts in, their blanks made unbreakable so that a moment or an amount stays on one line."""
    words = {fact: _in_words(kind, fact, facts).replace(" ", GLUE) for fact in PLACEHOLDER.findall(line)}
    return line.format_map(words)


def _given(kind: str, fact: str, facts: Mapping[str, Any]) -> Any:
    if fact not in facts:
        raise Unwritable(f"the letter {kind} needs the fact {fact}, and it is missing")
    return facts[fact]


def _in_words(kind: str, fact: str, facts: Mapping[str, Any]) -> str:
    """A fact as a customer reads it, by what its name and its type say."""
    value = _given(kind, fact, facts)
    if value is None or (isinstance(value, datetime) and value.tzinfo is None):
        raise Unwritable(f"the letter {kind} needs the fact {fact}, and it is {value!r}")
    if isinstance(value, datetime):
        return moment(value)
    if fact.endswith("_cents"):
        return money(value, _in_words(kind, "currency", facts))
    if "agents" in fact or fact.endswith("days"):
        return f"{value} {'day' if fact.endswith('days') else 'agent'}{'' if value == 1 else 's'}"
    if fact == "bytes":
        return size(value)
    return _one_line(kind, fact, str(value))


def _one_line(kind: str, fact: str, text: str) -> str:
    if not text.isprintable():
        raise Unwritable(f"the letter {kind} can't be written: {fact} is {text[:80]!r}, which is no line of text")
    return text.replace("_", " ") if fact == "decline_code" else text


def _wrapped(line: str) -> str:
    """Wrap a paragraph; an indented line, a row of a table, stays whole."""
    if line.startswith(" "):
        return line.replace(GLUE, " ")
    return textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False).replace(GLUE, " ")
