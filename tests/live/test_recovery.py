"""How long work stands still, at default settings and with the real processes, when a part is lost."""

import os
import signal
import time

import pytest

from models import effect
from models.database import reading
from tests.live_engine import HOST, until
from workers.cli import sending
from workers.commands import handler


def effects_of(live, kind):
    with reading(live.context.database) as tx:
        return [row for row in effect.of_site(tx, live.show()["id"]) if row.kind == kind]


def stop_workers(live, number):
    for pid in live.find("-m workers"):
        os.kill(pid, number)


def running(live):
    """The claims that stand now, by effect."""
    with reading(live.context.database) as tx:
        return {row.id: row.fence for row in effect.unfinished(tx) if row.status == "running"}


def goes_on(live, held):
    """Seconds until each effect that was held is claimed again."""
    began, seconds = time.monotonic(), {}
    while len(seconds) < len(held):
        with reading(live.context.database) as tx:
            fences = {effect_id: effect.find(tx, effect_id).fence for effect_id in held}
        now = time.monotonic() - began
        seconds |= {one: now for one, fence in held.items() if fences[one] > fence and one not in seconds}
        assert now < 120, "it never went on"
        time.sleep(0.05)
    return list(seconds.values())


def kill_workers(live):
    """All that hold work at once; Dramatiq's master ends with them, and is started again."""
    for pid in live.find("-m workers")[1:]:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.long
def test_work_that_killed_workers_held_goes_on_within_30_seconds_in_99_of_100_cases(live):
    live.start()
    hosts = [f"site{number}.example.com" for number in range(4)]
    for host in hosts:
        site_id = live.start_trial(host)["site_id"]
        (live.data_dir / "sites" / site_id / "attachments" / "large.bin").write_bytes(os.urandom(1 << 20) * 300)
    seconds = []
    for _ in range(6):
        for host in hosts:
            live.say("back_up", host=host)
        until(lambda: len(running(live)) >= 2)
        kill_workers(live)
        seconds += goes_on(live, running(live))
        until(lambda: not running(live), 120)
    seconds.sort()
    assert len(seconds) >= 12
    assert seconds[int(len(seconds) * 0.99)] < 30, seconds


@pytest.mark.long
def test_effects_whose_wake_ups_an_emptied_redis_has_lost_are_done_within_60_seconds(live):
    live.start()
    live.start_trial()
    stop_workers(live, signal.SIGSTOP)
    body = sending.envelope("export", HOST, (), source="tests", key="export-1", extra={})
    context = live.context
    assert handler.take(context, (body,))["outcome"] == "applied"
    before = {fields[b"event"] for _, fields in context.redis.xrange("tenure:events")}
    context.redis.flushall()
    stop_workers(live, signal.SIGCONT)

    until(lambda: all(row.status == "done" for row in effects_of(live, "export")), 60)
    until(lambda: before <= {fields[b"event"] for _, fields in context.redis.xrange("tenure:events")})
    assert live.send("update_contact", "email=new@acme.example")["outcome"] == "applied"
