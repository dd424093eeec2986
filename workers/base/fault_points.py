"""The points at which a process may die between two steps. A running engine passes them by; tests die at each."""

from collections.abc import Callable, Iterable

EFFECT_STEPS = ("claiming", "claimed", "acted", "settling", "settled", "announced")

POINTS = (
    *("queue.fetched", "queue.judged", "queue.acked", "queue.retried", "queue.nacked", "queue.buried"),
    *("message.acking", "message.acked"),
    *("command.read", "command.judged", "command.committed", "command.announced", "command.answered"),
    *("effect.putting_off", "effect.put_off", "effect.giving_up", "effect.gave_up"),
    *("lease.extending", "lease.extended", "late.lost", "late.made_good", "late.taken_away"),
    *("provision.begun", "provision.built", "provision.named", "marker.drafted", "copy.drafted"),
    *("snapshot.taken",),
    *("book.written", "book.settled", "mail.sending", "mail.named", "mail.drafted", "mail.published"),
    *("store.drafted.backups", "store.placed.backups", "store.drafted.exports", "store.placed.exports"),
    *("backup.saved", "backup.read_back", "backup.pruning", "backup.pruned", "export.read_back"),
    *("restore.saved", "restore.keeping", "restore.kept", "restore.unpacked", "restore.swapping"),
    *("restore.swapped", "restore.settled", "restore.replaced", "access.entitling"),
    *(
        "delete.authorized",
        "delete.beginning",
        "delete.begun",
        "delete.set_aside",
        "delete.emptied",
        "delete.site_removed",
        "delete.exports_removed",
        "delete.all_removed",
    ),
    *("delete.proved", "forget.messages", "forget.events", "forget.masking", "forget.masked", "delete.said"),
    *("forget.address", "forget.erased", "forget.rewritten"),
    *("timer.claimed", "timer.fired", "timer.committed", "timer.announced", "timer.putting_off", "timer.put_off"),
    *("announce.sending", "announce.sent", "sweep.marking", "sweep.marked", "history.removing", "history.removed"),
    *("publish.turn_taken", "publish.read", "publish.sent", "publish.replied", "publish.marking", "publish.marked"),
    *("refill.marking", "refill.marked", "refill.made", "advance.moving", "advance.moved"),
    *("dead.keeping", "dead.kept", "dead.enqueued", "dead.taken", "dead.reviving", "dead.revived", "dead.dropping"),
    *("dead.dropped", "breaker.pausing", "breaker.paused", "breaker.resuming", "breaker.resumed"),
)
"""Every point but those of an effect's steps, roughly in the order of a life."""


hooks: list[Callable[[str], None]] = []


def points(kinds: Iterable[str]) -> tuple[str, ...]:
    """Every point, with the steps of each of these kinds of effect, roughly in the order of a life."""
    steps = [f"effect.{step}.{kind}" for kind in kinds for step in EFFECT_STEPS]
    before = POINTS.index("effect.putting_off")
    return (*POINTS[:before], *steps, *POINTS[before:])


def fault_point(point: str, kind: str | None = None) -> None:
    """Say where this process is; only a test listens, and hears the point alone and with its kind."""
    for hook in hooks:
        hook(point)
        if kind is not None:
            hook(f"{point}.{kind}")
