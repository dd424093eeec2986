"""How long work stands still, at default settings and with the real processes, when a part is lost."""

import os
import signal

import pytest

from models import effect
from models.database import reading
from tests.live_engine import HOST, until
from workers import command, send


def effects_of(live, kind):
    with reading(live.place.database) as tx:
        return [row for row in effect.of_site(tx, live.show()["id"]) if row.kind == kind]


def stop_workers(live, number):
    for pid in live.find("-m workers"):
        os.kill(pid, number)


@pytest.mark.long
def test_work_that_a_killed_worker_held_goes_on_within_30_seconds(live):
    live.start()
    live.start_trial()
    attachments = live.data_dir / "sites" / live.show()["id"] / "attachments"
    attachments.mkdir(exist_ok=True)
    (attachments / "large.bin").write_bytes(os.urandom(1 << 20) * 400)
    live.say("back_up")
    until(lambda: any(row.status == "running" for row in effects_of(live, "back_up")))
    for pid in live.find("-m workers")[1:]:
        os.kill(pid, signal.SIGKILL)

    until(lambda: any(row.fence == 2 for row in effects_of(live, "back_up")), 30)
    until(lambda: all(row.status == "done" for row in effects_of(live, "back_up")), 60)


@pytest.mark.long
def test_effects_whose_wake_ups_an_emptied_redis_has_lost_are_done_within_60_seconds(live):
    live.start()
    live.start_trial()
    stop_workers(live, signal.SIGSTOP)
    body = send.envelope("export", HOST, (), source="tests", key="export-1", extra={})
    place = live.place
    assert command.take(place, (body,))["outcome"] == "applied"
    before = {fields[b"event"] for _, fields in place.redis.xrange("tenure:events")}
    place.redis.flushall()
    stop_workers(live, signal.SIGCONT)

    until(lambda: all(row.status == "done" for row in effects_of(live, "export")), 60)
    until(lambda: before <= {fields[b"event"] for _, fields in place.redis.xrange("tenure:events")})
    assert live.send("update_contact", "email=new@acme.example")["outcome"] == "applied"
