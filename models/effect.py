"""The outbox: what must happen because of a move, claimed with a lease and a fencing number."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Index, Row, and_, bindparam, exists, func, or_, select, text, true, update
from sqlmodel import Field, SQLModel

import engine
from models.columns import Big, Json, with_moments
from models.in_list import among

ACCESS, DATA, MONEY, MAIL = "access", "data", "money", "mail"
LANES = (ACCESS, DATA, MAIL, MONEY)
"""Effects of one site in one lane run one after the other, oldest first; data also waits for access, and letters have
no order. Each row carries its lane."""

UNFINISHED = ("pending", "running")

BELIEVABLE = timedelta(minutes=15)
"""No lease and no retry lies further ahead: one that does was written by a clock that has been set back since."""


_OPEN = text("status in ('pending', 'running')")
_ADMITTED = text("status in ('pending', 'running') and admitted")
_WAITING = text("status in ('pending', 'running') and not admitted")
_GAVE_UP = text("status = 'gave_up'")


class EffectRow(SQLModel, table=True):
    """One thing to do; `fence` rises with every claim, and only the last claim may settle.

    `asked_at`, `settled_at` and `stuck_since` (since then its act moves nothing) are engine time; leases, retries and
    announcements are machine time, and so is `waits_since`: since when it could have been done. `admitted` ones have a
    place in the queue (`models/admission`).
    """

    __tablename__ = "effect"

    __table_args__ = (
        Index("ix_effect_unfinished", "seq", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_effect_gave_up", "seq", sqlite_where=_GAVE_UP, postgresql_where=_GAVE_UP),
        Index("ix_effect_site", "site_id", "seq"),
        Index("ix_effect_lane", "site_id", "lane", "seq", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_effect_admitted", "site_id", "lane", sqlite_where=_ADMITTED, postgresql_where=_ADMITTED),
        Index(
            "ix_effect_waiting",
            *("site_id", "lane", "retry_at", "seq"),
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        Index("ix_effect_cause", "cause_source", "cause_id"),
    )

    seq: int | None = Field(default=None, primary_key=True, sa_type=Big)
    id: str = Field(unique=True)
    site_id: str
    generation: int
    kind: str
    lane: str
    args: Any = Field(default=None, sa_column=Column(Json))
    status: str = "pending"
    attempt: int = 0
    fence: int = 0
    asked_at: datetime
    settled_at: datetime | None = None
    leased_until: datetime | None = None
    retry_at: datetime | None = None
    announced_at: datetime
    admitted: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    waits_since: datetime | None = None
    stuck_since: datetime | None = None
    cause_source: str
    cause_id: str
    correlation_id: str | None = None
    error: str | None = None


EFFECTS = with_moments(EffectRow.__table__)  # type: ignore[attr-defined]
IS_UNFINISHED: Any = text("effect.status in ('pending', 'running')")
IS_ADMITTED: Any = text("effect.status in ('pending', 'running') and effect.admitted")
IS_WAITING: Any = text("effect.status in ('pending', 'running') and not effect.admitted")
HAS_GIVEN_UP: Any = text("effect.status = 'gave_up'")
"""In the words of their indexes: a database that is asked in others reads every effect there ever was."""


def rows_of(
    site: engine.Site,
    command: engine.Command,
    effects: tuple[engine.Effect, ...],
    now: datetime,
    machine_now: datetime,
    lane_of: Callable[[str], str],
) -> list[dict[str, Any]]:
    """A decision's effects as rows; `lane_of` knows the lane of each kind."""
    cause_source, cause_id = command.root
    return [
        {
            "id": effect.id,
            "site_id": site.id,
            "generation": site.generation,
            "kind": effect.kind,
            "lane": lane_of(effect.kind),
            "args": dict(effect.args),
            "status": "pending",
            "attempt": 0,
            "fence": 0,
            "asked_at": now,
            "announced_at": machine_now,
            "waits_since": machine_now,
            "cause_source": cause_source,
            "cause_id": cause_id,
            "correlation_id": command.correlation_id,
        }
        for effect in effects
    ]


