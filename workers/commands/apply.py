"""Writing decisions down: the same way whatever led to them, a command, a timer, an effect's result or an operator.

In the transaction: the site, its timers, invoices and effects, the receipt, the events. After the commit: the wake-ups
of new effects, a line of the log for each move, and one for each alarm.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

import engine
from models.admission import Woken
from models.columns import SerializedJson
from models.journal import Journal
from workers.base.effect_kinds import lane_of
from workers.base.logs import batched
from workers.commands import log_lines


class Receipt(NamedTuple):
    """How a command is remembered: the digest of its content, and its answer (None where nobody can ask again)."""

    digest: str = ""
    answer: SerializedJson | None = None


NEVER_ASKED_AGAIN = Receipt()


class Move(NamedTuple):
    """A decision that was written down; `due` is the moment of the timer that led to it."""

    command: engine.Command
    decision: engine.Decision
    due: datetime | None = None


class AfterCommit(NamedTuple):
    """What one transaction leaves to be told once it is committed."""

    wake_ups: list[Woken]
    moves: list[Move]


class Decisions:
    """The decisions of one transaction. Many of them cost few more statements than one: see `models/journal.py`."""

    def __init__(self, tx: Connection, now: datetime, policy: engine.Policy) -> None:
        self.journal = Journal(tx, now, policy, lane_of)
        self.moves: list[Move] = []

    def apply(
        self,
        command: engine.Command,
        decision: engine.Decision,
        receipt: Receipt = NEVER_ASKED_AGAIN,
        due: datetime | None = None,
    ) -> Move:
        """Take in everything that follows from a decision; a refusal leaves its receipt alone."""
        self.journal.record(command, decision)
        self.journal.answered(command, decision, receipt.digest, receipt.answer)
        self._tell(command, decision)
        move = Move(command, decision, due)
        self.moves.append(move)
        return move

    def _tell(self, command: engine.Command, decision: engine.Decision) -> None:
        """The decision's events, caused by the command that all of it goes back to."""
        site = decision.site
        for event in decision.events:
            self.journal.tell(
                event.type,
                event.data,
                host=command.host if site is None else site.host,
                site_id=None if site is None else site.id,
                cause=command.root[1],
                correlation_id=command.correlation_id,
            )

    def write(self) -> AfterCommit:
        """Put everything into the database; what is to be told after the commit."""
        self.journal.write()
        return AfterCommit(self.journal.woken, self.moves)


def log_moves(moves: Iterable[Move]) -> None:
    """After the commit: a line for each move and for each alarm."""
    with batched():
        for move in moves:
            log_move(move)


def log_move(move: Move) -> None:
    """The lines of one decision."""
    log_lines.move(move.command, move.decision, due=move.due)
    log_lines.alarms(move.decision)
