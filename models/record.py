"""Writing a decision down: site, timers, effects, money and events in the caller's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from uuid_utils import uuid7

import engine
from models import effect, event, money, receipt, site, timer
from models.clock import machine_now
from models.columns import stamp, to_json


def record(
    tx: Connection, command: engine.Command, decision: engine.Decision, now: datetime, policy: engine.Policy
) -> None:
    """Write all that a decision changes. The caller writes the receipt, for only it knows the answer's form."""
    after = decision.site
    if decision.outcome != "applied" or after is None:
        return
    before = decision.before
    site.put(tx, before, after)
    timer.rewrite(tx, after.id, after.generation, engine.timers(before, policy), decision.timers, now)
    money.book(tx, after.id, decision, now)
    if decision.voids:
        effect.void(tx, decision.voids, after.id, now)
    if decision.revives:
        effect.revive(tx, after.id)
    effect.add(tx, after, command, decision.effects, now, machine_now())


def write_receipt(
    tx: Connection, command: engine.Command, decision: engine.Decision, now: datetime, digest: str, answer: Any
) -> None:
    """Remember that a command was answered, and how."""
    shown = decision.site or decision.before
    tx.execute(
        receipt.RECEIPTS.insert(),
        {
            "source": command.source,
            "id": command.id,
            "site_id": shown.id if shown else None,
            "type": command.type,
            "digest": digest,
            "at": now,
            "from_state": decision.before.state if decision.before else None,
            "to_state": shown.state if shown else None,
            "outcome": decision.outcome,
            "code": decision.code,
            "answer": answer,
        },
    )


def tell(
    tx: Connection,
    kind: str,
    data: dict[str, Any],
    now: datetime,
    *,
    host: str,
    site_id: str | None,
    cause: str | None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
) -> None:
    """Write one event as a CloudEvent; the publisher sends it after the commit."""
    event_id = str(uuid7())
    body = {
        "specversion": "1.0",
        "id": event_id,
        "source": "tenure",
        "type": kind,
        "subject": host,
        "time": stamp(now),
        "datacontenttype": "application/json",
        "causationid": cause,
        **({"correlationid": correlation_id} if correlation_id else {}),
        "data": {"site": host, "site_id": site_id, **data},
    }
    event.add(
        tx,
        [
            {
                "id": event_id,
                "site_id": site_id,
                "type": kind,
                "at": now,
                "body": to_json(body),
                "reply_to": reply_to,
                "sent": False,
            }
        ],
    )
