"""Who has a place in the queue: a site has few in each lane, so that its thousandth letter keeps no neighbour waiting.

An effect that is admitted has a wake-up of its own. The others of its site and lane wait in the database, and whoever
settles an effect gives its place to the next. So there is about one wake-up for each effect, whatever the lane.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, case, func, select, update

from models.effect import ACCESS, DATA, EFFECTS, IS_ADMITTED, IS_WAITING, MAIL, at, is_blocked, is_ready
from models.in_list import among
from models.upsert import insert_once

LETTERS = 4
"""Places of one site for its letters, which have no order. A lane that has an order has one place."""

PLACES: Any = case((EFFECTS.c.lane == MAIL, LETTERS), else_=1)
FREED = {ACCESS: (ACCESS, DATA)}
"""Lanes in which the end of an effect makes room; of any lane but these, its own."""

IN_TURN: Any = ~is_blocked()
"""Code before this announces every effect at once. One that has a place and waits for an older one without any must not
keep the place from it: both would wait for ever."""

Taken = Counter[tuple[str, str]]


class Woken(NamedTuple):
    """An effect that has got a place: its wake-up is to be sent after the commit."""

    id: str
    kind: str


def places(lane: str) -> int:
    """How many effects of one site may be announced in a lane at a time."""
    return LETTERS if lane == MAIL else 1


def add_all(tx: Connection, rows: list[dict[str, Any]]) -> list[Woken]:
    """Write effects; those that have a place. Their ids are derived, so a second time adds nothing."""
    if not rows:
        return []
    built = {row["site_id"] for row in rows if row["kind"] == "provision"}
    taken = _taken(tx, {row["site_id"] for row in rows} - built)
    for row in rows:
        row["admitted"] = _takes_place(taken, row)
    insert_once(tx, EFFECTS, ("id",), rows)
    return [Woken(row["id"], row["kind"]) for row in rows if row["admitted"]]


def _takes_place(taken: Taken, row: dict[str, Any]) -> bool:
    site_id, lane = row["site_id"], row["lane"]
    if taken[site_id, lane] >= places(lane) or (lane == DATA and taken[site_id, ACCESS]):
        return False
    taken[site_id, lane] += 1
    return True


def _taken(tx: Connection, site_ids: set[str], *which: Any) -> Taken:
    """How many places are taken, by site and lane."""
    if not site_ids:
        return Counter()
    query = select(EFFECTS.c.site_id, EFFECTS.c.lane, func.count()).where(among(tx, EFFECTS.c.site_id, site_ids))
    rows = tx.execute(query.where(IS_ADMITTED, *which).group_by(EFFECTS.c.site_id, EFFECTS.c.lane))
    return Counter({(site_id, lane): count for site_id, lane, count in rows})


def give_on(tx: Connection, site_id: str, lane: str, machine_now: datetime) -> list[Woken]:
    """An effect of this lane was settled or put off: exactly those that it kept waiting get its place."""
    return admit(tx, site_id, FREED.get(lane, (lane,)), machine_now)


def give_on_all(tx: Connection, freed: set[tuple[str, str]], machine_now: datetime) -> list[Woken]:
    """The same of many, as (site, lane); mostly nobody waits, which one look tells."""
    among_them = among(tx, EFFECTS.c.site_id, {site_id for site_id, _ in freed})
    crowded = set(tx.execute(select(EFFECTS.c.site_id).where(among_them, IS_WAITING).distinct()).scalars())
    lanes = sorted(one for one in freed if one[0] in crowded)
    return [woken for site_id, lane in lanes for woken in give_on(tx, site_id, lane, machine_now)]


def admit(tx: Connection, site_id: str, lanes: Iterable[str], machine_now: datetime) -> list[Woken]:
    """Give the free places of a site's lanes to those that wait and could be claimed now, oldest first."""
    waiting = [row for lane in lanes for row in _waiting(tx, site_id, lane, machine_now)]
    if not waiting:
        return []
    taken, chosen = _taken(tx, {site_id}, IN_TURN), []
    for row in waiting:
        if taken[site_id, row.lane] < places(row.lane):
            taken[site_id, row.lane] += 1
            chosen.append(row)
    mark(tx, [row.seq for row in chosen], machine_now)
    return [Woken(row.id, row.kind) for row in chosen]


