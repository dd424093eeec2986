"""`tenure doctor`: the adapters and settings as the running processes have them, and the work that fails at each."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from models import failing, process
from models.clock import machine_now
from models.database import reading
from models.timestamps import stamp
from workers.base.away import AWAY
from workers.base.errors import HELD
from workers.base.settings import Settings
from workers.context import ADAPTERS, Context
from workers.effects.registry import definition_of
from workers.health import fleet
from workers.health.check import Finding, failure, warning, well

OWN_ADDRESSES = ("TENURE_DATA_DIR",)
"""What may differ from host to host."""


def running(context: Context) -> list[Any]:
    """What the living processes say of themselves; nothing when the database is away or not yet migrated."""
    try:
        with reading(context.database) as tx:
            return process.living(tx, machine_now())
    except AWAY:
        return []


def settings(context: Context) -> Settings:
    """The settings by which the engine runs; while nothing runs, those of the asking shell."""
    return fleet.as_running(context.settings, running(context))


def judge(context: Context) -> Iterator[Finding]:
    """Adapters, then the work that fails at them, then settings that differ between processes."""
    rows = running(context)
    if rows:
        yield from _as_seen(rows)
        yield from differences(rows)
    else:
        for name, trouble in fleet.look(context).items():
            yield well(name, "writable") if trouble is None else failure(name, "not writable", trouble)
    with reading(context.database) as tx:
        found = failing.by_kind(tx, HELD)
    yield from _failing(found)


def _as_seen(rows: list[Any]) -> Iterator[Finding]:
    for name in ADAPTERS:
        seen = {row.name: row.report["adapters"].get(name) for row in rows}
        troubled = {who: trouble for who, trouble in seen.items() if trouble is not None}
        if not troubled:
            yield well(name, f"writable for {_processes(len(seen))}")
        else:
            who, trouble = next(iter(troubled.items()))
            yield failure(name, f"not writable for {len(troubled)} of {_processes(len(seen))}", f"{who}: {trouble}")


def _processes(count: int) -> str:
    return f"{count} process{'' if count == 1 else 'es'}"


def differences(rows: list[Any]) -> Iterator[Finding]:
    """Processes of one fleet must agree: one with another mail server or price does other work than the rest."""
    first = rows[0]
    for row in rows[1:]:
        told, other = first.report["settings"], row.report["settings"]
        for name in sorted(told.keys() & other.keys() - set(OWN_ADDRESSES)):
            if told[name] != other[name]:
                value = f"{name} is {told[name]!r} for {first.name} and {other[name]!r} for {row.name}"
                yield warning("settings", value, "give all processes the same and restart the one that is behind")


def _failing(found: list[failing.Failing]) -> Iterator[Finding]:
    by_adapter: dict[str, list[failing.Failing]] = {}
    for failing_kind in found:
        by_adapter.setdefault(definition_of(failing_kind.kind).adapter, []).append(failing_kind)
    for adapter, ones in by_adapter.items():
        kinds = ", ".join(f"{one.count} {one.kind}" for one in ones)
        value = f"{kinds} failed more than once, the first asked for at {stamp(_first(ones))}"
        yield warning(f"work at {adapter}", value, f"{ones[0].error}; it is tried again by itself")


def _first(ones: list[failing.Failing]) -> datetime:
    return min(one.since for one in ones)
