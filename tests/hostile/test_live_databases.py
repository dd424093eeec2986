"""A real `tenure up` with a database that never ends: nobody else waits, and no process is left behind."""

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.hostile import databases
from tests.live_engine import HOST, until

HEALTHY = "healthy.example.com"
CHILD = "customer_database_child"


def readers():
    """The processes of this machine that read customers' databases, and their parents."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_text().split("\0")
            if len(words) > 3 and CHILD in words[2]:
                found[int(process.name)] = int(words[3])
    return found


def of(live):
    return {pid: parent for pid, parent in readers().items() if parent in live.processes()}


def test_an_endless_view_stops_nobody_and_no_reader_outlives_its_worker(live):
    live.start()
    for host in (HOST, HEALTHY):
        live.start_trial(host)
    databases.endless_view(live.data_dir / "sites" / live.show()["id"])
    for _ in range(4):
        live.say("show")
    began = time.monotonic()
    live.json("send", "subscribe", HEALTHY, "agents=3", "payment_method=pm_visa", "--wait")
    assert time.monotonic() - began < 20  # most of it is the command line's start on a busy machine
    assert "agents is a view" in live.json("site", "show", HOST)["attention"]
    assert "sites' content" in live.run("doctor")
    before = of(live)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert live.json("send", "change_plan", HEALTHY, "agents=4", "--wait")["outcome"] == "applied"
    worker = next(iter(live.find("workers")))
    own = [pid for pid, parent in of(live).items() if parent == worker]
    os.kill(worker, signal.SIGKILL)
    until(lambda: not set(own) & set(readers()))
    assert live.stop() == 0
    assert of(live) == {}
