"""The operators' log: one line for each command, move and effect, told the same way everywhere."""

from collections.abc import Callable, Iterable
from typing import Any

import engine
from models.timestamps import stamp
from workers.base.logs import log
from workers.commands.attributes import EFFECT
from workers.commands.envelope import Envelope

WORD = {"applied": "moved", "refused": "refused", "no_op": "no_op", "preview": "previewed"}


def commands(answered: Iterable[tuple[Envelope, dict[str, Any]]]) -> None:
    """What other systems asked, and what was answered."""
    say = log.bind().info  # bound once: each line of a batch would do it again
    for envelope, said in answered:
        _command(say, envelope, said)


def _command(say: Callable[..., Any], envelope: Envelope, said: dict[str, Any]) -> None:
    word = "duplicate" if said["duplicate"] else WORD[said["outcome"]]
    if envelope.type == "site.show":
        return
    upcoming = said["timers"][0] if said["timers"] else None
    say(
        word,
        **{"from": said["from"], "to": said["to"]},
        site=said["site"],
        site_id=said["site_id"],
        command=envelope.type,
        command_id=envelope.id,
        source=envelope.source,
        correlation_id=envelope.correlation_id,
        outcome=said["outcome"],
        code=said["code"],
        error=said["message"] if said["outcome"] == "refused" else None,
        next=f"{upcoming['what']} {upcoming['at']}" if upcoming else None,
    )


def move(command: engine.Command, decision: engine.Decision, *, due: Any = None) -> None:
    """What a timer, an operator or an effect's report led to; a report that moved nothing has its effect's own line."""
    before, after = decision.before, decision.site
    if before is None or after is None:
        return
    moved = before.state != after.state
    if not moved and due is None and not _has_a_line_of_its_own(command, decision):
        return
    log.info(
        "fired" if due is not None and not moved and decision.outcome == "applied" else WORD[decision.outcome],
        **{"from": before.state, "to": after.state},
        site=after.host,
        site_id=after.id,
        command=command.type,
        command_id=command.root[1] if due is None else command.id,
        correlation_id=command.correlation_id,
        due=due,
        code=decision.code,
        outcome=decision.outcome,
        error=decision.message if decision.outcome == "refused" else None,
        next=upcoming(decision),
    )


def _has_a_line_of_its_own(command: engine.Command, decision: engine.Decision) -> bool:
    return decision.outcome == "refused" or (decision.outcome == "applied" and command.source != EFFECT)


def alarms(decision: engine.Decision) -> None:
    """What operators must know of a site, in one line each."""
    for event in decision.events:
        if event.type == "alarm.raised" and decision.site is not None:
            site = decision.site
            error = f"{event.data['what']}; {event.data['do']}"
            log.warning("alarm", site=site.host, site_id=site.id, code=event.data["code"], error=error)


def held(site: engine.Site, kind: str, why: str, due: Any, again: Any) -> None:
    """A timer that a guard stopped: it is asked again."""
    log.info("held", site=site.host, site_id=site.id, command=f"site.{kind}", due=due, next=again, error=why)


def upcoming(decision: engine.Decision) -> str | None:
    """The site's next timer, as an operator reads it."""
    if not decision.timers:
        return None
    kind, at = min(decision.timers.items(), key=_moment)
    return f"{kind} {stamp(at)}"


def _moment(timer: tuple[str, Any]) -> Any:
    return timer[1]


def effect(
    word: str, name: str, row: Any, site: engine.Site, duration_ms: int, *, error: str | None = None, again: Any = None
) -> None:
    """One try of an effect, under the name that its kind gives it."""
    say = log.info if word in {"done", "rescued", "held"} else log.warning if word == "failed" else log.error
    say(
        word,
        site=site.host,
        site_id=site.id,
        command_id=row.cause_id,
        source=row.cause_source,
        correlation_id=row.correlation_id,
        effect=name,
        effect_id=row.id,
        attempt=row.attempt,
        duration_ms=duration_ms,
        error=error,
        next=again,
    )
