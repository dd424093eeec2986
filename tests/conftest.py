import os
import subprocess
import sys
import time
from itertools import count
from uuid import UUID

import pytest
import redis
from hypothesis import settings

from tests.cluster import Cluster, Databases
from tests.live_engine import Live
from tests.warm import collect_seldom, connect_warm
from tests.world import World
from workers import context
from workers.base import logs, masking
from workers.supervisor import embedded_valkey

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None)


BOTH = {"journeys", "crash", "hostile", "model", "upgrade"}
"""The folders whose tests run on both databases in every run."""

BOTH_FILES = {"test_dead", "test_status"}
"""Files of other folders that do."""


def pytest_addoption(parser):
    parser.addoption(
        "--database", choices=("sqlite", "postgresql", "both"), help="run all tests that have a database on this one"
    )


def pytest_generate_tests(metafunc):
    """Every test that has a database runs on SQLite; those of some folders, or those asked for, on PostgreSQL too."""
    if "databases" in metafunc.fixturenames:
        asked = metafunc.config.getoption("database")
        path = metafunc.definition.path
        folder, both = path.parent.name, {path.parent.name} & BOTH or {path.stem} & BOTH_FILES
        given = asked or ("postgresql" if folder == "postgres" else "both" if both else "sqlite")
        kinds = ["sqlite", "postgresql"] if given == "both" else [given]
        metafunc.parametrize("databases", kinds, indirect=True)


def pytest_configure(config):
    """The normal run tries the same examples each time; the long one searches for new ones."""
    settings.load_profile("searching" if config.option.markexpr == "long" else "steady")
    collect_seldom()


class Nowhere:
    """A log that nobody reads."""

    def write(self, _text):
        return None

    def flush(self):
        return None

    def isatty(self):
        return False


@pytest.fixture
def log_lines(tmp_path):
    """The file that takes the log for the length of a test."""
    path = tmp_path / "log"
    with path.open("w") as file:
        logs.configure("json", file)
        yield path
        logs.configure("json", Nowhere())


@pytest.fixture(scope="session", autouse=True)
def _a_clean_environment():
    """No setting of the developer's own shell reaches a test."""
    for name in [name for name in os.environ if name.startswith("TENURE_") or name in {"DATABASE_URL", "REDIS_URL"}]:
        del os.environ[name]
    logs.configure("json", Nowhere())
    context.connect = connect_warm


@pytest.fixture(scope="session")
def valkey_folder(tmp_path_factory):
    """Where that Valkey keeps its files."""
    return tmp_path_factory.mktemp("valkey")


@pytest.fixture(scope="session")
def valkey_url(valkey_folder):
    """One real Valkey for all tests that need none of their own."""
    folder = valkey_folder
    url, command = embedded_valkey.prepare(folder)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 10
    while not embedded_valkey.answers(url):
        assert time.monotonic() < deadline, "Valkey did not start"
        time.sleep(0.01)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def redis_url(valkey_url):
    """The same Valkey, empty."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    return valkey_url


@pytest.fixture(scope="session")
def the_cluster():
    """Nothing yet, then one PostgreSQL for all tests that want one: it is started by the first of them."""
    started = []
    yield lambda: started[0] if started else started.append(Cluster()) or started[0]
    for cluster in started:
        cluster.stop()


@pytest.fixture
def databases(request, the_cluster, monkeypatch):
    """Makes databases of one kind: `{}`, or their address as settings. They go with the test, and all connections."""
    made, engines = Databases(the_cluster() if request.param == "postgresql" else None), []
    monkeypatch.setattr(context, "connect", lambda url: engines.append(connect_warm(url)) or engines[-1])
    yield made
    for engine in engines:
        engine.dispose()
    made.drop()


@pytest.fixture
def world(tmp_path, redis_url, databases):
    """A fresh world under the test clock."""
    made = World(tmp_path / "data", redis_url, **databases())
    yield made
    made.close()


@pytest.fixture
def live(tmp_path, databases):
    """A real `tenure up` under the test clock, stopped by its id at the end."""
    engine = Live(tmp_path / "live", python=sys.executable)
    engine.settings |= {f"TENURE_{name}": value for name, value in databases().items()}
    yield engine
    engine.clean_up()


@pytest.fixture(autouse=True)
def _no_secret_is_remembered():
    """What one test's settings made secret is no secret in the next one."""
    known = list(masking._known)
    yield
    masking._known[:] = known


@pytest.fixture(autouse=True)
def _ids_in_order(monkeypatch):
    """Sites get the same ids in every run, and so the same hours of the night."""
    numbers = count(0x019C1234567870008000000000000001)
    monkeypatch.setattr("workers.commands.batch.uuid7", lambda: UUID(int=next(numbers)))
