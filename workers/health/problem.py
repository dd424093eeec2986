"""What `tenure status` may call a problem: a closed list of codes, each with its level, its meaning and its remedy."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from models.timestamps import stamp
from workers.base.documents import Document

Level = Literal["red", "yellow"]


class Kind(NamedTuple):
    """`red`: something stands still or data is at risk; `yellow`: it goes on, and somebody should look."""

    level: Level
    means: str
    do: str
    """The remedy's first command, with words in capitals in the place of what only the moment knows."""


PROBLEMS = {
    "database.away": Kind("red", "the database does not answer, or its schema is not the code's", "tenure doctor"),
    "redis.away": Kind("red", "Redis does not answer", "tenure doctor"),
    "redis.unsafe": Kind("red", "Redis may lose or refuse commands as it is set", "tenure doctor"),
    "safe_mode": Kind("red", "no timer fires, for a clock or the database can't be trusted", "tenure safe-mode leave"),
    "deletions.tripped": Kind("red", "the breaker stopped all deletions", "tenure deletion resume --confirm N"),
    "deletions.paused": Kind("yellow", "an operator stopped all deletions", "tenure deletion resume --confirm N"),
    "deletions.many": Kind("yellow", "the deletions of the next day will trip the breaker", "tenure deletion preview"),
    "workers.none": Kind("red", "no worker answers: nothing is done", "tenure up"),
    "clock.silent": Kind("red", "no clock answers: nothing is fired and nothing swept", "tenure up"),
    "adapter.away": Kind("red", "workers can't write to a part of the outside world", "tenure doctor"),
    "settings.differ": Kind("yellow", "processes of one fleet have different settings", "tenure doctor"),
    "disk.full": Kind("red", "a disk has hardly any room left: all work stops", "tenure doctor"),
    "disk.scarce": Kind("yellow", "a disk runs full", "tenure doctor"),
    "timers.overdue": Kind("red", "timers are due and nobody fires them", "tenure doctor"),
    "events.unsent": Kind("red", "events happened that the stream has not got", "tenure doctor"),
    "queue.late": Kind("yellow", "work waits for a worker for too long", "tenure doctor"),
    "queue.stopped": Kind("red", "work waits for a worker for far too long", "tenure doctor"),
    "work.stuck": Kind("red", "effects run and move nothing", "tenure site show SITE"),
    "effects.failing": Kind("yellow", "effects fail and are tried again", "tenure effect list --reason REASON"),
    "effects.gave_up": Kind(
        "red", "effects failed and nobody tries them any more", "tenure dead retry --reason REASON"
    ),
    "messages.dead": Kind("red", "commands could not be done and are kept aside", "tenure dead list"),
    "messages.unreadable": Kind("yellow", "messages came that nobody can read", "tenure dead list"),
    "restore_point.missing": Kind("yellow", "sites miss a restore point", "tenure send retry SITE"),
    "refund.due": Kind("yellow", "a charge came after the end and is to be given back", "tenure site show SITE"),
    "site.content": Kind("yellow", "a site's content keeps us from working on it", "tenure site show SITE"),
}
"""By code; the runbook explains each (docs/operating.md)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong now: how often, since when (None: nobody knows), and a command to paste that helps."""

    code: str
    what: str
    do: str
    since: datetime | None = None
    count: int = 1

    @property
    def level(self) -> Level:
        """Red or yellow, as its code is."""
        return PROBLEMS[self.code].level

    @property
    def document(self) -> Document:
        """As it stands in `tenure/status/1`."""
        since = None if self.since is None else stamp(self.since)
        return {
            "code": self.code,
            "level": self.level,
            "what": self.what,
            "since": since,
            "count": self.count,
            "do": self.do,
        }


def problem(
    code: str, what: str, *, since: datetime | None = None, count: int = 1, **words: str | int | None
) -> Problem:
    """A problem whose remedy is that of its code, with `words` (SITE, N, REASON) in their places."""
    do = PROBLEMS[code].do
    for word, value in words.items():
        do = do.replace(word, str(value))
    return Problem(code, what, do, since, count)


def worst_first(found: list[Problem]) -> list[Problem]:
    """Red ones first, then by how many there are; those that are alike stay in their order."""
    return sorted(found, key=_badness)


def _badness(one: Problem) -> tuple[bool, int]:
    return one.level != "red", -one.count
