"""What an operator did to one effect that gave up, told to the law: it says what follows for the site."""

from typing import Any

from sqlalchemy import Connection

import engine
from models.admission import Woken
from models.clock import engine_now
from models.effect import about
from models.journal_entries import record, tell, write_receipt
from workers.commands import log_lines
from workers.commands.answer import answer
from workers.context import Context


def tell_law(
    tx: Connection, context: Context, site: engine.Site, row: Any, kind: str, more: dict[str, Any] | None = None
) -> list[Woken]:
    """`site.effect_retried`, `site.effect_dropped` or what came late, in the transaction that does it.

    Returns what is to be announced after the commit.
    """
    now = engine_now(tx)
    about_it = {"effect": row.id, "kind": row.kind, "about": about(row.args), "payment_id": row.args.get("payment_id")}
    command = engine.Command(
        type=kind,
        source="tenure:operator",
        id=f"{row.id}:{row.fence}:{kind}",
        data={**(more or {}), **about_it},
        cause=(row.cause_source, row.cause_id),
        correlation_id=row.correlation_id,
        host=site.host,
    )
    decision = engine.decide(site, command, now, context.policy)
    woken = record(tx, command, decision, now, context.policy)
    write_receipt(tx, command, decision, now, "", answer(command, decision, subject=site.host))
    for event in decision.events:
        tell(tx, event.type, dict(event.data), now, host=site.host, site_id=site.id, cause=command.id)
    log_lines.move(command, decision)
    log_lines.alarms(decision)
    return woken
