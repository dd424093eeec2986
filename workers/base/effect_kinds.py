"""What every room may know of a kind of effect. The kinds are declared once, in `workers/effects/registry.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Args = Mapping[str, Any]
"""What a decision asked for with an effect."""

DEFAULT_QUEUE = "effects"
"""For what is quick."""


def never(_args: Args) -> bool:
    """For no effect of a kind."""
    return False


def always(_args: Args) -> bool:
    """For every effect of a kind."""
    return True


@dataclass(frozen=True, kw_only=True)
class EffectKind:
    """A kind of effect as other rooms see it.

    Effects of one site in one lane run one after the other (`models/effect.py` knows the lanes). `queue` is Dramatiq's.
    """

    name: str
    lane: str
    queue: str = DEFAULT_QUEUE
    is_one_at_a_time: Callable[[Args], bool] = never
    """Whether it is not begun a second time when it is asked for while one is under way."""
    is_awaited_by_deletion: Callable[[Args], bool] = never
    """Whether the deletion of a site that has left waits for it, so that no operator may drop it."""


KINDS: dict[str, EffectKind] = {}
"""Every kind by its name; filled when `workers.effects.registry` is imported, which every process of ours does."""


def register(kind: EffectKind) -> None:
    """Add a kind. Raises ValueError if there is one of this name."""
    if kind.name in KINDS:
        raise ValueError(f"effect kind {kind.name!r} is registered twice")
    KINDS[kind.name] = kind


def lane_of(name: str) -> str:
    """The lane of a new effect. Raises LookupError for a kind that is not registered."""
    return _known()[name].lane


def queue_of(name: str) -> str:
    """The queue on which an effect is announced; one of another version's kinds is announced too, and fails there."""
    kind = _known().get(name)
    return DEFAULT_QUEUE if kind is None else kind.queue


def one_at_a_time() -> dict[str, Callable[[Args], bool]]:
    """The kinds of which a site has at most one under way, each with the question whether that holds for an effect."""
    return {kind.name: kind.is_one_at_a_time for kind in _known().values() if kind.is_one_at_a_time is not never}


def _known() -> dict[str, EffectKind]:
    if not KINDS:
        raise LookupError("no kind of effect is registered: import workers.effects.registry in this process")
    return KINDS
