import sys
from functools import cached_property

import pytest

from tests.live_engine import Live
from tests.upgrade.left import Left
from workers.base.settings import load
from workers.context import Context


class OnePlace(Live):
    """It is looked at through a few connections, however often."""

    @cached_property
    def context(self):
        return Context(load(self.environ))


@pytest.fixture
def left(tmp_path, databases):
    """What version 0.1 left on this kind of database, as if it had just stopped."""
    kind = "sqlite" if databases.cluster is None else "postgresql"
    return Left(kind, tmp_path / "left", databases.empty()).has_just_stopped()


@pytest.fixture
def live(left):
    """Today's `tenure up` on it, not started yet."""
    engine = OnePlace(left.data_dir, python=sys.executable)
    engine.settings |= {f"TENURE_{name}": value for name, value in left.settings.items()}
    yield engine
    engine.clean_up()
