"""Clock sanity: on a clock that jumped or a database that was restored no timer fires until somebody has looked."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from models import breaker, safety
from models.clock import engine_now, machine_now
from models.columns import stamp
from models.database import reading, writing
from models.record import tell
from workers import announce
from workers.logs import log
from workers.sanity import Sanity, steady
from workers.workplace import Workplace

TOLERANCE = timedelta(seconds=60)
"""How far the wall clock may drift from the steady one between two looks, and fall behind the high-water mark."""

SILENCE = timedelta(hours=24)
"""After a longer silence deletions wait for an operator."""

WITNESS = "tenure:witness"
"""A witness outside the database of how far it had come: a restored one is behind it."""

LEAVE = "look at the clocks and the database, then `tenure safe-mode leave`"


def allows(tx: Connection, place: Workplace, sanity: Sanity) -> bool:
    """Whether timers may fire now; asked in the transaction that would fire them."""
    wall = machine_now()
    known = safety.state(tx)
    is_first = sanity.wall is None
    jumped = sanity.jump(wall, steady())
    if known is not None and known.why is not None:
        return False
    if abs(jumped) > TOLERANCE:
        return _enter(tx, f"the wall clock jumped by {jumped}", wall)
    if known is not None and wall < known.wall_at - TOLERANCE:
        return _enter(
            tx, f"the wall clock shows {stamp(wall)}, before {stamp(known.wall_at)} that was seen already", wall
        )
    if is_first and known is not None and wall - known.wall_at > SILENCE:
        _hold_deletions(tx, wall - known.wall_at)
    return not (is_first and _is_restored(tx, place, wall))


def _enter(tx: Connection, why: str, at: datetime) -> bool:
    """Safe mode; operators are told once. The answer is that nothing may fire."""
    if safety.enter(tx, why, at):
        _alarm(tx, "safe_mode", why)
        log.error("alarm", error=f"safe mode: {why}; no timer fires. {LEAVE}")
    return False


def _hold_deletions(tx: Connection, silence: timedelta) -> None:
    """Late timers fire once, oldest first; but nobody was there to stop a deletion."""
    why = f"nothing ran for {silence}"
    breaker.turn(tx, "paused", why, engine_now(tx))
    _alarm(tx, "silence", why)
    log.error("paused", error=f"{why}: deletions wait for `tenure safe-mode leave` or `tenure deletion resume`")


def _is_restored(tx: Connection, place: Workplace, wall: datetime) -> bool:
    """A witness that is newer than the database; a missing one (Redis came back empty) is written anew."""
    witness: Any = place.redis.get(WITNESS)
    come = safety.progress(tx)
    if witness is None or int(witness) <= come:
        return False
    _enter(tx, f"the database is older than it was: it has {come} receipts and {int(witness)} were seen", wall)
    return True


def _alarm(tx: Connection, alarm: str, why: str) -> None:
    tell(tx, "alarm.raised", {"alarm": alarm, "error": why}, engine_now(tx), host="*", site_id=None, cause=None)


def beat(tx: Connection, place: Workplace) -> None:
    """Raise the marks, here and outside, while all is well."""
    known = safety.state(tx)
    if known is None or known.why is None:
        safety.note(tx, machine_now())
        place.redis.set(WITNESS, safety.progress(tx))


def shown(place: Workplace) -> dict[str, Any]:
    """`tenure/safe-mode/1`: whether it holds, why and since when."""
    with reading(place.database) as tx:
        known = safety.state(tx)
    why = None if known is None else known.why
    since = None if known is None or known.since is None else stamp(known.since)
    return {"schema": "tenure/safe-mode/1", "on": why is not None, "why": why, "since": since}


def leave(place: Workplace) -> None:
    """An operator has looked: timers fire again, and deletions that only silence had paused go on."""
    with writing(place.database) as tx:
        safety.leave(tx, machine_now())
        state, why, _ = breaker.look(tx)
        if state == "paused" and why is not None and why.startswith("nothing ran for"):
            breaker.turn(tx, "closed", None, engine_now(tx))
        come = safety.progress(tx)
    place.redis.set(WITNESS, come)
    announce.ring(place)
