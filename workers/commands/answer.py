"""The answer to a command: the `data` of `command.answered`, as contract.md section 2 has it."""

from typing import Any

import engine
from models.timestamps import stamp
from workers.base.documents import Document


def answer(command: engine.Command, decision: engine.Decision, *, subject: str) -> Document:
    """What was decided, for the caller. Times are RFC 3339, UTC, `Z`, six digits."""
    before, after = decision.before, decision.site
    shown = after or before
    return {
        "command": {"source": command.source, "id": command.id, "type": command.type},
        "site": shown.host if shown else subject,
        "site_id": shown.id if shown else None,
        "outcome": decision.outcome,
        "duplicate": False,
        "from": before.state if before else None,
        "to": shown.state if shown else None,
        "version": shown.version if shown else None,
        "code": decision.code,
        "message": decision.message,
        "allowed": list(decision.allowed),
        "effects": [effect.kind for effect in decision.effects],
        "timers": [{"what": kind, "at": stamp(at)} for kind, at in sorted(decision.timers.items(), key=_by_moment)],
        "charge": _charge(decision),
        "review": None,
        "document": None,
    }


def refusal(refused: engine.Refused, site: engine.Site | None) -> engine.Decision:
    """A refusal from the door as a decision, so that it is answered and remembered like any other."""
    return engine.Decision("refused", site, site, refused.code, refused.message)


def _by_moment(timer: tuple[str, Any]) -> Any:
    return timer[1]


def _charge(decision: engine.Decision) -> Document | None:
    if decision.charge is None:
        return None
    charge = decision.charge
    return {"amount_cents": charge.amount_cents, "currency": charge.currency, "reason": charge.reason}
