"""What must be the same at the end of a life, whether or not somebody died in it."""

import re
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models import backup, effect, invoices, receipt
from models.database import reading
from tests.crash.lives import LIVES, SETTINGS
from tests.crash.mortal import Killer, Mortal
from workers.adapters.hosts import marker_copy
from workers.adapters.hosts.marker import Markers, copy_of
from workers.base import fault_points
from workers.cli import deletion_reports
from workers.commands import batch, dead_letters
from workers.timers import fire as timers

SITE = UUID(int=7)
"""The hour of the nightly backup follows from it, so it is the same in every life."""

OFTEN = {"command.answered", "effect.failed"}
"""Events that may be told once more: a producer that asks again, a try that was cut off."""


def one_life(name: str, folder: Path, url: str, database: dict[str, str], killer: Killer | None = None) -> Any:
    """Live it, or what is left of it, and look at the end."""
    world = Mortal(folder, url, **SETTINGS, **database)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch, "uuid7", lambda: SITE)
            fault_points.hooks[:] = [killer] if killer else []
            LIVES[name](world)
            fault_points.hooks.clear()
        return end_of(world)
    finally:
        fault_points.hooks.clear()
        world.close()


def end_of(world: Any) -> dict[str, Any]:
    site_id = world.show()["id"]
    return {
        "state": world.state(),
        **in_the_books(world, site_id),
        **in_the_world(world, site_id),
        "events": Counter(published(world)),
        "receipts": deletion_reports.verify(world.context)["receipts"],
        "left": left_over(world, site_id),
    }


def in_the_books(world: Mortal, site_id: str) -> dict[str, Any]:
    with reading(world.context.database) as tx:
        return {
            "invoices": [
                (row.number, row.status, row.reason, row.amount_cents) for row in invoices.invoices_of(tx, site_id)
            ],
            "effects": Counter((without_ids(row.id), row.status) for row in effect.of_site(tx, site_id)),
            "moves": Counter(
                (row.type, row.from_state, row.to_state, row.outcome) for row in receipt.history(tx, site_id)
            ),
            "backups": Counter(row.purpose for row in backup.backups_of(tx, site_id)),
        }


def in_the_world(world: Mortal, site_id: str) -> dict[str, Any]:
    mark = Markers(world.data_dir / "sites").find(site_id)
    copy = marker_copy.find(world.data_dir / "sites" / site_id)
    assert copy == (mark and copy_of(mark))
    return {
        "charges": Counter((line["amount_cents"], line["key"].replace(site_id, "")) for line in world.charges()),
        "mails": Counter(without_ids(mail["X-Tenure-Key"].replace(site_id, "")) for mail in world.mails()),
        "access": mark and (mark.online, mark.agents),
    }


def left_over(world: Mortal, site_id: str) -> dict[str, Any]:
    """Work that nobody will do, and things that nobody knows of."""
    with reading(world.context.database) as tx:
        known = {row.id for row in backup.backups_of(tx, site_id)}
    archives = {path.name.removesuffix(".tar.zst") for path in (world.data_dir / "backups").rglob("*.tar.zst")}
    hidden = (path.relative_to(world.data_dir) for path in world.data_dir.rglob(".*"))
    return {
        "work": (world.open_effects(), world.unsent(), timers.fire_due(world.context), world.left_in_queues()),
        "dead": [one["reason"] for one in dead_letters.listing(world.context)["dead"]],
        "unknown backups": sorted(archives ^ known),
        "hidden": sorted(without_ids(str(path)) for path in hidden if ".names" not in path.parts),
        "stores": [] if world.state() != "deleted" else deletion_reports.remains(world.context, site_id),
    }


def published(world: Mortal) -> list[str]:
    """What the stream has, each once: it may have one twice, and each try of a restore makes a backup of its own."""
    bodies = [body for body in world.events() if body["type"] not in OFTEN]
    backups = {body["data"]["id"].rpartition("_")[0] for body in bodies if body["type"] == "backup.verified"}
    return ["backup.verified" for _ in backups] + [
        kind for kind in {body["id"]: body["type"] for body in bodies}.values() if kind != "backup.verified"
    ]


def without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{16,}|site_[0-9a-f]+", "…", text)
