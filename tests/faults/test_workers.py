"""Workers that are stopped for longer than their lease, or that live by another clock: done once, in the end."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from models import effect
from models.database import reading
from tests.live_engine import HOST, until
from workers.cli import backup_reports
from workers.health import liveness

HOSTS = [f"site{number}.example.com" for number in range(6)]


def effects_of(live, kind):
    with reading(live.context.database) as tx:
        return [row for row in effect.of_site(tx, live.show()["id"]) if row.kind == kind]


def a_large_site(live, megabytes=200):
    folder = live.data_dir / "sites" / live.show()["id"] / "attachments"
    block = os.urandom(1 << 20)
    with (folder / "large.bin").open("wb") as file:
        for _ in range(megabytes):
            file.write(block)


def writes_a_backup(live, pid):
    """Whether this process has a file of the backups open that has begun to grow."""
    folder = str(live.data_dir / "backups")
    links = [path for path in Path(f"/proc/{pid}/fd").iterdir() if os.path.lexists(path)]
    return any(str(path.readlink()).startswith(folder) and path.stat().st_size > 1 << 20 for path in links)


def the_one_at_work(live):
    def look():
        return [pid for pid in live.find("-m workers") if writes_a_backup(live, pid)]

    return until(look)[0]


def lines_of(live, word, kind):
    return [line for line in live.log() if (line["msg"], line.get("effect")) == (word, kind)]


def test_a_worker_stopped_for_longer_than_its_lease_is_overtaken_and_its_late_result_does_not_count(live):
    live.start(LEASE_SECONDS="1", WORKER_PROCESSES="2")
    live.start_trial()
    a_large_site(live)
    live.say("back_up")
    stopped = the_one_at_work(live)
    os.kill(stopped, signal.SIGSTOP)
    (row,) = effects_of(live, "back_up")
    until(lambda: effects_of(live, "back_up")[0].fence > row.fence)
    until(lambda: [line for line in lines_of(live, "failed", "back_up") if "in use" in line["error"] and line["next"]])
    os.kill(stopped, signal.SIGCONT)

    until(lambda: effects_of(live, "back_up")[0].status == "done", 60)
    until(lambda: len(lines_of(live, "rescued", "back_up")) == 2)
    offered, late = (line["error"] for line in lines_of(live, "rescued", "back_up"))
    assert offered == "its worker is gone; it is offered again"
    assert late == "another worker has taken it over"
    assert len(lines_of(live, "done", "back_up")) == 1
    (kept,) = backup_reports.listing(live.context, HOST)["backups"]
    assert backup_reports.verify(live.context, kept["id"])["verified"]


@pytest.fixture
def ahead(live, tmp_path):
    """Starts a worker on a host whose clock is 61 s ahead; it is ended with the test."""
    started = []

    def start():
        settings = {**live.environ, "TENURE_WORKER_PROCESSES": "1"}
        with (tmp_path / "ahead.log").open("wb") as log:
            words = [sys.executable, "-m", "tests.chaos.ahead"]
            started.append(subprocess.Popen(words, env=settings, stdout=log, stderr=log, start_new_session=True))
        return tmp_path / "ahead.log"

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def test_a_worker_61_s_ahead_takes_part_and_nothing_is_done_twice(live, ahead):
    live.start(TRIAL_DAYS="2")
    workers = liveness.count(live.context.redis, "worker")
    its_log = ahead()
    until(lambda: liveness.count(live.context.redis, "worker") > workers)
    for host in HOSTS:
        live.send("start_trial", "account=acme", f"email=owner@{host}", host=host)
        live.send("subscribe", "agents=3", "payment_method=pm_visa", host=host)
    numbers = count(1)
    until(
        lambda: (
            is_done_in(its_log)
            or live.send("update_contact", f"email=owner{next(numbers)}@{HOSTS[0]}", host=HOSTS[0]) is None
        )
    )
    live.advance("2d")

    assert [live.show(host)["state"] for host in HOSTS] == ["active"] * len(HOSTS)
    charges = [json.loads(line) for line in (live.data_dir / "payments.jsonl").read_text().splitlines()]
    assert sorted(Counter(charge["site"] for charge in charges).values()) == [1] * len(HOSTS)
    assert len(list((live.data_dir / "sites").glob("site_*"))) == len(HOSTS)
    done = Counter(line["effect_id"] for line in [*live.log(), *lines_in(its_log)] if line["msg"] == "done")
    assert set(done.values()) == {1}
    assert not [line for line in live.log() if line["msg"] == "alarm" and "as root" not in line["error"]]


def lines_in(log):
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def is_done_in(log):
    return any(line["msg"] == "done" for line in lines_in(log))
