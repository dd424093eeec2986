"""When a site's nightly backup is due: a stable hour of its own, spread over the fleet."""

from datetime import datetime, timedelta
from hashlib import blake2b

from engine.site import Site

DAY = timedelta(days=1)


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
