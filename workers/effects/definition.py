"""What a kind of effect declares of itself: all that the executor must know to run it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import engine
from workers.base.effect_kinds import Args, EffectKind, never
from workers.context import Context
from workers.effects.claim import Claim, EffectResult

Handler = Callable[[Context, Claim], EffectResult]


def is_no_matter(_site: engine.Site, _claim: Claim, _result: EffectResult) -> bool:
    """A result that came too late is forgotten."""
    return False


def by_kind(row: Any) -> str:
    """An effect's name in the log."""
    return str(row.kind)


@dataclass(frozen=True, kw_only=True)
class EffectDefinition(EffectKind):
    """A kind of effect with its handler; what is left out is as most effects have it.

    The effect's id is the key under which its handler asks the outside world: twice equals once.
    """

    handler: Handler
    adapter: str
    """Which adapter it needs most, as `doctor` names it."""
    patience_seconds: float | None = None
    """How long it may move nothing where it waits for an answer from outside; the adapter's own deadline is shorter.

    None: as long as any act (`lease.STILL_SECONDS`)."""
    runs_after_deletion: bool = False
    """Whether it is still done once the site is being deleted, or is."""
    changes_access: bool = False
    """Whether a try that was overtaken may have changed who gets in: the host is told what holds once more."""
    clears_faults: bool = True
    """Whether a success makes up for any other of its kind that gave up."""
    failure_drops_older: Callable[[Args], bool] = never
    """Whether one that gives up takes the place of those of its name that gave up before."""
    gave_up: str = "site.gave_up"
    """What the law is told when it gives up."""
    matters_late: Callable[[engine.Site, Claim, EffectResult], bool] = is_no_matter
    """Whether the law hears of a result that came after the claim was lost."""
    name_in_log: Callable[[Any], str] = by_kind
    """What the log calls one effect, given its row."""
