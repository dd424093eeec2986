"""Many dead letters at once: those of a kind, a reason, a site, or all; to be tried again or dropped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workers.base.documents import Document
from workers.base.reasons import NO_REASON, folded, has_reason
from workers.commands import dead_letters
from workers.context import Context

MESSAGE = "message"
"""The kind of what is no effect."""


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which are meant: each condition that is not None must hold; `site` is a hostname, `dead_id` the one's id."""

    kind: str | None = None
    reason: str | None = None
    site: str | None = None
    dead_id: str | None = None

    def holds(self, one: Document) -> bool:
        """Whether a row of `tenure/dead/1` is meant."""
        return (
            self.kind in {None, one["what"]}
            and self.dead_id in {None, one["id"]}
            and self.site in {None, one["site"]}
            and (self.reason is None or has_reason(one["reason"] or NO_REASON, self.reason))
        )


def find(context: Context, wanted: DeadFilter) -> list[Document]:
    """The rows of `tenure/dead/1` that are meant."""
    return [one for one in dead_letters.listing(context)["dead"] if wanted.holds(one)]


def by_reason(context: Context) -> Document:
    """`tenure/dead-reasons/1`: what gave up, grouped by reason and kind, most first."""
    groups: dict[tuple[str, str], list[Document]] = {}
    for one in dead_letters.listing(context)["dead"]:
        groups.setdefault((folded(one["reason"]), one["what"]), []).append(one)
    rows = [
        {
            "reason": reason,
            "what": what,
            "count": len(ones),
            "since": min((one["at"] for one in ones if one["at"]), default=None),
            "sites": len({one["site"] for one in ones if one["site"]}),
        }
        for (reason, what), ones in groups.items()
    ]
    return {"schema": "tenure/dead-reasons/1", "reasons": sorted(rows, key=_most_first)}


def _most_first(row: Document) -> tuple[int, str]:
    return -row["count"], row["reason"]


def each(
    context: Context, found: list[Document], act: Callable[[Context, str], None]
) -> Iterator[tuple[str, str | None]]:
    """Act on each in a transaction of its own; its id, and why it was not done (None: it was)."""
    for one in found:
        try:
            act(context, one["id"])
        except (dead_letters.NoSuchDeadError, ValueError) as wrong:
            yield one["id"], str(wrong)
        else:
            yield one["id"], None
