"""One walk over the rules' table: which words of a row hold for a case, which fail, and which are still open.

The machine walks with all data, for it has a command; the menu and `why` walk before there is one, so that words which
need its data are open.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from engine.case import Case
from engine.command import EFFECTS
from engine.decision import Refused
from engine.rules import RULES, Rule
from engine.vocabulary import VOCABULARY, Condition, Datum, Word


class Outcome(Enum):
    """What a row says for a case before there is a command."""

    HOLDS = "holds"
    """It is followed, or an open guard of it refuses: no later row is looked at."""

    OPEN = "open"
    """All that can be asked holds, but a predicate is open: it may be followed or passed over."""

    FAILS = "fails"
    REFUSES = "refuses"


class Reading(NamedTuple):
    """The outcome of a row, with the word that failed or the refusal of a guard."""

    outcome: Outcome
    failed: Condition | None = None
    refusal: Refused | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A rule before there is a command: the conditions that can be asked, and the words that are open.

    Where all that can be asked holds: `acts` says that the row may do something, `decides` that no later row is looked
    at, `ends` that one of both is so, and the search for what may be done is over.
    """

    rule: Rule
    asked: tuple[Condition, ...]
    open_words: tuple[Word, ...]
    acts: bool
    decides: bool
    ends: bool


def rows(rules: Iterable[Rule], command: str, state: str) -> tuple[Row, ...]:
    """The rows of a command in a state, from the top of the table."""
    return tuple(_row(rule) for rule in rules if rule.command == command and state in rule.sources)


def _row(rule: Rule) -> Row:
    words = [VOCABULARY.word(condition) for condition in rule.when]
    open_words = tuple(word for word in words if word.is_open)
    asked = tuple(condition for condition, word in zip(rule.when, words, strict=True) if not word.is_open)
    decides = all(word.kind == "guard" for word in open_words)
    return Row(rule, asked, open_words, rule.acts, decides=decides, ends=rule.acts or decides)


def read(row: Row, case: Case) -> Reading:
    """What a row says for a case before there is a command."""
    try:
        failed = first_failure(row.asked, case)
    except Refused as refusal:
        return Reading(Outcome.REFUSES, refusal=refusal)
    if failed is not None:
        return Reading(Outcome.FAILS, failed)
    return Reading(Outcome.HOLDS if row.decides else Outcome.OPEN)


def first_failure(conditions: tuple[Condition, ...], case: Case) -> Condition | None:
    """The first condition that does not hold, None if all hold.

    Raises Refused from a guard.
    """
    for condition in conditions:
        if not condition(case):
            return condition
    return None


def commands_that_need(datum: Datum, rules: Iterable[Rule]) -> frozenset[str]:
    """The commands with a word that looks at this datum; reports of effects are judged on what is known already."""
    words = {word.function for word in VOCABULARY.words.values() if datum in word.needs}
    return frozenset(rule.command for rule in rules if words.intersection((*rule.when, *rule.then))).difference(EFFECTS)


COUNTED = commands_that_need("used_agents", RULES)
"""Commands that are judged on how many agents are in use: that number is read from the site just before deciding."""