def at(machine_now: datetime) -> dict[str, datetime]:
    """The values of `is_ready`: the moment of machine time, and the latest moment that a clock can have meant."""
    return {"machine_now": machine_now, "believable_until": machine_now + BELIEVABLE}


@cache
def is_ready() -> Any:
    """Waiting for nobody: pending with its retry come, or held by somebody whose lease ran out; run it with `at`."""
    may_be_tried = or_(EFFECTS.c.retry_at.is_(None), ~_to_come(EFFECTS.c.retry_at))
    stranded = and_(EFFECTS.c.status == "running", ~_to_come(EFFECTS.c.leased_until))
    return or_(and_(EFFECTS.c.status == "pending", may_be_tried), stranded)


def _to_come(moment: Any) -> Any:
    return to_come(moment, bindparam("machine_now"), bindparam("believable_until"))


def to_come(moment: Any, machine_now: Any, believable_until: Any) -> Any:
    """Whether a moment of machine time lies ahead, and not so far that no clock can have meant it."""
    return and_(moment > machine_now, moment <= believable_until)


@cache
def is_blocked() -> Any:
    """An older unfinished effect of the same site stands before it in its lane, or in the lane of access for data."""
    behind_access = and_(EFFECTS.c.lane == DATA, _has_older("older_access", ACCESS))
    return and_(EFFECTS.c.lane != MAIL, or_(_has_older("older", EFFECTS.c.lane), behind_access))


def _has_older(name: str, lane: Any) -> Any:
    """In the words of its index: however many letters a site has, only those of the lane are looked at."""
    older = EFFECTS.alias(name)
    is_open = text(f"{name}.status in ('pending', 'running')")
    same_site = older.c.site_id == EFFECTS.c.site_id
    before = select(older.c.seq).where(same_site, older.c.lane == lane, older.c.seq < EFFECTS.c.seq, is_open)
    return exists(before).correlate(EFFECTS)


def extend_lease(tx: Connection, effect_id: str, fence: int, leased_until: datetime) -> bool:
    """Keep a claim that takes long and moves; False when somebody else has taken it."""
    guarded = update(EFFECTS).where(EFFECTS.c.id == effect_id, EFFECTS.c.fence == fence, EFFECTS.c.status == "running")
    return tx.execute(guarded.values(leased_until=leased_until, stuck_since=None)).rowcount == 1


def note_stuck(tx: Connection, effect_id: str, fence: int, now: datetime) -> bool:
    """Say that a claimed effect moves nothing any more; False when it is not ours any more."""
    guarded = update(EFFECTS).where(EFFECTS.c.id == effect_id, EFFECTS.c.fence == fence, EFFECTS.c.status == "running")
    return tx.execute(guarded.values(stuck_since=now)).rowcount == 1


def stuck(tx: Connection, site_id: str | None = None) -> list[Row[Any]]:
    """Effects whose act moves nothing any more, the oldest first: of one site or of all."""
    found = select(EFFECTS).where(IS_UNFINISHED, EFFECTS.c.status == "running", EFFECTS.c.stuck_since.is_not(None))
    found = found if site_id is None else found.where(EFFECTS.c.site_id == site_id)
    return list(tx.execute(found.order_by(EFFECTS.c.stuck_since)))


def settle(tx: Connection, effect_id: str, fence: int, status: str, now: datetime, error: str | None = None) -> bool:
    """Close a claim as done or gave_up; False when the fence says that it is no longer ours."""
    guarded = update(EFFECTS).where(EFFECTS.c.id == effect_id, EFFECTS.c.fence == fence, EFFECTS.c.status == "running")
    return tx.execute(guarded.values(status=status, settled_at=now, leased_until=None, error=error)).rowcount == 1


