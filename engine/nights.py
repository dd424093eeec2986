"""When a site's nightly backup is due: a stable hour of its own, spread over the fleet."""

from datetime import datetime, timedelta
from hashlib import blake2b

from engine.retention import TOO_OLD
from engine.site import Fault, Site
from engine.words import moment

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def next_try(site: Site) -> datetime | None:
    """The next night, another try of one that failed, or the moment at which the newest backup becomes too old."""
    moments = (next_night(site), site.night_again_at, _too_old_at(site))
    return min(filter(None, moments), default=None)


def _too_old_at(site: Site) -> datetime | None:
    """The first moment at which the previous day is missed; None once that was looked at."""
    since = max(filter(None, (site.saved_at, site.nights_from)), default=None)
    if since is None:
        return None
    at = since + TOO_OLD["previous_day"] + TICK
    return at if site.night_at is None or at > site.night_at else None


def trouble(site: Site) -> Fault | None:
    """What is wrong with the nights of a site that has them, and what to do; None if nothing."""
    if not (site.missing or site.night_again_at) or not site.online:
        return None
    since = site.night_at or site.created_at
    again = f"it is tried again at {moment(next_try(site))}; `tenure dead list` says why, site.retry tries at once"
    if site.missing:
        points = ", ".join(f"{name} (older than {TOO_OLD[name] // DAY} days)" for name in site.missing)
        what = f"restore points are missed: {points}; the nightly backup fails"
        return Fault("restore_point.missing", since, what, again)
    return Fault("backup.failed", since, "the nightly backup failed", again)


def next_night(site: Site) -> datetime | None:
    """The first of the site's nightly moments strictly after its last night (or after it was ready)."""
    last = site.night_at or site.ready_at
    if last is None:
        return None
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    tonight = midnight + offset(site.id)
    return tonight if tonight > last else tonight + DAY


def offset(site_id: str) -> timedelta:
    """The time of day of a site's nights: derived from its id, so that it never moves."""
    return timedelta(seconds=int.from_bytes(blake2b(site_id.encode(), digest_size=4).digest()) % 86_400)
