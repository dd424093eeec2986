"""The publisher's thread: every ring is heard, no failure ends it, and what is left is published at the end."""

from threading import Event

from tests.live_engine import until
from workers.outbox.relay_thread import RelayThread
from workers.queue.broker import make_broker


class Held:
    """A publisher in its first round, which ends when `goes_on` is set."""

    def __init__(self):
        self.publisher, self.rounds, self.begun, self.goes_on = RelayThread(), [], Event(), Event()
        self.publisher.start(self.publish)
        self.publisher.notify()
        assert self.begun.wait(10)

    def publish(self):
        self.rounds.append(1)
        self.begun.set()
        self.goes_on.wait(10)


def test_a_ring_during_a_round_leads_to_another_round():
    held = Held()
    publisher, rounds = held.publisher, held.rounds
    publisher.notify()
    held.goes_on.set()
    until(lambda: len(rounds) == 2)
    publisher.end()
    assert len(rounds) == 3, "the last round is the end's"


def test_what_was_rung_during_the_last_round_is_published_before_the_end():
    held = Held()
    held.publisher.is_over = True
    held.publisher.notify()
    held.goes_on.set()
    held.publisher.thread.join(10)
    assert len(held.rounds) == 2


def test_a_failure_does_not_end_it(log_lines):
    publisher, rounds = RelayThread(), []

    def publish():
        rounds.append(1)
        raise KeyError(rounds[-1])

    publisher.start(publish)
    publisher.notify()
    until(lambda: "the sweep will do it" in log_lines.read_text())
    publisher.notify()
    until(lambda: len(rounds) == 2)
    publisher.end()
    assert not publisher.thread.is_alive()


def test_a_broker_that_closes_publishes_first(redis_url):
    publisher, seen = RelayThread(), []
    broker = make_broker(redis_url)
    publisher.start(lambda: seen.append(broker.client.ping()))
    broker.before_close = publisher.end
    broker.close()
    assert seen == [True]
