"""APScheduler's own SQLAlchemy store: so many date jobs that do nothing, due at once; run as a script."""

import sys
import time
from datetime import UTC, datetime, timedelta
from threading import Semaphore

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

done = Semaphore(0)


def tick() -> None:
    done.release()


def dispatched(path: str, size: int) -> float:
    """How many a second, from the first look at the store to the last job."""
    scheduler = BackgroundScheduler(
        timezone=UTC,
        jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{path}")},
        executors={"default": ThreadPoolExecutor(8)},
        job_defaults={"misfire_grace_time": None},
    )
    scheduler.start(paused=True)
    at = datetime.now(UTC) - timedelta(seconds=1)
    for number in range(size):
        scheduler.add_job("tests.bench.scheduler:tick", "date", run_date=at, id=str(number))
    started = time.perf_counter()
    scheduler.resume()
    for _ in range(size):
        done.acquire()
    seconds = time.perf_counter() - started
    scheduler.shutdown()
    return size / seconds


if __name__ == "__main__":
    from tests.bench import scheduler as ours

    sys.stdout.write(f"{ours.dispatched(sys.argv[1], int(sys.argv[2]))}\n")