def put_off(
    tx: Connection, effect_id: str, fence: int, retry_at: datetime, error: str, *, counted: bool = True
) -> bool:
    """Give a claim back for a later try; one that only a guard has stopped is not counted.

    A letter gives its place to another meanwhile; in a lane with an order the others wait behind it.
    """
    guarded = update(EFFECTS).where(EFFECTS.c.id == effect_id, EFFECTS.c.fence == fence, EFFECTS.c.status == "running")
    values = {
        "status": "pending",
        "retry_at": retry_at,
        "leased_until": None,
        "error": error,
        "admitted": EFFECTS.c.lane != MAIL,
        "waits_since": retry_at,
    }
    uncounted = {} if counted else {"attempt": EFFECTS.c.attempt - 1}
    return tx.execute(guarded.values(values | uncounted)).rowcount == 1


def void(tx: Connection, payment_ids: tuple[str, ...], site_id: str, now: datetime) -> None:
    """Withdraw charges that no worker has claimed."""
    rows = tx.execute(
        select(EFFECTS.c.id, EFFECTS.c.args).where(
            EFFECTS.c.site_id == site_id, EFFECTS.c.kind == "charge", EFFECTS.c.status == "pending"
        )
    )
    ids = [row.id for row in rows if row.args["payment_id"] in payment_ids]
    tx.execute(update(EFFECTS).where(EFFECTS.c.id.in_(ids)).values(status="void", settled_at=now))


def claimed_of(tx: Connection, site_ids: list[str]) -> frozenset[str]:
    """Those of these sites whose charge under way was ever taken by a worker."""
    if not site_ids:
        return frozenset()
    under_way = EFFECTS.c.status.in_((*UNFINISHED, "gave_up"))
    of_these = among(tx, EFFECTS.c.site_id, site_ids)
    query = select(EFFECTS.c.site_id).where(of_these, EFFECTS.c.kind == "charge", under_way)
    return frozenset(tx.execute(query.where(EFFECTS.c.fence > 0)).scalars())


def under_way_of(
    tx: Connection, site_ids: list[str], counts: Mapping[str, Callable[[Any], bool]]
) -> dict[str, set[tuple[str, int]]]:
    """The unfinished effects of these sites, as kind and generation: of the kinds in `counts`, where their args do."""
    found: dict[str, set[tuple[str, int]]] = {site_id: set() for site_id in site_ids}
    if found:
        query = select(EFFECTS.c.site_id, EFFECTS.c.kind, EFFECTS.c.generation, EFFECTS.c.args)
        of_kinds = EFFECTS.c.kind.in_(list(counts))
        for row in tx.execute(query.where(among(tx, EFFECTS.c.site_id, site_ids), IS_UNFINISHED, of_kinds)):
            if counts[row.kind](row.args):
                found[row.site_id].add((row.kind, row.generation))
    return found


AGAIN = {
    "status": "pending",
    "attempt": 0,
    "retry_at": None,
    "error": None,
    "settled_at": None,
    "admitted": False,
    "waits_since": None,
}
"""It waits for a place like a new one."""


def revive(tx: Connection, site: engine.Site, which: str, now: datetime, policy: engine.Policy) -> None:
    """Offer again what gave up on a site and is still wanted, and at once what waits for its next try.

    `which` is "everything" or "letters".
    """
    open_ones = or_(EFFECTS.c.status == "gave_up", and_(EFFECTS.c.status == "pending", EFFECTS.c.retry_at.is_not(None)))
    query = select(EFFECTS).where(EFFECTS.c.site_id == site.id, open_ones)
    rows = tx.execute(query if which == "everything" else query.where(EFFECTS.c.kind == "mail"))
    ids = [row.id for row in rows if row.status == "pending" or is_wanted(row, site, now, policy)]
    tx.execute(update(EFFECTS).where(among(tx, EFFECTS.c.id, ids)).values(AGAIN))


def is_wanted(row: Row[Any], site: engine.Site, now: datetime, policy: engine.Policy) -> bool:
    """Whether an effect that gave up may be tried again; a restore is asked for anew."""
    fault = engine.Fault(
        code="effect.gave_up",
        since=row.asked_at,
        what="",
        do="",
        kind=row.kind,
        about=about(row.args),
        key=row.args.get("payment_id", ""),
        effect=row.id,
        generation=row.generation,
    )
    return engine.is_tried_again(fault) and engine.is_wanted(fault, site, now, policy)


