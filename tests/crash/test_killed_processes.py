"""The same life by the real processes of `tenure up`, which a real `kill -9` takes at a seeded dozen of points."""

import random
import sys
from pathlib import Path

import pytest
import redis

from tests.cluster import Databases
from tests.crash import lives
from tests.crash.driven import Driven, reached_by_driving
from tests.crash.ends import end_of, one_life
from tests.crash.killing import TOKENS, lay
from tests.crash.mortal import Killer
from tests.live_engine import Live

ROOT = Path(__file__).parents[2]


def pytest_generate_tests(metafunc):
    """One dozen takes two minutes, most of them spent waiting: the other database has its own when it is asked for."""
    asked = metafunc.config.getoption("database") or "sqlite"
    metafunc.parametrize("kind", ["sqlite", "postgresql"] if asked == "both" else [asked])


@pytest.fixture
def live(kind, tmp_path, the_cluster):
    """A `tenure up` whose worker and clock are those of `killing`."""
    databases = Databases(the_cluster() if kind == "postgresql" else None)
    engine = Live(tmp_path / "live", python=sys.executable)
    program = tmp_path / "tenure"
    program.write_text(f"#!{sys.executable}\nfrom tests.crash.killing import up\nup()\n")
    program.chmod(0o755)
    engine.tenure = str(program)
    engine.settings |= {f"TENURE_{name}": value for name, value in databases().items()}
    yield engine
    engine.clean_up()
    databases.drop()


@pytest.fixture
def tokens(live, tmp_path):
    """Where somebody dies."""
    folder = tmp_path / "tokens"
    folder.mkdir()
    live.settings |= {TOKENS: str(folder), "PYTHONPATH": str(ROOT)}
    return folder


def undisturbed_life(folder, url):
    with redis.Redis.from_url(url) as client:
        client.flushall()
    killer = Killer()
    return one_life("customer", folder, url, {}, killer), killer.seen


def test_a_dozen_kills_of_real_processes_change_nothing_in_the_end(live, kind, tokens, tmp_path, valkey_url):
    end, seen = undisturbed_life(tmp_path / "undisturbed", valkey_url)
    chance = random.Random(kind)
    for point in chance.sample(sorted(filter(reached_by_driving, seen)), 12):
        lay(tokens, point, chance.randint(1, min(seen[point], 4)))

    live.start(**{**lives.SETTINGS, "LEASE_SECONDS": "2"})
    world = Driven(live)
    lives.customer(world)
    found = end_of(world)
    world.close()

    assert [path.name for path in tokens.iterdir()] == [], "somebody should have died here"
    for what, was in end.items():
        assert found[what] == was, what
