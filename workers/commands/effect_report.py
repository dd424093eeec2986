"""What happened to one effect, told to the law: it says what follows for the site."""

from typing import Any

import engine
from models.columns import SerializedJson, to_json
from models.effect import about
from workers.commands.answer import answer
from workers.commands.apply import Decisions, Receipt
from workers.commands.attributes import OPERATOR
from workers.context import Context


def command_about(row: Any, host: str, kind: str, data: dict[str, Any], source: str) -> engine.Command:
    """The command with which a report of an effect reaches the law; the same try reports each kind once."""
    return engine.Command(
        type=kind,
        source=source,
        id=f"{row.id}:{row.fence}:{kind}",
        data=data,
        cause=(row.cause_source, row.cause_id),
        correlation_id=row.correlation_id,
        host=host,
    )


def judge(decisions: Decisions, context: Context, site: engine.Site | None, command: engine.Command) -> engine.Decision:
    """Decide about a report and write the decision down, in the transaction that holds the site's lock."""
    decision = engine.decide(site, command, decisions.journal.now, context.policy)
    write_down(decisions, command, decision)
    return decision


def write_down(decisions: Decisions, command: engine.Command, decision: engine.Decision) -> None:
    """A report's receipt keeps the answer, as that of a command does."""
    kept = SerializedJson(to_json(answer(command, decision, subject=command.host)))
    decisions.apply(command, decision, Receipt(answer=kept))


def tell_law(
    decisions: Decisions, context: Context, site: engine.Site, row: Any, kind: str, more: dict[str, Any] | None = None
) -> engine.Decision:
    """`site.effect_retried`, `site.effect_dropped`, a deletion that begins, or what came late."""
    about_it = {"effect": row.id, "kind": row.kind, "about": about(row.args), "payment_id": row.args.get("payment_id")}
    command = command_about(row, site.host, kind, {**(more or {}), **about_it}, OPERATOR)
    return judge(decisions, context, site, command)
