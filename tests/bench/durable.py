"""One durable step for each command, as two libraries of the field do it on the same PostgreSQL; run as a script.

`python -m tests.bench.durable procrastinate|dbos URL SIZE` prints how many a second.
"""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS
from procrastinate import App, PsycopgConnector

from tests.bench.servers import PROCESSES, THREADS


def procrastinate(url: str, size: int) -> float:
    """Jobs that do nothing, enqueued before the clock runs, worked off by one worker."""
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="step")
    async def step(number: int) -> None:
        return None

    async def work() -> float:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await step.batch_defer_async(*({"number": number} for number in range(size)))
            started = time.perf_counter()
            await app.run_worker_async(wait=False, concurrency=PROCESSES * THREADS, install_signal_handlers=False)
            return size / (time.perf_counter() - started)

    return asyncio.run(work())


def dbos(url: str, size: int) -> float:
    """Workflows with one step that does nothing, side by side on as many threads."""
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})

    @DBOS.step()
    def step(number: int) -> int:
        return number

    @DBOS.workflow()
    def workflow(number: int) -> int:
        return step(number)

    DBOS.launch()
    with ThreadPoolExecutor(PROCESSES * THREADS) as threads:
        started = time.perf_counter()
        done = sum(1 for _ in threads.map(workflow, range(size)))
        speed = done / (time.perf_counter() - started)
    DBOS.destroy()
    return speed


if __name__ == "__main__":
    which, address, count = sys.argv[1:]
    speed = {"procrastinate": procrastinate, "dbos": dbos}[which](address, int(count))
    sys.stdout.write(f"{speed}\n")
