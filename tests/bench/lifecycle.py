"""The worker of production with one difference: it reads the queue of commands alone, so that no effect is run."""

import sys

from workers import __main__ as worker

if __name__ == "__main__":
    everything = worker.arguments
    worker.arguments = lambda settings, boot: [*everything(settings, boot), "--queues", "lifecycle"]
    sys.argv = sys.argv[:1]
    sys.exit(worker.main())
