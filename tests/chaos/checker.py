"""What must hold afterwards. It knows the promises and not the code: it reads what the outside world wrote itself."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from workers.cli import reports
from workers.context import Context

VARIES = re.compile(r" on \w+day\b.*|\d[\d:.,TZ-]*")
"""Dates, numbers and amounts."""

RETENTION = timedelta(days=14)
FIRST_CHARGE_CENTS = 3 * 2000
MOST_FOR_TWO_MORE_CENTS = 2 * 2000


class Checker:
    """Reads the card network's ledger, the mailboxes, the stores, and every site's history as `tenure` prints it."""

    def __init__(self, context: Context, backups: Path) -> None:
        self.context = context
        self.data_dir = context.settings.data_dir
        self.backups = backups

    def ids(self) -> dict[str, str]:
        """Site ids by hostname."""
        sites = reports.site_list(self.context, state=None, account=None, after=None, limit=100_000)["sites"]
        return {site["site"]: site["id"] for site in sites}

    def violations(self, hosts: list[str], pattern: str) -> Iterator[str]:
        """One sentence for each broken promise; `pattern` is a site whose life nothing disturbed."""
        ids = self.ids()
        letters = self.letters()
        wanted = letters[pattern]
        yield from self.of_money({ids[host]: host for host in hosts})
        for host in hosts:
            yield from self.of_a_life(host, ids[host])
            if letters[host] != wanted:
                extra, missing = dict(letters[host] - wanted), dict(wanted - letters[host])
                yield f"{host} got letters that it should not: {extra}, and not {missing}"

    def of_money(self, hosts: dict[str, str]) -> Iterator[str]:
        lines = [json.loads(line) for line in (self.data_dir / "payments.jsonl").read_text().splitlines()]
        times = Counter(line["key"] for line in lines)
        yield from (f"key {key} was charged {number} times" for key, number in times.items() if number > 1)
        for site_id, host in hosts.items():
            charges = [line for line in lines if line["site"] == site_id]
            amounts = sorted(charge["amount_cents"] for charge in charges)
            if len({charge["invoice"] for charge in charges}) != len(charges):
                yield f"{host} was charged twice for one invoice: {charges}"
            if len(amounts) != 2 or amounts[1] != FIRST_CHARGE_CENTS or not 0 < amounts[0] < MOST_FOR_TWO_MORE_CENTS:
                yield f"{host} was charged {amounts}, not one period and the agents added"

    def of_a_life(self, host: str, site_id: str) -> Iterator[str]:
        moves: Any = reports.history(self.context, host)["moves"]
        deleted = [move for move in moves if move["to"] == "deleted" and move["from"] != "deleted"]
        cancels = (move for move in moves if move["type"] == "site.cancel" and move["outcome"] == "applied")
        ended = next((move["at"] for move in cancels), None)
        if len(deleted) != 1 or ended is None:
            yield f"{host} ended {len(deleted)} times: {moves[-1:]}"
            return
        lived = datetime.fromisoformat(deleted[0]["at"]) - datetime.fromisoformat(ended)
        if lived < RETENTION:
            yield f"{host} was deleted {lived} after it was cancelled"
        yield from (f"{host}: {path} is still there" for path in self.left_of(site_id))

    def left_of(self, site_id: str) -> Iterable[Path]:
        sites = self.data_dir / "sites"
        stores = [sites, sites / ".markers", self.data_dir / "exports", self.backups]
        return (path for store in stores for path in store.glob(f"*{site_id}*"))

    def letters(self) -> defaultdict[str, Counter[str]]:
        """The subjects of all letters, by the site that they are about, without its name, dates and amounts."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for path in (self.data_dir / "outbox").glob("*.eml"):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            host = str(mail["To"]).removeprefix("owner@")
            found[host][VARIES.sub("", str(mail["Subject"]).strip().replace(host, "SITE"))] += 1
        return found
