"""Many customers who ask the same things at once, and ask again with the same ids until each is answered."""

import json
import time
from collections import Counter
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

from models import deletion, effect, event, receipt
from models.database import reading
from models.site import SITES
from workers.cli import deletion_reports, sending, test_clock
from workers.cli.duration import duration
from workers.context import Context

ASK_AGAIN_SECONDS = 20.0


class Crowd:
    """So many lives in step: there is one engine time."""

    def __init__(self, context: Context, size: int) -> None:
        self.context = context
        self.hosts = [f"life{number}.example.com" for number in range(size)]
        self.asked: list[str] = []

    def ask(self, kind: str, turn: str, **data: Any) -> None:
        """Enqueue one command for each, and do not wait."""
        for host in self.hosts:
            body = {"specversion": "1.0", "source": "crowd", "id": f"{host}:{turn}", "type": f"site.{kind}"}
            given = {"account": "crowd", "email": f"owner@{host}"} if kind == "start_trial" else data
            sending.enqueue(self.context, {**body, "subject": host, "data": given})
        self.asked.append(turn)

    def hear(self, kind: str, turn: str, **data: Any) -> None:
        """Wait until each has its answer; whoever has none after a while asks again."""
        again_at = time.monotonic() + ASK_AGAIN_SECONDS
        while unheard := self.without_answer(turn):
            if time.monotonic() > again_at:
                mine, self.hosts = self.hosts, unheard
                self.ask(kind, turn, **data)
                self.hosts, again_at = mine, time.monotonic() + ASK_AGAIN_SECONDS
                self.asked.pop()
            time.sleep(0.05)

    def say(self, kind: str, turn: str, **data: Any) -> None:
        self.ask(kind, turn, **data)
        self.hear(kind, turn, **data)

    def without_answer(self, turn: str) -> list[str]:
        with reading(self.context.database) as tx:
            found = receipt.find_all(tx, [("crowd", f"{host}:{turn}") for host in self.hosts])
        heard = {key for _, key in found}
        return [host for host in self.hosts if f"{host}:{turn}" not in heard]

    def live_on(self, length: str) -> None:
        """On two cores a thousand nights take a while."""
        test_clock.advance(self.context, duration(length), 1800)

    def harm(self) -> list[str]:
        """One sentence for each thing that was lost or done twice."""
        return [*self._unfinished(), *self._letters_twice(), *self._lives_that_differ(), *self._left(), *self._events()]

    def _unfinished(self) -> list[str]:
        with reading(self.context.database) as tx:
            open_ones = [row.id for row in effect.unfinished(tx)] + [row.id for row in effect.all_that_gave_up(tx)]
            unsent = event.count_unsent(tx)
            states = Counter(row.state for row in tx.execute(SITES.select()))
            chain, receipts = deletion.broken_at(tx), len(deletion.all_receipts(tx))
        wrong = [f"effect {one} is not finished" for one in open_ones]
        wrong += [f"{unsent} events are not sent"] if unsent else []
        wrong += [] if states == {"deleted": len(self.hosts)} else [f"sites by state: {states}"]
        wrong += [] if chain is None else [f"the chain of deletions is broken at {chain}"]
        return wrong + ([] if receipts == len(self.hosts) else [f"{receipts} receipts of deletions"])

    def _letters_twice(self) -> list[str]:
        """The mailboxes are the outside world's own ledger."""
        files = (self.context.settings.data_dir / "outbox").glob("*.eml")
        mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        keys = Counter(str(mail["X-Tenure-Key"]) for mail in mails)
        subjects = Counter((str(mail["To"]), str(mail["Subject"])) for mail in mails)
        wrong = [f"letter {key} was sent {times} times" for key, times in keys.items() if times > 1]
        for_each = Counter(who for who, _ in subjects)
        numbers = {for_each[f"owner@{host}"] for host in self.hosts}
        return wrong + ([] if len(numbers) == 1 else [f"some got more letters than others: {sorted(numbers)}"])

    def _lives_that_differ(self) -> list[str]:
        """Every life is the same one: as many moves, effects and events of each kind, and 14 days before its end."""
        lives = Counter()
        wrong = []
        with reading(self.context.database) as tx:
            for site in tx.execute(SITES.select()).all():
                moves = receipt.history(tx, site.id)
                ended = [move.at for move in moves if move.type == "site.cancel" and move.outcome == "applied"][-1]
                deleted = [move.at for move in moves if move.to_state == "deleted"]
                if len(deleted) != 1 or deleted[0] - ended < timedelta(days=14):
                    wrong.append(f"{site.host} was cancelled at {ended} and deleted at {deleted}")
                counted = Counter((move.type, move.outcome) for move in moves if "back_up" not in move.type)
                del counted["site.backup_verified", "no_op"], counted["site.backup_verified", "applied"]
                effects = Counter(row.kind for row in effect.of_site(tx, site.id) if row.kind != "back_up")
                lives[json.dumps([sorted(counted.items()), sorted(effects.items())])] += 1
        return wrong + ([] if len(lives) == 1 else [f"lives differ: {lives}"])

    def _left(self) -> list[str]:
        return [f"{site} left {found}" for site, found in deletion_reports.verify(self.context)["left"].items()]

    def _events(self) -> list[str]:
        """The stream has every event of the database at least once, under one id."""
        entries = self.context.redis.xrange("tenure:events")
        found = {json.loads(fields[b"event"])["id"] for _, fields in entries}
        with reading(self.context.database) as tx:
            wanted = {json.loads(row.body)["id"] for row in tx.execute(event.EVENTS.select())}
        return [f"{len(wanted - found)} events are not in the stream"] if wanted - found else []
