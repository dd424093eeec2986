"""Effects as operators look for them: by state and kind, with the hostname of their site."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from models.effect import EFFECTS, HAS_GIVEN_UP, IS_UNFINISHED
from models.failing import fails
from models.site import SITES

STATES = ("pending", "running", "failing", "stuck", "gave_up", "done", "dropped", "void")
"""What `effect list` can be asked for; `failing` and `stuck` are parts of the first two."""

_ENDED = ("done", "dropped", "void")


def find(
    tx: Connection,
    *,
    held: str,
    state: str | None = None,
    kind: str | None = None,
    site_id: str | None = None,
    limit: int | None = None,
) -> list[Row[Any]]:
    """Effects oldest first, those that ended newest first; without a state all that are not ended.

    `held` begins the error of what only a guard has stopped. A limit of None is for whoever looks at all of them.
    """
    query = _listed(state, held)
    query = query if kind is None else query.where(EFFECTS.c.kind == kind)
    query = query if site_id is None else query.where(EFFECTS.c.site_id == site_id)
    return list(tx.execute(query.limit(limit)))


@cache
def _listed(state: str | None, held: str) -> Any:
    columns = (*EFFECTS.c, SITES.c.host)
    query = select(*columns).outerjoin_from(EFFECTS, SITES, SITES.c.id == EFFECTS.c.site_id)
    if state in _ENDED:
        return query.where(EFFECTS.c.status == state).order_by(EFFECTS.c.seq.desc())
    return query.where(*_condition(state, held)).order_by(EFFECTS.c.seq)


def _condition(state: str | None, held: str) -> tuple[Any, ...]:
    match state:
        case None:
            return (or_(IS_UNFINISHED, HAS_GIVEN_UP),)
        case "gave_up":
            return (HAS_GIVEN_UP,)
        case "failing":
            return (IS_UNFINISHED, fails(held))
        case "stuck":
            return (IS_UNFINISHED, EFFECTS.c.status == "running", EFFECTS.c.stuck_since.is_not(None))
        case _:
            return (IS_UNFINISHED, EFFECTS.c.status == state)
