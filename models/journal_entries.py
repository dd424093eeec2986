"""Writing one decision down in the caller's transaction; whoever decides many keeps a journal."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

import engine
from models.admission import Woken
from models.columns import SerializedJson, to_json
from models.journal import Journal


def record(
    tx: Connection, command: engine.Command, decision: engine.Decision, now: datetime, policy: engine.Policy
) -> list[Woken]:
    """Write all that a decision changes; the effects whose wake-ups are to be sent after the commit.

    The caller writes the receipt, for only it knows the answer's form.
    """
    journal = Journal(tx, now, policy)
    journal.record(command, decision)
    journal.write()
    return journal.woken


def write_receipt(
    tx: Connection, command: engine.Command, decision: engine.Decision, now: datetime, digest: str, answer: Any
) -> None:
    """Remember that a command was answered, and how."""
    journal = Journal(tx, now, engine.Policy())
    journal.answered(command, decision, digest, SerializedJson(to_json(answer)))
    journal.write()


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
) -> None:
    """Write one event as a CloudEvent; the publisher sends it after the commit."""
    journal = Journal(tx, now, engine.Policy())
    journal.tell(kind, data, host=host, site_id=site_id, cause=cause, correlation_id=correlation_id)
    journal.write()
