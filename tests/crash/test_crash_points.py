"""A process dies at every point of a life, is started again on the same folder, and the life ends as if it had not."""

import os
import random
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import pytest
import redis

from tests.cluster import Databases
from tests.crash.ends import one_life
from tests.crash.lives import LIVES
from tests.crash.mortal import Killer, dies
from tests.live_engine import until
from workers.base import fault_points
from workers.effects.registry import EFFECTS
from workers.supervisor import embedded_valkey

MEMORY = Path("/dev/shm")
"""A death is no power cut: what was written stays, so the disk need not be waited for."""

POINTS = fault_points.points(EFFECTS)

ONCE_IS_CHANCE = {"lease.extending", "lease.extended"}
"""Reached as often as an act takes long: certainly once, and only in the life with a slow act."""


@pytest.fixture(scope="module")
def disk():
    """A folder for all lives, in memory where there is such a place."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(disk):
    """A Valkey of these tests' own."""
    url, command = embedded_valkey.prepare(disk / "valkey")
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
    until(lambda: embedded_valkey.answers(url))
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def undisturbed(disk, server):
    """For each life its end when nobody dies, and how often it reaches each point."""
    return {name: undisturbed_life(name, disk / f"undisturbed {name}", server) for name in LIVES}


def undisturbed_life(name, folder, url):
    killer = Killer()
    return one_life(name, emptied(folder, url), url, {}, killer), killer.seen


def emptied(folder, url):
    shutil.rmtree(folder, ignore_errors=True)
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return folder


def test_there_are_more_than_150_points_and_the_lives_pass_every_one_and_no_other(undisturbed):
    seen = {point for _, seen in undisturbed.values() for point in seen}

    assert len(set(POINTS)) == len(POINTS) > 150
    assert seen == set(POINTS)


def pytest_generate_tests(metafunc):
    """Every point on SQLite, a seeded third of them on PostgreSQL too; `--database` chooses all on one."""
    asked = metafunc.config.getoption("database") or "some"
    third = sorted(random.Random(5).sample(POINTS, len(POINTS) // 3), key=POINTS.index)
    some = {"sqlite": POINTS, "postgresql": third}
    given = some if asked == "some" else dict.fromkeys(("sqlite", "postgresql"), POINTS)
    kinds = [kind for kind in given if asked in {kind, "both", "some"}]
    if "point" in metafunc.fixturenames:
        metafunc.parametrize(("kind", "point"), [(kind, point) for kind in kinds for point in given[kind]])
    elif "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", kinds)


@pytest.fixture
def database(kind, the_cluster):
    """Makes databases of one kind: `{}`, or their address as settings."""
    made = Databases(the_cluster() if kind == "postgresql" else None)
    yield made
    made.drop()


def lives_on(name, deaths, end, folder, url, database):
    """Die at each of the points in turn, each time in what is left of the life; the end is as if nobody had."""
    settings = database()
    died = [dies(partial(one_life, name, folder, url, settings), Killer(*death)) for death in deaths]
    found = one_life(name, folder, url, settings)
    for what, was in end.items():
        assert found[what] == was, (what, deaths)
    return died


def test_a_death_at_a_point_changes_nothing_in_the_end(point, undisturbed, disk, server, database):
    """In the shortest life that has the point, at the middle one of its times."""
    name, (end, seen) = next((name, told) for name, told in undisturbed.items() if times(name, told[1], point))
    certain = times(name, seen, point)
    middle = certain[(len(certain) - 1) // 2]

    assert lives_on(name, [(point, middle)], end, emptied(disk / "life", server), server, database) == [True]


@pytest.mark.long
def test_two_deaths_anywhere_in_a_life_change_nothing_in_the_end(undisturbed, disk, server, database):
    """A hundred seeded pairs; the second death comes soon after the restart, if there is still such a moment."""
    chance = random.Random(5)
    certain = {
        name: {point: at for point in seen if (at := times(name, seen, point))}
        for name, (_, seen) in undisturbed.items()
    }
    moments = [(name, point, at) for name, points in certain.items() for point in points for at in points[point]]
    second = 0
    for name, point, at in chance.sample(sorted(moments), 100):
        end, _ = undisturbed[name]
        again = chance.choice(sorted(certain[name]))
        deaths = [(point, at), (again, chance.choice(certain[name][again][:3]))]
        died = lives_on(name, deaths, end, emptied(disk / "life", server), server, database)
        assert died[0], deaths
        second += died[1]
    assert second > 50


def times(name, seen, point):
    """The times that a life certainly passes a point."""
    often = int(name == "unlucky") if point in ONCE_IS_CHANCE else seen[point]
    return range(1, often + 1)
