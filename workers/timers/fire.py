"""Firing what is due: the clock's verb. Dates are asked of the table, guards of the law."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

import engine
from models import backup, timer
from models.breaker import write_warrant
from models.clock import engine_now
from models.database import reading, writing
from models.effect import claimed_of
from models.timer import Due
from workers.base.away import is_away
from workers.base.fault_points import fault_point
from workers.base.logs import batched, log
from workers.commands import log_lines
from workers.commands.apply import AfterCommit, Decisions, Move, log_move
from workers.context import Context
from workers.outbox import relay, wake_ups
from workers.safety import safe_mode
from workers.safety.breaker import stopped
from workers.safety.evidence import evidence_of

BATCH = 1000
NIGHT = "back_up_nightly"
"""The one timer whose rule looks at the site's backups."""

SOONEST = timedelta(seconds=1)
"""A held timer is asked again at a strictly later moment, by so much at the least."""


@dataclass(frozen=True, slots=True)
class HeldTimer:
    """A timer that a guard stopped: why, and when it is asked again."""

    due: Due
    why: str
    again: datetime


class FiringRound:
    """One transaction in which due timers are fired, oldest first."""

    def __init__(self, tx: Connection, context: Context, now: datetime, used: dict[str, int | None]) -> None:
        self.tx = tx
        self.context = context
        self.now = now
        self.used = used
        self.decisions = Decisions(tx, now, context.policy)
        self.sites: dict[str, engine.Site] = {}
        self.claimed: frozenset[str] = frozenset()
        self.kept: dict[str, tuple[engine.Kept, ...]] = {}

    def fire(self, dues: list[Due]) -> list[Move | HeldTimer]:
        """Fire them; an earlier one of the round may have changed or removed a later one."""
        self.sites = {due.site.id: due.site for due in dues}
        self.claimed = claimed_of(self.tx, [site.id for site in self.sites.values() if site.paying is not None])
        self.kept = backup.kept_of(self.tx, [due.site.id for due in dues if due.kind == NIGHT])
        return [outcome for due in dues if (outcome := self._one(due)) is not None]

    def _one(self, due: Due) -> Move | HeldTimer | None:
        site = self.sites[due.site.id]
        if f"site.{due.kind}" in engine.COUNTED and site.id not in self.used:
            return None  # it became due after the hosts were asked: the next round asks
        live = engine.with_live_facts(site, used_agents=self.used.get(site.id), claimed=site.id in self.claimed)
        if engine.timers(live, self.context.policy).get(due.kind) != due.due_at:
            self._correct(due, live)
            return None
        stop = self._stop_of(due)
        if stop is not None:
            why, again = stop
            return self._hold(due, why, max(again, self.now + SOONEST))
        return self._move(due, live)

    def _stop_of(self, due: Due) -> tuple[str, datetime] | None:
        """The breaker, which counts what is in the database."""
        if due.kind != "delete":
            return None
        self.decisions.write()
        return stopped(self.tx, self.context, self.now)

    def _hold(self, due: Due, why: str, again: datetime) -> HeldTimer:
        """No receipt, and the timer is armed again for a strictly later moment."""
        self.decisions.write()
        timer.put_off(self.tx, [(due.site.id, due.kind, again)])
        return HeldTimer(due, why, again)

    def _correct(self, due: Due, site: engine.Site) -> None:
        """A row that does not follow from the facts any more is brought to what does."""
        self.decisions.write()
        wanted = engine.timers(site, self.context.policy)
        correction = timer.Rewrite(site.id, site.generation, {due.kind: due.due_at}, wanted)
        timer.rewrite_all(self.tx, [correction], self.now)

    def _move(self, due: Due, site: engine.Site) -> Move | HeldTimer:
        command = self._command(due, site)
        decision = engine.decide(site, command, self.now, self.context.policy)
        if decision.outcome != "applied" or decision.site is None:
            return self._hold(due, decision.message or "", self.now + self.context.policy.held_retry)
        if due.kind == "delete":
            write_warrant(self.tx, site.id, site.generation, self.now, evidence_of(site))
        self.sites[site.id] = decision.site
        return self.decisions.apply(command, decision, due=due.due_at)

    def _command(self, due: Due, site: engine.Site) -> engine.Command:
        return engine.Command(
            type=f"site.{due.kind}",
            source=engine.CLOCK,
            id=due.key,
            data={"due_at": due.due_at},
            backups=self.kept[site.id] if due.kind == NIGHT else None,
            host=site.host,
        )


