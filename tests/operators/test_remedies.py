"""Each thing that an operator is told of, with a remedy that is followed to the letter and mends it."""

import subprocess

import pytest

from models import clock
from models.database import writing
from tests.live_engine import until
from tests.operators.situations import DOCTOR, REDIS, with_a_valkey_of_its_own
from tests.runtime.judged import by_name
from workers import alive, doctor, sound_redis, valkey


@pytest.fixture
def server():
    """Starts a Valkey that a test may spoil: `server(folder)` returns its address."""
    started = []

    def start(folder):
        url, command = valkey.prepare(folder)
        started.append(subprocess.Popen(command, start_new_session=True))
        until(lambda: valkey.answers(url))
        return url

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def well(world):
    """A world in which nothing fails."""
    alive.beat(world.place.redis, "worker")
    with writing(world.place.database) as tx:
        clock.beat(tx, "clock")
    return world


def found(world, name):
    return by_name(doctor.examine(world.place))[name]


@pytest.mark.parametrize("situation", DOCTOR, ids=lambda one: f"{one.name}-{one.level}-{one.provoke.__name__}")
def test_what_the_doctor_finds_is_mended_by_its_remedy(well, situation):
    assert found(well, situation.name).well
    situation.provoke(well)
    told = found(well, situation.name)
    assert told.level == situation.level
    assert situation.remedy in told.remedy
    situation.follow(well, told.remedy)
    assert found(well, situation.name).well, found(well, situation.name)


@pytest.mark.parametrize("situation", REDIS, ids=lambda one: one.name)
def test_what_is_wrong_with_redis_is_mended_by_its_remedy(well, server, tmp_path, situation):
    url = server(tmp_path / "own")
    with_a_valkey_of_its_own(well, url)

    def look():
        return by_name(sound_redis.judge(sound_redis.ask(well.place.redis)))[situation.name]

    situation.provoke(well)
    told = look()
    assert (told.level, situation.remedy in told.remedy) == (situation.level, True)
    situation.follow(well, told.remedy)
    assert look().well
