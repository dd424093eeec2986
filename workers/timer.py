"""Firing what is due: the clock's verb. Dates are asked of the table, guards of the law."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

import engine
from models import backup, timer
from models import site as sites
from models.breaker import write_warrant
from models.clock import engine_now
from models.columns import stamp
from models.database import reading, writing
from models.effect import is_claimed
from models.record import record, tell, write_receipt
from workers import announce, narrate, safety
from workers.answer import answer
from workers.crash import reached
from workers.deletion import stopped
from workers.destroying import evidence_of
from workers.logs import log
from workers.workplace import Workplace

BATCH = 200
SOONEST = timedelta(seconds=1)
"""A held timer is asked again at a strictly later moment, by so much at the least."""


def fire_due(place: Workplace) -> int:
    """Fire one batch of due timers, oldest first; how many there were."""
    used = _used_agents(place)
    with writing(place.database) as tx:
        now = engine_now(tx)
        rows = timer.due(tx, now, BATCH) if safety.allows(tx, place, place.sanity) else []
        reached("timer.claimed")
        decisions = [decision for row in rows if (decision := _isolated(tx, place, row, now, used)) is not None]
        reached("timer.fired")
    reached("timer.committed")
    announce.effects(place, [effect for decision in decisions for effect in decision.effects])
    reached("timer.announced")
    if rows:
        announce.events(place)
    return len(rows)


def _isolated(
    tx: Connection, place: Workplace, row: Any, now: datetime, used: dict[str, int]
) -> engine.Decision | None:
    """One timer that fails leaves nothing behind, is put off and told of, and costs the others of its batch nothing."""
    try:
        with tx.begin_nested():
            return _fire(tx, place, row, now, used)
    except OperationalError:
        raise
    except Exception as wrong:  # noqa: BLE001 - one site's fault, whatever it is, is no other site's
        timer.put_off(tx, row.site_id, row.kind, now + place.policy.held_retry)
        log.exception("alarm", site_id=row.site_id, command=f"site.{row.kind}", due=row.due_at, error=_sentence(wrong))
        return None


def _sentence(wrong: Exception) -> str:
    first = next(iter(str(wrong).splitlines()), "")
    return f"this timer failed and is asked again in an hour: {type(wrong).__name__}: {first}"


def _fire(tx: Connection, place: Workplace, row: Any, now: datetime, used: dict[str, int]) -> engine.Decision | None:
    """Apply one timed move; an earlier one of the batch may have changed or removed it."""
    site = sites.find(tx, row.site_id)
    if site is None:
        raise LookupError(f"there is no site {row.site_id}")
    claimed = site.paying is not None and is_claimed(tx, site.id)
    live = engine.with_live_facts(site, used_agents=used.get(site.id), claimed=claimed)
    if engine.timers(live, place.policy).get(row.kind) != row.due_at:
        timer.rewrite(tx, site.id, site.generation, {row.kind: row.due_at}, engine.timers(live, place.policy), now)
        return None
    stop = stopped(tx, place, now) if row.kind == "delete" else None
    if stop is not None:
        why, again = stop
        _hold(tx, row, live, why, max(again, now + SOONEST))
        return None
    command = _command(tx, row, live)
    decision = engine.decide(live, command, now, place.policy)
    if decision.outcome != "applied":
        _hold(tx, row, live, decision.message or "", now + place.policy.held_retry)
        return None
    if row.kind == "delete":
        write_warrant(tx, live.id, live.generation, now, evidence_of(live))
    record(tx, command, decision, now, place.policy)
    write_receipt(tx, command, decision, now, "", answer(command, decision, subject=live.host))
    for event in decision.events:
        tell(tx, event.type, dict(event.data), now, host=live.host, site_id=live.id, cause=command.id)
    narrate.move(command, decision, due=row.due_at)
    narrate.alarms(decision)
    return decision


def _command(tx: Connection, row: Any, site: engine.Site) -> engine.Command:
    """A firing's key is derived: a second firing of the same timer is the same command."""
    return engine.Command(
        type=f"site.{row.kind}",
        source="tenure:clock",
        id=f"{row.site_id}:{row.kind}:{row.generation}:{stamp(row.due_at)}",
        data={"due_at": row.due_at},
        backups=backup.kept(tx, site.id) if row.kind == "back_up_nightly" else None,
        host=site.host,
    )


def _hold(tx: Connection, row: Any, site: engine.Site, why: str, again: datetime) -> None:
    """A guard stopped it: no receipt, and the timer is armed again for a strictly later moment."""
    timer.put_off(tx, row.site_id, row.kind, again)
    narrate.held(site, row.kind, why, row.due_at, again)


def _used_agents(place: Workplace) -> dict[str, int]:
    """How many agents are in use where a renewal may lower the plan; asked outside the transaction."""
    with reading(place.database) as tx:
        due = [row.site_id for row in timer.due(tx, engine_now(tx), BATCH) if row.kind == "renew"]
    found = {site_id: _asked(place, site_id) for site_id in due}
    return {site_id: used for site_id, used in found.items() if used is not None}


def _asked(place: Workplace, site_id: str) -> int | None:
    try:
        return place.host.used_agents(site_id)
    except Exception as wrong:  # noqa: BLE001 - whatever it is, no renewal waits for it: what was last known holds
        log.warning("alarm", site_id=site_id, error=f"agents in use are not known now: {type(wrong).__name__}: {wrong}")
        return None