def _waiting(tx: Connection, site_id: str, lane: str, machine_now: datetime) -> list[Row[Any]]:
    """As many as there are places: those that are new first, then those whose retry has come."""
    values = {**at(machine_now), "site_id": site_id, "lane": lane, "most": places(lane)}
    if lane != MAIL:
        return list(tx.execute(_first_in_turn(), values))
    return list(tx.execute(_new_letters(), values)) or list(tx.execute(_late_letters(), values))


@cache
def _first_in_turn() -> Any:
    return _waiting_in_lane().where(~is_blocked(), EFFECTS.c.retry_at.is_(None)).order_by(EFFECTS.c.seq)


@cache
def _new_letters() -> Any:
    return _waiting_in_lane().where(EFFECTS.c.retry_at.is_(None)).order_by(EFFECTS.c.seq)


@cache
def _late_letters() -> Any:
    return _waiting_in_lane().where(EFFECTS.c.retry_at.is_not(None)).order_by(EFFECTS.c.retry_at)


def _waiting_in_lane() -> Any:
    of_lane = and_(EFFECTS.c.site_id == bindparam("site_id"), EFFECTS.c.lane == bindparam("lane"))
    query = select(EFFECTS.c.seq, EFFECTS.c.id, EFFECTS.c.kind, EFFECTS.c.lane)
    return query.where(of_lane, IS_WAITING, is_ready()).limit(bindparam("most"))


def mark(tx: Connection, seqs: list[int], machine_now: datetime) -> None:
    """These are admitted, and announced now."""
    if not seqs:
        return
    since = case((EFFECTS.c.lane == MAIL, func.coalesce(EFFECTS.c.waits_since, machine_now)), else_=machine_now)
    first = case((EFFECTS.c.admitted, func.coalesce(EFFECTS.c.waits_since, EFFECTS.c.announced_at)), else_=since)
    values = {"admitted": True, "announced_at": machine_now, "waits_since": first}
    tx.execute(update(EFFECTS).where(EFFECTS.c.seq.in_(seqs)).values(values))


def step_back(tx: Connection, effect_ids: Collection[str]) -> None:
    """Wake-ups came before their effects' turns: these have no place, and get one when their turn comes."""
    if effect_ids:
        early = and_(EFFECTS.c.status == "pending", EFFECTS.c.admitted, is_blocked())
        tx.execute(update(EFFECTS).where(EFFECTS.c.id.in_(list(effect_ids)), early).values(admitted=False))


def surplus(tx: Connection, seqs: list[int]) -> None:
    """More of a lane were announced than it has places, by code before this: they wait for one."""
    if seqs:
        tx.execute(update(EFFECTS).where(EFFECTS.c.seq.in_(seqs)).values(admitted=False))


def waiting_with_room(tx: Connection, machine_now: datetime, limit: int) -> list[Row[Any]]:
    """Those that could be claimed now and whose lane has a place that nobody gave them; sites in turn."""
    return list(tx.execute(_waiting_with_room(), {**at(machine_now), "most": limit}))


@cache
def _waiting_with_room() -> Any:
    held = select(EFFECTS.c.site_id, EFFECTS.c.lane, func.count().label("count")).where(IS_ADMITTED, IN_TURN)
    taken = held.group_by(EFFECTS.c.site_id, EFFECTS.c.lane).subquery("taken")
    turn = func.row_number().over(partition_by=(EFFECTS.c.site_id, EFFECTS.c.lane), order_by=EFFECTS.c.seq)
    ready = select(*COLUMNS, PLACES.label("places"), turn.label("turn"))
    waits = ready.where(IS_WAITING, is_ready(), ~is_blocked()).subquery("waits")
    same = and_(taken.c.site_id == waits.c.site_id, taken.c.lane == waits.c.lane)
    room = waits.c.turn <= waits.c.places - func.coalesce(taken.c.count, 0)
    return select(waits).outerjoin(taken, same).where(room).order_by(waits.c.turn, waits.c.seq).limit(bindparam("most"))


def announced(which: Any) -> Any:
    """A query for `most` of a condition that have a place, sites in turn; `turn` counts within a site's lane."""
    turn = func.row_number().over(partition_by=(EFFECTS.c.site_id, EFFECTS.c.lane), order_by=EFFECTS.c.seq)
    known = select(*COLUMNS, PLACES.label("places"), turn.label("turn")).where(IS_ADMITTED, which).subquery("known")
    return select(known).order_by(known.c.turn, known.c.seq).limit(bindparam("most"))


COLUMNS = (EFFECTS.c.seq, EFFECTS.c.id, EFFECTS.c.kind, EFFECTS.c.lane, EFFECTS.c.status, EFFECTS.c.site_id)
