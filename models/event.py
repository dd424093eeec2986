"""Events out: written with the move that they tell of, published afterwards, in order for each site."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Index, Row, bindparam, case, func, null, select, text, true, update
from sqlmodel import Field, SQLModel
from uuid_utils import uuid7

from models.bulk import insert_many
from models.columns import Big, SerializedJson, to_json, with_moments
from models.timestamps import stamp

_UNSENT = text("not sent")


class EventRow(SQLModel, table=True):
    """One CloudEvent as JSON text; `reply_to` is a second stream that gets it too."""

    __tablename__ = "event"

    __table_args__ = (Index("ix_event_unsent", "seq", sqlite_where=_UNSENT, postgresql_where=_UNSENT),)

    seq: int | None = Field(default=None, primary_key=True, sa_type=Big)
    id: str
    site_id: str | None = Field(default=None, index=True)
    type: str
    at: datetime
    body: str
    reply_to: str | None = None
    sent: bool = False


EVENTS = with_moments(EventRow.__table__)  # type: ignore[attr-defined]
UNSENT: Any = text("not event.sent")
"""In the words of the index: a database that is asked in others reads every event there is."""


def tell(
    tx: Connection,
    kind: str,
    data: Mapping[str, Any],
    now: datetime,
    *,
    host: str,
    site_id: str | None,
    cause: str | None,
    correlation_id: str | None = None,
) -> None:
    """Write one event now; a transaction with more to write keeps a `Journal`. The publisher sends it afterwards."""
    where = {"host": host, "site_id": site_id, "cause": cause, "correlation_id": correlation_id}
    add(tx, [cloud_event(kind, data, now, stamp(now), **where)])


def cloud_event(
    kind: str,
    data: Mapping[str, Any] | SerializedJson,
    now: datetime,
    stamped: str,
    *,
    host: str | None,
    site_id: str | None,
    cause: str | None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
) -> dict[str, Any]:
    """A CloudEvent as a row; `stamped` is `now` as text. Data that is text already names its site itself."""
    text_of_data = data if isinstance(data, SerializedJson) else to_json({"site": host, "site_id": site_id, **data})
    event_id = str(uuid7())
    head = {
        "specversion": "1.0",
        "id": event_id,
        "source": "tenure",
        "type": kind,
        "subject": host,
        "time": stamped,
        "datacontenttype": "application/json",
        "causationid": cause,
        **({"correlationid": correlation_id} if correlation_id else {}),
    }
    return {
        "id": event_id,
        "site_id": site_id,
        "type": kind,
        "at": now,
        "body": f'{to_json(head)[:-1]},"data":{text_of_data}}}',
        "reply_to": reply_to,
        "sent": False,
    }


def add(tx: Connection, rows: list[dict[str, Any]]) -> None:
    """Write events in the order in which they happened."""
    if rows:
        insert_many(tx, EVENTS, rows)


def unsent(tx: Connection, limit: int) -> list[Row[Any]]:
    """What the stream has not got yet, oldest first."""
    query = select(EVENTS.c.seq, EVENTS.c.site_id, EVENTS.c.body, EVENTS.c.reply_to).where(UNSENT)
    return list(tx.execute(query.order_by(EVENTS.c.seq).limit(limit)).all())


def mark_sent(tx: Connection, seqs: list[int]) -> None:
    """The stream has these. They are told as runs of numbers: nothing stands between two that follow each other."""
    runs: list[dict[str, int]] = []
    for seq in seqs:
        if runs and seq == runs[-1]["last"] + 1:
            runs[-1]["last"] = seq
        else:
            runs.append({"first": seq, "last": seq})
    tx.execute(
        update(EVENTS).where(EVENTS.c.seq.between(bindparam("first"), bindparam("last"))).values(sent=True), runs
    )


def count_unsent(tx: Connection) -> int:
    """How many the stream has not got yet."""
    return int(tx.execute(select(func.count()).select_from(EVENTS).where(UNSENT)).scalar_one())


def send_again(tx: Connection, since: datetime) -> int:
    """An emptied stream gets its last events once more, with the same ids."""
    return tx.execute(update(EVENTS).where(EVENTS.c.at >= since, EVENTS.c.sent).values(sent=False)).rowcount


def oldest(tx: Connection) -> datetime | None:
    """The moment of the first event that is kept."""
    moment: datetime | None = tx.execute(select(EVENTS.c.at).order_by(EVENTS.c.seq).limit(1)).scalar_one_or_none()
    return moment


BOOKKEEPING = ("effect.done", "effect.failed", "backup.verified")
"""What is told of work as it goes on; what it led to is told besides."""


def look_for_bookkeeping(tx: Connection, after: int, _before: datetime, limit: int) -> list[Row[Any]]:
    """The next events by their number, and whether each may go (`is_over`); None for one that is not sent yet."""
    return list(tx.execute(_bookkeeping(), {"after": after, "most": limit}))


def look_for_all(tx: Connection, after: int, _before: datetime, limit: int) -> list[Row[Any]]:
    """The same for events of every type."""
    return list(tx.execute(_all(), {"after": after, "most": limit}))


@cache
def _bookkeeping() -> Any:
    return _next_by_number(EVENTS.c.type.in_(BOOKKEEPING))


@cache
def _all() -> Any:
    return _next_by_number(true())


def _next_by_number(is_over: Any) -> Any:
    found = select(EVENTS.c.seq, EVENTS.c.at, case((EVENTS.c.sent, is_over), else_=null()).label("is_over"))
    return found.where(EVENTS.c.seq > bindparam("after")).order_by(EVENTS.c.seq).limit(bindparam("most"))
