"""The points at which a process may die between two steps. A running engine passes them by; tests die at each."""

from collections.abc import Callable

POINTS = (
    *("command.read", "command.judged", "command.committed", "command.announced", "command.answered"),
    *("effect.claiming", "effect.claimed", "effect.acted", "effect.settling", "effect.settled", "effect.announced"),
    *("effect.putting_off", "mail.sending"),
    *("delete.authorized", "delete.site_removed", "delete.exports_removed", "delete.all_removed", "delete.said"),
    *("timer.claimed", "timer.fired", "timer.committed", "timer.announced"),
    *("announce.sending", "sweep.marked"),
    *("publish.turn_taken", "publish.read", "publish.sent", "publish.replied", "publish.marking", "publish.marked"),
    *("refill.marked", "refill.made"),
)
"""Every one that `reached` is called with, in the order of a life."""

hooks: list[Callable[[str], None]] = []


def reached(point: str) -> None:
    """Say where this process is; only a test listens."""
    for hook in hooks:
        hook(point)
