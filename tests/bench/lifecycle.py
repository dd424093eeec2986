"""The worker of production with one difference: it reads the queue of commands alone, so that no effect is run."""

import sys
from functools import partial

import dramatiq

from workers import __main__ as worker
from workers.boot import boot as boot_all


def boot() -> None:
    boot_all()
    vars(dramatiq)["Worker"] = partial(dramatiq.Worker, queues={"lifecycle"})


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "tests.bench.lifecycle:boot"]
    sys.exit(worker.main())
