"""What is decided is on the disk before it is said; what may be done twice need not be."""

import pytest
from sqlalchemy import text

from models.clock import beat
from models.database import writing, writing_lightly
from workers.outbox import relay

SURE = {"sqlite": ("PRAGMA synchronous", 2, 1), "postgresql": ("SHOW synchronous_commit", "on", "off")}


@pytest.fixture
def one_connection(world):
    """All transactions of the test take the same connection from the pool, one after the other."""
    world.context.database.dispose()
    return world


def how_sure(world, open_transaction):
    """How sure a commit is, and that it wrote something."""
    ask, sure, light = SURE[world.context.database.dialect.name]
    with open_transaction(world.context.database) as tx:
        beat(tx, "tests")
        return {sure: "sure", light: "light"}[tx.execute(text(ask)).scalar_one()]


def test_a_light_transaction_leaves_the_next_one_on_its_connection_as_sure_as_ever(one_connection):
    transactions = [writing, writing_lightly, writing, writing_lightly, writing_lightly, writing]
    found = [how_sure(one_connection, one) for one in transactions]
    assert found == ["sure", "light", "sure", "light", "light", "sure"]
    assert one_connection.context.database.pool.checkedin() == 1


def test_the_mark_of_what_was_published_is_light(world, monkeypatch):
    opened = []

    def watched(engine):
        opened.append(engine)
        return writing_lightly(engine)

    monkeypatch.setattr(relay, "writing_lightly", watched)
    world.start_trial()
    assert (world.unsent(), opened != []) == (0, True)
