"""One transaction about a site or many, in their turn, and again when the database could not do it just now."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

import engine
from models import site as sites
from models.database import is_for_now, writing
from workers.base.backoff import jittered
from workers.base.logs import log
from workers.context import Context

T = TypeVar("T")
Sites = dict[str, engine.Site]
"""By id."""

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between two tries, the longest; all in all as long as a database needs to start again."""


def with_site_lock(context: Context, site_id: str, verb: Callable[[Connection, engine.Site | None], T]) -> T:
    """Lock a site and let `verb` write. `verb` may be called again after it was committed: twice must equal once.

    A commit whose reply is lost is unknown, so whoever comes again looks at what the rows say now.
    """
    return with_site_locks(context, {site_id}, lambda tx, found: verb(tx, found.get(site_id)))


def with_site_locks(context: Context, site_ids: set[str], verb: Callable[[Connection, Sites], T]) -> T:
    """The same with the locks of many sites; those that are not there are left out."""
    for number, pause in enumerate(PAUSES):
        try:
            return _once(context, site_ids, verb)
        except DBAPIError as wrong:
            if not is_for_now(wrong):
                raise
            if number == 0:
                _tell(site_ids, wrong)
        time.sleep(jittered(pause))
    return _once(context, site_ids, verb)


def _once(context: Context, site_ids: set[str], verb: Callable[[Connection, Sites], T]) -> T:
    with writing(context.database) as tx:
        return verb(tx, sites.find_all(tx, site_ids))


def _tell(site_ids: set[str], wrong: DBAPIError) -> None:
    reason = str(wrong.orig).splitlines()[0]
    error = f"{reason}; the transaction is tried again for {sum(PAUSES):.0f} s"
    for site_id in sorted(site_ids):
        log.warning("failed", site_id=site_id, error=error)
