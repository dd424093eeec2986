import json

import pytest
from click.testing import CliRunner

from models import clock
from models.database import writing
from models.event import EVENTS
from tests.conftest import Nowhere
from tests.operators.situations import environ_of
from tests.quick import QuickWorld
from workers.base import logs
from workers.cli.main import main
from workers.health import liveness
from workers.queue import clients


def is_alive(world):
    """A worker and a clock that answer; they do so for seconds of machine time only."""
    with clients.for_checks(world.context.settings.redis_url) as client:
        liveness.beat(client, "worker")
    with writing(world.context.database) as tx:
        clock.beat(tx, "clock")


def publish(world):
    """What the relay does, which a light world does not have."""
    with writing(world.context.database) as tx:
        tx.execute(EVENTS.update().values(sent=True))


@pytest.fixture
def well(world):
    """A world in which nothing fails."""
    is_alive(world)
    return world


@pytest.fixture
def troubled(tmp_path, redis_url, databases):
    """A world whose outside fails when it is told to."""
    made = QuickWorld(tmp_path / "data", redis_url, **databases())
    is_alive(made)
    yield made
    made.close()


@pytest.fixture
def typed():
    """`typed(world, words)` types a command while a worker and a clock answer; the result is click's."""

    def type_it(world, *words):
        if not getattr(world, "is_silent", False):
            is_alive(world)
        if isinstance(world, QuickWorld):
            publish(world)
        return CliRunner().invoke(main, words, env=environ_of(world))

    yield type_it
    logs.configure("json", Nowhere())


@pytest.fixture
def asked(typed):
    """`asked(world, words)` is the document that a command prints with --json."""

    def ask(world, *words):
        done = typed(world, *words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return ask
