"""How the cost of one thing grows with the fleet."""

import subprocess
import sys
import time
from datetime import timedelta
from itertools import count
from pathlib import Path

from sqlalchemy import text

from models import timer
from models.clock import engine_now
from models.database import writing
from models.timestamps import stamp
from tests.bench import commands
from tests.bench.servers import environ, folder, redis_server, workplace
from workers.base import process_memory
from workers.commands import handler
from workers.context import Context

BATCHES = 20
READS = {"site list": ["site", "list", "--json"], "due": ["due", "--json"], "stats": ["stats", "--format", "json"]}

GROW = """
INSERT INTO {table} ({names}) WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :size)
SELECT {values} FROM number
"""


def grow(context: Context, size: int) -> None:
    """So many sites, each a copy of one that a real command started, with a name and an id of its own."""
    ids = count(1)
    commands.prepare(context, 1, ids)
    with writing(context.database) as tx:
        names = [row.name for row in tx.execute(text("SELECT name FROM pragma_table_info('site')"))]
        own = {"id": "printf('site_%032x', n)", "host": "'site' || n || '.example.com'", "account": "'a' || (n / 10)"}
        values = ", ".join(
            own.get(name, f"(SELECT {name} FROM site WHERE host = 'site0.example.com')") for name in names
        )
        grown = GROW.format(table="site", names=", ".join(names), values=values)
        tx.execute(text(grown), {"size": size - 1})
        rows = "SELECT id, 'renew', generation, trial_ends_at, trial_ends_at FROM site"
        tx.execute(text("DELETE FROM timer"))
        tx.execute(text(f"INSERT INTO timer (site_id, kind, generation, due_at, wakes_at) {rows}"))


def remember(context: Context, size: int) -> None:
    """What so many sites leave behind: a receipt, an event that is published and an effect that is done for each."""
    own = {"id": "printf('then-%d', n)", "site_id": "printf('site_%032x', n)", "status": "'done'", "sent": "1"}
    with writing(context.database) as tx:
        for table in ("receipt", "event", "effect"):
            columns = tx.execute(text(f"SELECT name FROM pragma_table_info('{table}')")).scalars()
            names = [name for name in columns if name != "seq"]
            values = ", ".join(own.get(name, f"(SELECT {name} FROM {table} LIMIT 1)") for name in names)
            grown = GROW.format(table=table, names=", ".join(names), values=values)
            tx.execute(text(grown), {"size": size})


def cost_of_a_command(size: int) -> float:
    """Seconds for one command of the mix, in batches as they come, in a fleet of so many sites."""
    with folder() as where, redis_server(where) as url, workplace(where, url, None) as context:
        grow(context, size)
        remember(context, size)
        return _cost(context, size)


def _cost(context: Context, size: int) -> float:
    batches = [list(commands.mix(500, size, count(number * 10_000 + 10))) for number in range(1, BATCHES + 3)]
    process_memory.spare_the_collector()
    for batch in batches[:2]:
        handler.take_each(context, batch)
    started = time.perf_counter()
    for batch in batches[2:]:
        handler.take_each(context, batch)
    return (time.perf_counter() - started) / (BATCHES * 500)


def reads(size: int) -> dict[str, float]:
    """Seconds of the real command line over so many sites."""
    with folder() as where, redis_server(where) as url, workplace(where, url, None) as context:
        grow(context, size)
        remember(context, size)
        tenure = Path(sys.executable).parent / "tenure"
        settings = environ(where, url, None)
        return {name: _seconds([str(tenure), *words], settings) for name, words in READS.items()}


def _seconds(words: list[str], settings: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(words, env=settings, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return time.perf_counter() - started


def claim_among(size: int) -> float:
    """Seconds to claim 1,000 due timers among so many that are not."""
    with folder() as where, redis_server(where) as url, workplace(where, url, None) as context:
        grow(context, size // 10)
        with writing(context.database) as tx:
            now = engine_now(tx)
            kinds = " UNION ALL ".join(f"SELECT 'kind{number}' AS kind" for number in range(9))
            later = stamp(now + timedelta(days=1)).replace("T", " ").removesuffix("Z")
            tx.execute(
                text(
                    "INSERT INTO timer (site_id, kind, generation, due_at, wakes_at) "
                    f"SELECT id, kind, generation, :at, :at FROM site, ({kinds})"
                ),
                {"at": later},
            )
            earlier = stamp(now - timedelta(hours=1)).replace("T", " ").removesuffix("Z")
            some = "SELECT id FROM site ORDER BY id LIMIT 1000"
            tx.execute(
                text(f"UPDATE timer SET due_at = :at, wakes_at = :at WHERE kind = 'renew' AND site_id IN ({some})"),
                {"at": earlier},
            )
        return min(_claim(context) for _ in range(5))


def _claim(context: Context) -> float:
    with writing(context.database) as tx:
        now = engine_now(tx)
        started = time.perf_counter()
        found = timer.claim_due(tx, now, 1000)
        seconds = time.perf_counter() - started
    assert len(found) == 1000
    return seconds
