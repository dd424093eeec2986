"""Keeping a claim while the work takes long: a short lease, extended as long as the process lives."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from models.clock import machine_now
from models.database import writing
from models.effect import extend_lease
from workers.crash import reached
from workers.logs import log
from workers.workplace import Workplace


@contextmanager
def keeping(place: Workplace, row: Any) -> Iterator[None]:
    """Extend the claim's lease at a third of its length, until the work is over or the claim is lost.

    Each extension is a line of the log: whoever waits for a long backup sees that it goes on, and for how long.
    """
    over = Event()
    keeper = Thread(target=_keep, args=(place, row, over), daemon=True, name=f"lease {row.id}")
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _keep(place: Workplace, row: Any, over: Event) -> None:
    began = time.monotonic()
    while not over.wait(place.lease.total_seconds() / 3):
        try:
            with writing(place.database) as tx:
                kept = extend_lease(tx, row.id, row.fence, machine_now() + place.lease)
                reached("lease.extending")
            reached("lease.extended")
        except SQLAlchemyError as wrong:
            log.warning("failed", effect=row.kind, effect_id=row.id, error=f"the lease was not extended: {wrong}")
            continue
        if not kept:
            return
        lasts = round((time.monotonic() - began) * 1000)
        log.info(
            "started", site_id=row.site_id, effect=row.kind, effect_id=row.id, attempt=row.attempt, duration_ms=lasts
        )
