"""The audit of timers: each must follow from its site's facts, and each fact that wants one must have it.

Moves write timers with the facts that they follow from. What goes past them, new code that wants another kind or a row
that somebody removed, is found here, page by page.
"""

import engine
from models import site as sites
from models import timer
from models.clock import engine_now
from models.database import reading, writing
from workers.base.logs import log
from workers.context import Context

PAGE = 1000


def look_over(context: Context, after: str | None, limit: int = PAGE) -> str | None:
    """Put right the timers of the next sites by id; where to go on, None when all were looked over."""
    with reading(context.database) as tx:
        page = sites.page(tx, state=None, account=None, after=after, limit=limit)
        kept = timer.due_of(tx, [site.id for site in page])
    wrong = [site.id for site in page if kept.get(site.id, {}) != engine.timers(site, context.policy)]
    if wrong:
        _put_right(context, wrong)
    return page[-1].id if len(page) == limit else None


def _put_right(context: Context, site_ids: list[str]) -> None:
    """Look again behind the sites' locks: what a command wrote meanwhile is right."""
    with writing(context.database) as tx:
        found = sites.find_all(tx, site_ids)
        kept = timer.due_of(tx, site_ids)
        rewrites = [
            timer.Rewrite(site.id, site.generation, kept.get(site.id, {}), engine.timers(site, context.policy))
            for site in found.values()
        ]
        rewrites = [one for one in rewrites if one.before != one.after]
        timer.rewrite_all(tx, rewrites, engine_now(tx))
    for one in rewrites:
        missed = sorted({kind for kind in {*one.before, *one.after} if one.before.get(kind) != one.after.get(kind)})
        log.warning(
            "rescued", site=found[one.site_id].host, site_id=one.site_id, error=f"timers put right: {', '.join(missed)}"
        )
