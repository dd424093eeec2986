"""Which backups a site has, what its restore points are, and which ones need not be kept any longer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

DAY = timedelta(days=1)
POINTS = {"previous_day": 0 * DAY, "7_day": 7 * DAY, "30_day": 30 * DAY}
"""The restore points: each is the youngest verified nightly backup that is at least this old."""

TOO_OLD = {"previous_day": 2 * DAY, "7_day": 14 * DAY, "30_day": 44 * DAY}
"""A point older than this is missed, counted from when nights began if that was later."""

ALL_OF = 8 * DAY
STEP = 7 * DAY
MOST = 16
OTHERS = 30 * DAY
"""How long a backup is kept that fills no point: one on demand, a safety backup, a final one of a past life."""

ON_DEMAND = 3
"""Backups on demand that are kept, the newest."""

by_age = attrgetter("taken_at", "id")


@dataclass(frozen=True, slots=True)
class Kept:
    """A verified backup; only those whose purpose is `nightly` fill restore points. `lacks` says what is not in it."""

    id: str
    purpose: str
    taken_at: datetime
    lacks: str = ""


def restore_points(backups: Iterable[Kept], now: datetime) -> dict[str, Kept | None]:
    """Each point's backup, None before one can exist."""
    nights = nightly(backups)
    return {name: _youngest(nights, now - age) for name, age in POINTS.items()}


def missed(backups: Iterable[Kept], since: datetime, now: datetime) -> tuple[str, ...]:
    """The points that ought to be younger, or to exist, now that nights have gone on since `since`."""
    return tuple(
        name
        for name, point in restore_points(backups, now).items()
        if now - (since if point is None else max(point.taken_at, since)) > TOO_OLD[name]
    )


def nightly(backups: Iterable[Kept]) -> list[Kept]:
    """Those that fill points, oldest first."""
    return sorted((one for one in backups if one.purpose == "nightly"), key=by_age)


def _youngest(nights: Sequence[Kept], at_latest: datetime) -> Kept | None:
    return next((one for one in reversed(nights) if one.taken_at <= at_latest), None)


def to_keep(backups: Iterable[Kept], now: datetime) -> frozenset[str]:
    """The ids of the backups that must stay; the rest may be removed.

    All nightly ones of the last 8 days, then one in at most 7 days up to the 30-day point, 16 at most; every restore
    point and the newest one always; what fills no point for 30 days, but of those on demand only the newest three.
    """
    every = sorted(backups, key=by_age)
    surplus = [one.id for one in every if one.purpose == "on_demand"][:-ON_DEMAND]
    others = {one.id for one in every if one.purpose != "nightly" and one.taken_at > now - OTHERS}.difference(surplus)
    newest = {one.id for one in every[-1:]}
    return frozenset(others | newest | {one.id for one in _nights_to_keep(nightly(every), now)})


def _nights_to_keep(nights: list[Kept], now: datetime) -> list[Kept]:
    points = [one for one in restore_points(nights, now).values() if one is not None]
    recent = [one for one in nights if one.taken_at > now - ALL_OF]
    oldest = _youngest(nights, now - POINTS["30_day"])
    older = [
        one for one in nights if one.taken_at <= now - ALL_OF and (oldest is None or by_age(one) >= by_age(oldest))
    ]
    chosen = sorted({*points, *nights[-1:], *_thinned(older), *recent}, key=by_age)
    return _at_most(chosen, frozenset({*points, *nights[-1:]}))


def _thinned(nights: list[Kept]) -> list[Kept]:
    """From the oldest on, always the last one within 7 days of the one before: what is left out is never missed."""
    chain = nights[:1]
    for one, after in zip(nights[1:], [*nights[2:], None], strict=False):
        if after is None or after.taken_at > chain[-1].taken_at + STEP:
            chain.append(one)
    return chain


def _at_most(nights: list[Kept], needed: frozenset[Kept]) -> list[Kept]:
    """While there are too many, the one goes whose absence leaves the smallest gap."""
    while len(nights) > MOST:
        gaps = [
            (after.taken_at - before.taken_at, one)
            for before, one, after in zip(nights, nights[1:], nights[2:], strict=False)
            if one not in needed
        ]
        least = min(gaps, key=_gap)[1]
        nights = [one for one in nights if one is not least]
    return nights


def _gap(gap: tuple[timedelta, Kept]) -> timedelta:
    return gap[0]