def fire_due(context: Context) -> int:
    """Fire one batch of due timers, oldest first; how many there were."""
    try:
        return _fire(context, BATCH)
    except Exception as wrong:
        if is_away(wrong):
            raise
        return _one_by_one(context)


def _fire(context: Context, limit: int) -> int:
    used = _used_agents(context, limit)
    with writing(context.database) as tx:
        now = engine_now(tx)
        may_fire = safe_mode.allows(tx, context, context.sanity)
        dues = timer.claim_due(tx, now, limit) if may_fire else []
        lost = timer.put_off_orphans(tx, now, now + context.policy.held_retry) if may_fire and not dues else []
        fault_point("timer.claimed")
        a_round = FiringRound(tx, context, now, used)
        outcomes = a_round.fire(dues)
        after = a_round.decisions.write()
        fault_point("timer.fired")
    fault_point("timer.committed")
    for site_id in lost:
        log.error("alarm", site_id=site_id, error="a timer is due and its site is not there; it is asked in an hour")
    _announce(context, outcomes, after)
    return len(dues)


def _one_by_one(context: Context) -> int:
    """One timer that fails leaves nothing behind, is put off and told of, and costs the others of its batch nothing."""
    count = 0
    for _ in range(BATCH):
        try:
            fired = _fire(context, 1)
        except Exception as wrong:
            if is_away(wrong):
                raise
            fired = _put_off_the_oldest(context, wrong)
        count += fired
        if not fired:
            break
    return count


def _put_off_the_oldest(context: Context, wrong: Exception) -> int:
    with writing(context.database) as tx:
        now = engine_now(tx)
        dues = timer.claim_due(tx, now, 1)
        timer.put_off(tx, [(due.site.id, due.kind, now + context.policy.held_retry) for due in dues])
        fault_point("timer.putting_off")
    fault_point("timer.put_off")
    for due in dues:
        error = f"this timer failed and is asked again in an hour: {_sentence(wrong)}"
        log.error("alarm", site_id=due.site.id, command=f"site.{due.kind}", due=due.due_at, error=error, exc_info=wrong)
    return len(dues)


def _sentence(wrong: Exception) -> str:
    return f"{type(wrong).__name__}: {next(iter(str(wrong).splitlines()), '')}"


def _announce(context: Context, outcomes: list[Move | HeldTimer], after: AfterCommit) -> None:
    """After the commit: what moved is told and its effects are offered."""
    wake_ups.offer(context, after.wake_ups)
    fault_point("timer.announced")
    if outcomes:
        relay.publish(context)
    with batched():
        for outcome in outcomes:
            _log(outcome)


def _log(outcome: Move | HeldTimer) -> None:
    if isinstance(outcome, Move):
        log_move(outcome)
    else:
        due = outcome.due
        log_lines.held(due.site, due.kind, outcome.why, due.due_at, outcome.again)


def _used_agents(context: Context, limit: int) -> dict[str, int | None]:
    """How many agents are in use where a renewal may lower the plan; asked outside the transaction.

    None where the host can't tell: then what was last known holds.
    """
    with reading(context.database) as tx:
        due = timer.sites_due(tx, "renew", engine_now(tx), limit)
    return {**dict.fromkeys(due), **context.agents.ask(due)}
