"""While hosts are replaced one by one, a worker of version 0.1 works beside those of today on the migrated database."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest

from models import effect
from models.database import reading
from tests.live_engine import until
from tests.upgrade.left import unpack
from workers.cli import backup_reports, deletion_reports
from workers.queue.redis_keys import alive
from workers.safety import breaker


class OldWorker:
    """The worker of version 0.1, from its own packages, with its log."""

    def __init__(self, live, folder):
        self.packages = unpack("packages", folder / "packages")
        self.log = folder / "old.log"
        self.context = live.context
        found = {"TENURE_REDIS_URL": self.context.settings.redis_url, "PYTHONPATH": str(self.packages)}
        self.environ = {**live.environ, **found, "TENURE_WORKER_PROCESSES": "1", "TENURE_WORKER_THREADS": "4"}
        self.process = None

    def file_of(self, package):
        words = [sys.executable, "-c", f"import {package}; print({package}.__file__)"]
        return subprocess.run(
            words, env=self.environ, cwd=self.packages, capture_output=True, text=True, check=True
        ).stdout.strip()

    def start(self):
        before = self.beating()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers"],
                env=self.environ,
                cwd=self.packages,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: self.beating() - before or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.log.read_text()

    def beating(self):
        return set(self.context.redis.scan_iter(match=alive("worker", "*", "*")))

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@pytest.fixture
def old_worker(left, live, tmp_path):
    live.run("migrate")
    live.start(WORKER_PROCESSES="1", WORKER_THREADS="4")
    worker = OldWorker(live, tmp_path)
    yield worker
    worker.stop()


def test_a_worker_of_version_0_1_beside_one_of_today_does_nothing_twice(left, live, old_worker):
    assert old_worker.file_of("workers") == f"{old_worker.packages}/workers/__init__.py"
    old_worker.start()
    live.advance("0s")
    breaker.resume(live.context, deletion_reports.preview(live.context)["count"])
    both_have_worked(live, old_worker)
    live.advance("9h")
    every_effect_is_done_by_one(live)
    the_books_agree(live)


def both_have_worked(live, old_worker):
    """Whole lives begin until each of the two has decided commands and done effects."""
    wanted = {"moved", "done"}
    for number in range(40):
        host = f"beside-{number}.example.com"
        live.start_trial(host)
        live.send("subscribe", "agents=3", "payment_method=pm_visa", host=host)
        live.send("back_up", host=host)
        live.send("cancel", host=host)
        old, new = ({line["msg"] for line in lines} for lines in (old_worker.lines(), live.log()))
        if wanted <= old and wanted <= new:
            return
    raise AssertionError((old, new))


def every_effect_is_done_by_one(live):
    with reading(live.context.database) as tx:
        open_ones = [(row.id, row.status, row.error) for row in effect.unfinished(tx)]
        doubled = tx.exec_driver_sql("select id from backup group by id having count(*) > 1").all()
        rows = tx.exec_driver_sql("select id from backup").all()
    assert (open_ones, doubled) == ([], [])
    for row in rows:
        assert backup_reports.verify(live.context, row.id)["verified"]


def the_books_agree(live):
    lines = [json.loads(line) for line in (live.data_dir / "payments.jsonl").read_text().splitlines()]
    keys, invoices = ([line[name] for line in lines] for name in ("key", "invoice"))
    assert (len(set(keys)), len(set(invoices))) == (len(lines), len(lines))
    with reading(live.context.database) as tx:
        paid = {row.id: row.amount_cents for row in tx.exec_driver_sql("select * from invoice where status = 'paid'")}
    assert {line["invoice"]: line["amount_cents"] for line in lines} == paid
