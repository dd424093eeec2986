"""What `tenure doctor` finds about producers: whether commands must be signed, the file, keys that end soon."""

from collections.abc import Iterator
from datetime import timedelta

from models import producers
from models.clock import machine_now
from models.database import reading
from models.timestamps import stamp
from workers.context import Context
from workers.health import doctor_fleet
from workers.health.check import Finding, failure, warning, well
from workers.producers import known
from workers.producers.entry import Key
from workers.producers.file import ProducersFileError, read
from workers.producers.loading import path_of

SOON = timedelta(days=7)
"""So long before the last key of a producer ends it is a warning."""

ANYBODY = "whoever reaches Redis may send every command; `tenure producer add NAME` ends that"


def judge(context: Context) -> Iterator[Finding]:
    """Look at the producers as the database has them, and at the file of this host."""
    with reading(context.database) as tx:
        found, row = known.read(tx), producers.loaded(tx)
    if not found.is_enforced:
        yield warning("producers", "none, commands come unsigned", ANYBODY)
    else:
        yield well("producers", f"{len(found.producers)}, every command must be signed")
    yield _file(context, "" if row is None else row.digest)
    yield _keys(found)


def _file(context: Context, loaded: str) -> Finding:
    path = path_of(doctor_fleet.settings(context))
    try:
        found = read(path)
    except ProducersFileError as wrong:
        return failure("producers file", "broken", f"what was loaded before stands; mend it: {wrong}")
    if found is None:
        return well("producers file", "none on this host")
    if found.digest != loaded:
        remedy = "bring the newest file to every host, or change this one to let it hold"
        return warning("producers file", f"{path} is not what is loaded", remedy)
    return well("producers file", "loaded")


def _keys(found: known.LoadedProducers) -> Finding:
    """Whether every producer can sign now, and still next week."""
    now = machine_now()
    last = {name: _last(found, name) for name in found.producers}
    ending = [name for name, key in last.items() if key is None or not key.is_valid(now + SOON)]
    if not ending:
        return well("producers' keys", "valid")
    name = ending[0]
    key = last[name]
    until = "has no valid key" if key is None or key.not_after is None else f"has keys until {stamp(key.not_after)}"
    more = f", and {len(ending) - 1} more" if len(ending) > 1 else ""
    return warning("producers' keys", f"{name} {until}{more}", f"`tenure producer rotate {name}` makes a new one")


def _last(found: known.LoadedProducers, name: str) -> Key | None:
    """The key of a producer that ends last; one without an end never does."""
    keys = [key for key in found.keys.values() if key.producer == name]
    endless = next((key for key in keys if key.not_after is None), None)
    return endless or max(keys, key=lambda key: key.not_after or machine_now(), default=None)
