"""Declares the words of the rules' table: predicates, guards and actions.

A word is a function of a `Case`. Its decorator records what readers of the table need to know about it and returns
the function unchanged: a row names the function itself, calls it directly, and an editor jumps to it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, overload

from engine.case import Case

Condition = Callable[[Case], bool]
"""A predicate or a guard: whether the row may be followed."""

Action = Callable[[Case], None]
"""Changes the facts of a case or asks for an effect. It does nothing in the world."""

Kind = Literal["predicate", "guard", "action"]
RequestField = Literal["agents", "email", "from", "guard", "invoice", "payment_method", "when"]
BounceField = Literal["address", "letter"]
ReportField = Literal["effect", "generation", "invoice_id", "kind", "left_out", "payment_id", "purpose"]
FailureField = Literal["about", "error", "to"]
ReadForCommand = Literal["bill", "backups", "under_way"]
"""Read from the database for a command: its invoice, the site's backups, what is being done for the site now."""

ReadFromHost = Literal["used_agents"]
"""Read from the site itself just before deciding."""

Datum = Literal[RequestField, BounceField, ReportField, FailureField, ReadForCommand, ReadFromHost]
"""What a word may look at beyond the facts of the site, the time and the sender."""

LIVE: frozenset[str] = frozenset(get_args(ReadFromHost))
"""These are facts of the site as well: known before there is a command, if not fresh."""

ConditionT = TypeVar("ConditionT", bound=Condition)
ActionT = TypeVar("ActionT", bound=Action)


@dataclass(frozen=True, slots=True)
class Word:
    """A declared word. `sentence` is for readers: of a predicate a phrase that completes "possible only …".

    Of a guard it is what the guard refuses and the remedy, in general; of an action the first line of its docstring.
    """

    name: str
    kind: Kind
    sentence: str
    needs: frozenset[str]
    function: Callable[[Case], Any]

    @property
    def is_open(self) -> bool:
        """Whether it can't be asked before there is a command with its data."""
        return not self.needs <= LIVE


class Vocabulary:
    """The words that were declared, each once. `predicate`, `guard` and `action` are the decorators."""

    def __init__(self) -> None:
        self.words: dict[str, Word] = {}

    def predicate(self, phrase: str, *, needs: tuple[Datum, ...] = ()) -> Callable[[ConditionT], ConditionT]:
        """A condition that chooses: where it does not hold, the next row is looked at."""
        return self._declares("predicate", phrase, needs)

    def guard(self, sentence: str, *, needs: tuple[Datum, ...] = ()) -> Callable[[ConditionT], ConditionT]:
        """A condition that raises `Refused` where it does not hold: no later row is looked at."""
        return self._declares("guard", sentence, needs)

    @overload
    def action(self, function: ActionT, /) -> ActionT: ...

    @overload
    def action(self, /, *, needs: tuple[Datum, ...]) -> Callable[[ActionT], ActionT]: ...

    def action(self, function: Any = None, /, *, needs: tuple[Datum, ...] = ()) -> Any:
        """What follows when a row is followed; `needs` may be left out with the parentheses."""
        declares = self._declares("action", "", needs)
        return declares if function is None else declares(function)

    def word(self, function: Callable[..., Any]) -> Word:
        """The declaration of a function.

        Raises LookupError for a function that is not declared.
        """
        word = self.words.get(getattr(function, "__name__", ""))
        if word is None or word.function is not function:
            raise LookupError(f"{_place(function)} is not a declared word; put @predicate, @guard or @action above it")
        return word

    def check_row(self, name: str, when: Iterable[Condition], then: Iterable[Action]) -> None:
        """Check that a row is made of declared words, conditions in `when` and actions in `then`.

        Raises LookupError for a word that is not declared, TypeError for one in the wrong column.
        """
        try:
            kinds = [*((self.word(word), "when") for word in when), *((self.word(word), "then") for word in then)]
        except LookupError as error:
            raise LookupError(f"a row of {name}: {error}") from None
        for word, column in kinds:
            if (word.kind == "action") != (column == "then"):
                raise TypeError(f"a row of {name}: {word.name} is a declared {word.kind} and can't stand in `{column}`")

    def _declares(self, kind: Kind, sentence: str, needs: tuple[Datum, ...]) -> Callable[[Any], Any]:
        unknown = set(needs).difference(DATA)
        if unknown:
            raise ValueError(f"needs {sorted(unknown)}: no such data; known are {', '.join(sorted(DATA))}")
        return _Declaration(self, kind, sentence, frozenset(needs))

    def add(self, word: Word) -> None:
        """Take up a word.

        Raises ValueError for a name that is taken and for a word without a sentence.
        """
        other = self.words.get(word.name)
        if other is not None:
            raise ValueError(
                f"the word {word.name} is declared twice: {_place(other.function)} and {_place(word.function)}"
            )
        if not word.sentence:
            raise ValueError(f"{_place(word.function)} has no sentence; give it one, or a docstring if it is an action")
        self.words[word.name] = word


@dataclass(frozen=True, slots=True)
class _Declaration:
    """The decorator itself: records the function and returns it as it is."""

    vocabulary: Vocabulary
    kind: Kind
    sentence: str
    needs: frozenset[str]

    def __call__(self, function: Any) -> Any:
        sentence = self.sentence or (function.__doc__ or "").partition("\n")[0]
        self.vocabulary.add(Word(function.__name__, self.kind, sentence, self.needs, function))
        return function


def _place(function: Callable[..., Any]) -> str:
    """`has_bounced (engine.bounces, line 71)`."""
    code = getattr(function, "__code__", None)
    line = f", line {code.co_firstlineno}" if code else ""
    return f"{getattr(function, '__name__', repr(function))} ({getattr(function, '__module__', '?')}{line})"


DATA = frozenset(get_args(Datum))

VOCABULARY = Vocabulary()
"""The words of the table in `engine/rules.py`."""

predicate, guard, action = VOCABULARY.predicate, VOCABULARY.guard, VOCABULARY.action
