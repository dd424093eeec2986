"""A boot and a clock of the tests' own, run by the real Dramatiq under the real supervisor."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import dramatiq

from workers.base import logs, parent_death, settings
from workers.health import liveness
from workers.queue import broker, clients


def work(name, seconds):
    """Leave a trace of the beginning and of the end."""
    folder = Path(os.environ["TENURE_DATA_DIR"])
    (folder / f"{name}.{os.getpid()}.started").touch()
    time.sleep(seconds)
    (folder / f"{name}.done").touch()


def beat_on(client, role):
    while True:
        liveness.beat(client, role)
        time.sleep(1)


def boot():
    ours = settings.load()
    parent_death.arm()
    logs.configure(ours.log_format)
    ear = broker.make_broker(settings.redis_url(ours), threads=ours.worker_threads)
    ear.heartbeat_timeout = int(os.environ.get("CREW_HEARTBEAT_MS", ear.heartbeat_timeout))
    dramatiq.set_broker(ear)
    dramatiq.actor(work, actor_name="command", queue_name="lifecycle", broker=ear)
    dramatiq.actor(work, actor_name="back_up", queue_name="data", broker=ear)
    threading.Thread(target=beat_on, args=(ear.client, "worker"), daemon=True).start()


def clock():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    beat_on(clients.for_queues(settings.redis_url(settings.load())), "clock")


if __name__ == "__main__":
    clock()
