"""Nothing leaks, nothing outside is touched and nothing hangs, however fast a customer changes the own site."""

import pytest

from tests.hostile.actor import ACTS
from tests.hostile.adapters import KINDS
from tests.hostile.race import STYLES, can_mount, playground, race
from tests.hostile.writer import CAN_EXCHANGE

pytestmark = pytest.mark.skipif(not CAN_EXCHANGE, reason="two names change places in one step on Linux only")


def all_runs(kind, runs, seed):
    with playground() as folder:
        *_, found = race(kind, runs, seed, folder)
    assert found.faults == []
    assert found.outcomes.total() == runs
    for act in ACTS:
        assert found.outcomes[f"{act} done"] > 0, found.outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_a_customer_who_writes_all_the_time_gets_nothing_and_breaks_nothing(kind):
    """Each way to write against two acts, and each act against several ways."""
    all_runs(kind, 2 * (len(STYLES) + can_mount()), "short")


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", ["one", "two"])
def test_a_customer_gets_nothing_in_300_runs_either(kind, seed):
    all_runs(kind, 300, seed)
