"""Dramatiq as it comes, with an actor that does nothing: what the queue alone costs."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS_URL"]))


@dramatiq.actor(queue_name="noop")
def noop(_envelope):
    return None
