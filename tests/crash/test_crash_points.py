"""A process dies at every point of a life, is started again on the same folder, and the life ends as if it had not."""

import os
import random
import re
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis

from models import effect, event, money, receipt
from models.clock import machine_now, move
from models.database import reading, writing
from tests.world import World
from workers import command, crash, deletion
from workers import timer as timers

BEGIN = datetime(2040, 1, 1, tzinfo=UTC)
KILLED = 137
SETTINGS = {"LEASE_SECONDS": "0.05", "TRIAL_DAYS": "3"}
SITE = UUID(int=7)
"""The hour of the nightly backup follows from it, so it is the same in every life."""

STEPS: tuple[tuple[float, str, dict[str, Any]], ...] = (
    (0, "start_trial", {"account": "acme", "email": "owner@acme.example"}),
    (1, "subscribe", {"agents": 7, "payment_method": "pm_visa"}),
    (4, "change_plan", {"agents": 9}),
    (4.5, "back_up", {}),
    (5, "cancel", {}),
    (6, "export", {}),
)
END = 21


@dataclass
class Killer:
    """Dies at the n-th time that a point is reached, and counts them all until then."""

    point: str | None = None
    occurrence: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def __call__(self, point: str) -> None:
        self.seen[point] += 1
        if point == self.point and self.seen[point] == self.occurrence:
            os._exit(KILLED)


def live(world: World) -> None:
    """A whole life; begun again after a death, its producer asks again with the same ids."""
    go_to(world, 0)
    for day, kind, data in STEPS:
        go_to(world, day)
        said = world.send(kind, key=f"{kind}-1", **data)
        if kind == "subscribe" and not said["duplicate"]:
            world.place.redis.delete("tenure:events")
            world.sweep()
    go_to(world, END)
    while world.open_effects() or world.unsent():
        recover(world)


def go_to(world: World, day: float) -> None:
    moment = BEGIN.timestamp() + day * 86_400
    if world.now < BEGIN:
        with writing(world.place.database) as tx:
            move(tx, BEGIN)
    recover(world)
    world.advance(seconds=moment - world.now.timestamp())


def recover(world: World) -> None:
    """What a restart and the sweeps do in half a minute, at once: leases end, retries come, all is offered again."""
    unfinished = effect.EFFECTS.update().where(effect.EFFECTS.c.status.in_(effect.UNFINISHED))
    long_ago = machine_now() - timedelta(minutes=1)
    with writing(world.place.database) as tx:
        tx.execute(unfinished.values(announced_at=long_ago))
        tx.execute(unfinished.where(effect.EFFECTS.c.leased_until.is_not(None)).values(leased_until=long_ago))
    world.place.redis.delete("tenure:publisher")
    world.retry_now()
    world.fire()


def end_of(world: World) -> dict[str, Any]:
    """All that must be the same whether or not somebody died, without what is random."""
    site_id = world.show()["id"]
    with reading(world.place.database) as tx:
        invoices = [(row.number, row.status, row.reason, row.amount_cents) for row in money.invoices_of(tx, site_id)]
        effects = Counter((without_ids(row.id), row.status) for row in effect.of_site(tx, site_id))
        events = tx.execute(event.EVENTS.select().where(event.EVENTS.c.type != "command.answered")).all()
        kinds = Counter(row.type for row in events if row.type != "effect.failed")
        moves = [(row.type, row.from_state, row.to_state, row.outcome) for row in receipt.history(tx, site_id)]
    return {
        "state": world.state(),
        "charges": Counter((line["amount_cents"], line["key"].replace(site_id, "")) for line in world.charges()),
        "mails": Counter(without_ids(mail["X-Tenure-Key"].replace(site_id, "")) for mail in world.mails()),
        "invoices": invoices,
        "effects": effects,
        "events": kinds,
        "published": Counter(kinds) == Counter(published(world)),
        "moves": Counter(moves),
        "left": deletion.remains(world.place, site_id),
        "deletions": deletion.verify(world.place)["receipts"],
        "open": (world.open_effects(), world.unsent(), timers.fire_due(world.place)),
    }


def published(world: World) -> Counter[str]:
    """What the stream has, each id once: it may have some twice."""
    kinds = {body["id"]: body["type"] for body in world.events()}
    return Counter(kind for kind in kinds.values() if kind not in {"command.answered", "effect.failed"})


def without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{16,}|site_[0-9a-f]+", "…", text)


def one_life(folder: Path, url: str, database: dict[str, str], killer: Killer | None = None) -> dict[str, Any]:
    world = World(folder, url, **SETTINGS, **database)
    crash.hooks[:] = [killer] if killer else []
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(command, "uuid7", lambda: SITE)
            live(world)
        crash.hooks.clear()
        return end_of(world)
    finally:
        crash.hooks.clear()
        world.close()


def dies_at(folder: Path, url: str, database: dict[str, str], point: str, occurrence: int) -> bool:
    """Live in a forked process that is gone at the point, whatever it was doing."""
    child = os.fork()
    if child == 0:
        try:
            one_life(folder, url, database, Killer(point, occurrence))
        except BaseException:  # noqa: BLE001 - it is a process of its own
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, valkey_url):
    """The end of a life in which nobody died, and how often it reached each point."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    killer = Killer()
    return one_life(tmp_path_factory.mktemp("undisturbed"), valkey_url, {}, killer), killer.seen


def test_an_undisturbed_life_reaches_every_point(undisturbed):
    end, seen = undisturbed

    assert end["state"] == "deleted"
    assert set(seen) <= set(crash.POINTS)
    assert set(crash.POINTS) - set(seen) <= {"effect.putting_off", "sweep.marked"}


def lives_on(point, occurrence, undisturbed, folder, url, database):
    end, _ = undisturbed
    assert dies_at(folder, url, database, point, occurrence)
    found = one_life(folder, url, database)
    for name, was in end.items():
        assert found[name] == was, name


ON_THE_WAY = [point for point in crash.POINTS if point not in {"effect.putting_off", "sweep.marked"}]
"""Points that a life passes in which nothing fails; the two others are passed by a second life, after a death."""

OFTEN = ("command.committed", "effect.claimed", "effect.acted", "effect.settling", "effect.settled", "timer.committed")
"""Points at which the first time matters as well."""


@pytest.mark.parametrize("point", ON_THE_WAY)
def test_a_death_at_a_point_changes_nothing_in_the_end(point, undisturbed, tmp_path, redis_url, databases):
    lives_on(point, (undisturbed[1][point] + 1) // 2, undisturbed, tmp_path / "data", redis_url, databases())


@pytest.mark.parametrize("point", OFTEN)
def test_a_death_at_the_first_of_many_changes_nothing_in_the_end(point, undisturbed, tmp_path, redis_url, databases):
    lives_on(point, 1, undisturbed, tmp_path / "data", redis_url, databases())


@pytest.mark.long
def test_a_death_at_any_time_a_point_is_reached_changes_nothing_in_the_end(undisturbed, tmp_path, redis_url, databases):
    pairs = sorted((point, time) for point in ON_THE_WAY for time in range(1, undisturbed[1][point] + 1))
    for number, (point, occurrence) in enumerate(random.Random(5).sample(pairs, 100)):
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        lives_on(point, occurrence, undisturbed, tmp_path / str(number), redis_url, databases())
