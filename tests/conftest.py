import os
import subprocess
import sys
import time
from itertools import count
from uuid import UUID

import pytest
import redis
from hypothesis import settings

from tests.live_engine import Live
from tests.world import World
from workers import logs, valkey

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None)


def pytest_configure(config):
    """The normal run tries the same examples each time; the long one searches for new ones."""
    settings.load_profile("searching" if config.option.markexpr == "long" else "steady")


class Nowhere:
    """A log that nobody reads."""

    def write(self, _text):
        return None

    def flush(self):
        return None

    def isatty(self):
        return False


@pytest.fixture(scope="session", autouse=True)
def _a_clean_environment():
    """No setting of the developer's own shell reaches a test."""
    for name in [name for name in os.environ if name.startswith("TENURE_") or name in {"DATABASE_URL", "REDIS_URL"}]:
        del os.environ[name]
    logs.configure("json", Nowhere())


@pytest.fixture(scope="session")
def valkey_folder(tmp_path_factory):
    """Where that Valkey keeps its files."""
    return tmp_path_factory.mktemp("valkey")


@pytest.fixture(scope="session")
def valkey_url(valkey_folder):
    """One real Valkey for all tests that need none of their own."""
    folder = valkey_folder
    url, command = valkey.prepare(folder)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 10
    while not valkey.answers(url):
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


@pytest.fixture
def world(tmp_path, redis_url):
    """A fresh world under the test clock."""
    made = World(tmp_path / "data", redis_url)
    yield made
    made.close()


@pytest.fixture
def live(tmp_path):
    """A real `tenure up` under the test clock, stopped by its id at the end."""
    engine = Live(tmp_path / "live", python=sys.executable)
    yield engine
    engine.clean_up()


@pytest.fixture(autouse=True)
def _ids_in_order(monkeypatch):
    """Sites get the same ids in every run, and so the same hours of the night."""
    numbers = count(0x019C1234567870008000000000000001)
    monkeypatch.setattr("workers.command.uuid7", lambda: UUID(int=next(numbers)))
