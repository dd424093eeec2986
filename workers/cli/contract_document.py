"""`tenure contract`: what other systems may send and what they get, in a form that programs read."""

import engine
from engine.alarms import ALARMS
from engine.command import LABELS
from workers.base.documents import Document
from workers.commands.attributes import Attributes
from workers.commands.payloads import FORMS
from workers.queue import redis_keys
from workers.queue.queue_names import COMMAND_ACTOR, COMMANDS

EVENTS = (
    *("command.answered", "site.moved", "effect.done", "effect.failed", "effect.gave_up", "charge.succeeded"),
    *("charge.declined", "backup.verified", "export.ready", "site.restored", "site.deleted", "alarm.raised"),
    "work.stuck",
    "agents.over_plan",
    "letter.sent",
)
CODES = (
    *("envelope.malformed", "envelope.too_large", "command.unknown_type", "command.unexpected_field"),
    *("command.invalid_field", "command.id_conflict", "auth.bad_signature", "auth.key_unknown", "auth.stale"),
    *("authz.denied", "site.unknown", "site.deleted", "host.invalid", "host.taken", "state.illegal", "state.stale"),
    *("review.stale", "agents.trial_limit", "agents.below_used", "payment.declined", "payment.pending"),
    *("hold.active", "restore.no_such_point", "work.pending", "quota.exceeded"),
    "invoice.unknown",
)


def contract() -> Document:
    """`tenure/contract/1`: the queue, JSON Schemas of envelope and data, states, events, refusal codes, alarms."""
    return {
        "schema": "tenure/contract/1",
        "queue": {"name": COMMANDS, "actor": COMMAND_ACTOR, "key": redis_keys.messages(COMMANDS)},
        "stream": redis_keys.EVENTS,
        "envelope": Attributes.model_json_schema(),
        "commands": {name: _command(name) for name in FORMS},
        "states": list(engine.STATES),
        "events": list(EVENTS),
        "codes": list(CODES),
        "alarms": dict(ALARMS),
    }


def _command(name: str) -> Document:
    by = "operator" if name in engine.OPERATORS else "customer" if name in LABELS else "anybody"
    return {"by": by, "label": LABELS.get(name), "data": FORMS[name].model_json_schema()}


def text(found: Document) -> str:
    """The commands with their fields, then states, events, codes and alarms."""
    lines = [f"{name:<22} {_fields(command['data'])}" for name, command in found["commands"].items()]
    lists = [f"{title}: {', '.join(found[title])}" for title in ("states", "events", "codes", "alarms")]
    return "\n".join([*lines, "", *lists])


def _fields(data: Document) -> str:
    required = set(data.get("required", ()))
    return ", ".join(name if name in required else f"{name}?" for name in data.get("properties", {})) or "-"
