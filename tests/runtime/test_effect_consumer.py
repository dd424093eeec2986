"""The queue of quick effects is read in groups, and a message is acknowledged when its effect is over."""

import dramatiq
import pytest
from sqlalchemy.exc import OperationalError

from workers.queue import batch_consumer

QUEUE = "effects"


class Crew:
    """Takes what it is given, and tells of it when the test says so."""

    size = 8

    def __init__(self):
        self.taken, self.over, self.wrong = [], [], {}

    def take(self, effect_ids, over):
        for one in effect_ids:
            if one in self.wrong:
                raise self.wrong[one]
        self.taken.append(effect_ids)
        self.over.append(over)


@pytest.fixture
def crew():
    return Crew()


@pytest.fixture
def consumer(broker, crew):
    """A consumer of a queue that has the effects a, b and a again."""

    @dramatiq.actor(actor_name=QUEUE, queue_name=QUEUE, broker=broker)
    def effect(effect_id: str):
        raise AssertionError(f"{effect_id}: no thread of Dramatiq's does it")

    broker.crew = crew
    broker.announce(QUEUE, ["a", "b", "a"])
    return broker.consume(QUEUE, 1, timeout=0)


def left(broker):
    """Messages that wait, and all that are stored."""
    return broker.client.llen(f"dramatiq:{QUEUE}"), broker.client.hlen(f"dramatiq:{QUEUE}.msgs")


def test_a_group_is_handed_over_at_once_and_acknowledged_as_it_ends(broker, crew, consumer):
    assert next(consumer) is None
    assert crew.taken == [["a", "b"]]
    assert left(broker) == (0, 3)

    crew.over[0]({"a": None})
    assert left(broker) == (0, 1)
    assert len(consumer.held) == 1
    crew.over[0]({"b": None})
    assert (left(broker), consumer.held) == ((0, 0), set())


def test_no_more_is_fetched_than_the_crew_wants_in_hand(broker, crew, consumer):
    crew.size = 2
    next(consumer)
    assert left(broker) == (1, 3)
    crew.over[0](dict.fromkeys(crew.taken[0][0]))
    crew.over[0](dict.fromkeys(crew.taken[0][1]))
    next(consumer)
    assert crew.taken == [["a", "b"], ["a"]]


def test_while_the_database_is_away_all_goes_back_into_the_queue(broker, crew, consumer, monkeypatch):
    pauses = []
    monkeypatch.setattr(batch_consumer.time, "sleep", pauses.append)
    crew.wrong = {"b": OperationalError("update", {}, Exception("the database is away"))}
    next(consumer)
    assert len(pauses) == 1
    assert (left(broker), consumer.held) == ((3, 3), set())

    crew.wrong = {}
    next(consumer)
    assert crew.taken == [["a", "b"]]


def test_one_that_can_not_be_claimed_is_tried_again_later_and_its_neighbours_are_done(broker, crew, consumer):
    crew.wrong = {"b": LookupError("its site is not there")}
    next(consumer)
    assert crew.taken == [["a"]]
    assert left(broker) == (0, 2)
    assert broker.client.hlen(f"dramatiq:{QUEUE}.DQ.msgs") == 1

    crew.over[0]({"a": None})
    assert left(broker) == (0, 0)


def test_one_whose_end_could_not_be_written_down_is_tried_again_later(broker, crew, consumer):
    next(consumer)
    crew.over[0]({"a": OperationalError("update", {}, Exception("the database is away")), "b": None})
    assert (left(broker), consumer.held) == ((0, 0), set())
    assert broker.client.hlen(f"dramatiq:{QUEUE}.DQ.msgs") == 2