def about(args: Any) -> str:
    """Which of its kind an effect is: a letter's name, a backup's purpose, a charge's reason."""
    return str(args.get("letter") or args.get("purpose") or args.get("reason") or "")


def let_go(tx: Connection, effect_ids: set[str], now: datetime) -> None:
    """What gave up and is not wanted any more is no dead letter either."""
    gave_up = update(EFFECTS).where(EFFECTS.c.id.in_(sorted(effect_ids)), EFFECTS.c.status == "gave_up")
    tx.execute(gave_up.values(status="dropped", settled_at=now))


def name_of(effect_id: str) -> str:
    """What an effect is for, as its id says it: `back_up.nightly`, `mail.receipt`, `restore`."""
    return effect_id.split(":")[2]


def drop_older(tx: Connection, site_id: str, effect_id: str, now: datetime) -> None:
    """Drop those that gave up and had the same name: this later one was done for them, or gave up like them."""
    gave_up = update(EFFECTS).where(EFFECTS.c.site_id == site_id, EFFECTS.c.status == "gave_up")
    same = EFFECTS.c.id.contains(f":{name_of(effect_id)}:", autoescape=True)
    tx.execute(gave_up.where(same, EFFECTS.c.id != effect_id).values(status="dropped", settled_at=now))


def backups_wanted(tx: Connection, site_id: str) -> frozenset[str]:
    """The backups that a restore of this site is still to be made from, or was to be when it gave up."""
    open_ones = EFFECTS.c.status.in_((*UNFINISHED, "gave_up"))
    query = select(EFFECTS.c.args).where(EFFECTS.c.site_id == site_id, EFFECTS.c.kind == "restore", open_ones)
    return frozenset(args["backup"] for args in tx.execute(query).scalars())


def open_of_site(tx: Connection, site_id: str) -> int:
    """How many effects of a site are not finished."""
    query = select(func.count()).select_from(EFFECTS)
    return int(tx.execute(query.where(EFFECTS.c.site_id == site_id, EFFECTS.c.status.in_(UNFINISHED))).scalar_one())


def unfinished(tx: Connection, cause: tuple[str, str] | None = None) -> list[Row[Any]]:
    """Effects that are running, ready or waiting, of one command and all that it led to, or of everybody."""
    query = select(EFFECTS).where(IS_UNFINISHED).order_by(EFFECTS.c.seq)
    if cause is not None:
        query = query.where(EFFECTS.c.cause_source == cause[0], EFFECTS.c.cause_id == cause[1])
    return list(tx.execute(query))


def of_site(tx: Connection, site_id: str) -> list[Row[Any]]:
    """All effects of a site, oldest first."""
    return list(tx.execute(select(EFFECTS).where(EFFECTS.c.site_id == site_id).order_by(EFFECTS.c.seq)))


def find(tx: Connection, effect_id: str) -> Row[Any] | None:
    """One effect by its id."""
    return tx.execute(select(EFFECTS).where(EFFECTS.c.id == effect_id)).one_or_none()


def all_that_gave_up(tx: Connection) -> list[Row[Any]]:
    """Effects that gave up, oldest first."""
    return list(tx.execute(select(EFFECTS).where(HAS_GIVEN_UP).order_by(EFFECTS.c.seq)))


def revive_one(tx: Connection, effect_id: str) -> Row[Any] | None:
    """Offer one effect again that gave up; None when it did not."""
    gave_up = update(EFFECTS).where(EFFECTS.c.id == effect_id, EFFECTS.c.status == "gave_up")
    return tx.execute(gave_up.values(AGAIN).returning(*EFFECTS.c)).one_or_none()


def drop(tx: Connection, effect_id: str, now: datetime) -> bool:
    """Close one effect that gave up as dropped by an operator; False when it did not give up."""
    gave_up = update(EFFECTS).where(EFFECTS.c.id == effect_id, EFFECTS.c.status == "gave_up")
    return tx.execute(gave_up.values(status="dropped", settled_at=now)).rowcount == 1
