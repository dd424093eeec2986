"""Whatever is pushed into the queues: the worker lives on, memory stays flat, and good neighbours are answered."""

import json
import re
from pathlib import Path

import pytest

from tests.live_engine import HOST, until
from tests.runtime.mutations import QUEUES, Mutations
from workers.commands import dead_letters

CONTRACT = {
    *("envelope.malformed", "envelope.too_large", "command.unknown_type", "command.unexpected_field"),
    *("command.invalid_field", "command.id_conflict", "auth.bad_signature", "auth.key_unknown", "auth.stale"),
    *("authz.denied", "site.unknown", "site.deleted", "host.invalid", "host.taken", "state.illegal", "state.stale"),
    *("review.stale", "agents.trial_limit", "agents.below_used", "payment.declined", "payment.pending", "hold.active"),
    "restore.no_such_point",
}
FULL = 2_000
"""No more is pushed while so many wait: it is the worker that is tried here, not Redis's memory."""

BATCH = 250


def the_worker(live):
    """The process that does the work: not Dramatiq's master, which forked it, nor the launcher."""
    (pid,) = [pid for pid in live.find("-m workers") if parent_of(pid) in live.find("-m workers")]
    return pid


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


class Answers:
    """Reads the stream as another system does, from where it left off, and trims what it has read."""

    def __init__(self, client):
        self.client = client
        self.last = b"0"
        self.of_good = set()
        self.codes = set()

    def read(self):
        while entries := self.client.xrange("tenure:events", b"(" + self.last, count=1000):
            for self.last, fields in entries:
                self._take(json.loads(fields[b"event"]))
            self.client.xtrim("tenure:events", minid=self.last, approximate=False)

    def _take(self, event):
        if event["type"] != "command.answered":
            return
        said = event["data"]
        if said["outcome"] == "refused":
            self.codes.add(said["code"])
            assert said["message"]
        if said["command"]["source"] == "good" and said["outcome"] != "refused":
            self.of_good.add(said["command"]["id"])


def push_all(client, pushes):
    with client.pipeline(transaction=True) as pipeline:
        for one in pushes:
            if one.body is not None:
                pipeline.hset(f"dramatiq:{one.queue}.msgs", one.redis_id, one.body)
            if one.listed:
                pipeline.rpush(f"dramatiq:{one.queue}", one.redis_id)
        pipeline.execute()


def waiting(client):
    return sum(client.llen(f"dramatiq:{queue}") for queue in QUEUES)


def unsettled(client):
    acks = client.keys("dramatiq:__acks__.*")
    return waiting(client) + sum(client.scard(key) for key in acks)


class Flood:
    """Pushes messages while a real worker reads them, and remembers what must come of them."""

    def __init__(self, live, seed):
        self.client = live.context.redis
        self.mutations = Mutations(seed, HOST)
        self.answers = Answers(self.client)
        self.good, self.hidden = set(), 0

    def push(self, number):
        for _ in range(0, number, BATCH):
            pushes = [next(self.mutations) for _ in range(BATCH)]
            push_all(self.client, pushes)
            self.good |= {one.good for one in pushes if one.good}
            self.hidden += sum(not one.listed for one in pushes)
            until(lambda: waiting(self.client) < FULL, 60)
            self.answers.read()
        until(lambda: unsettled(self.client) == 0, 120)
        until(self._is_answered, 60)

    def _is_answered(self):
        self.answers.read()
        return self.answers.of_good >= self.good


def flood(live, numbers):
    """Push so many, and so many more …; the worker's memory after each, in KiB."""
    live.start(WORKER_PROCESSES="1", LOG_FORMAT="json", SITE_COMMANDS_PER_MINUTE="0")
    live.start_trial()
    worker, one = the_worker(live), Flood(live, seed=1)
    resident = []
    for number in numbers:
        one.push(number)
        resident.append(resident_kib(worker))
        assert the_worker(live) == worker
    check_the_rest(live, one)
    return resident


def check_the_rest(live, one):
    assert one.answers.codes <= CONTRACT
    assert len(one.answers.codes) >= 9, sorted(one.answers.codes)
    assert not [code for code in one.answers.codes if code.startswith("auth.")], "it leaves nothing"
    assert sum(one.client.hlen(f"dramatiq:{queue}.msgs") for queue in QUEUES) == one.hidden
    listed = dead_letters.listing(live.context)["dead"]
    assert {found["what"] for found in listed} == {"message"}
    assert max(len(found["body"]) for found in listed) <= dead_letters.LONGEST * 4
    alarms = [line for line in live.log() if line["msg"] in {"restarted", "alarm"}]
    assert [line for line in alarms if "runs as root" not in line.get("error", "")] == []


def end_of_life(live):
    """All queues still do their work: a backup, an export, the letters, and the deletion."""
    live.send("back_up")
    live.send("cancel")
    live.advance("15d")
    return live.show()["state"]


def test_four_thousand_mutated_messages_stop_no_worker_and_cost_no_neighbour(live):
    flood(live, [4_000])
    assert end_of_life(live) == "deleted"


@pytest.mark.long
def test_a_hundred_thousand_mutated_messages_leave_memory_flat(live):
    half, late = flood(live, [50_000, 50_000])
    assert late - half < 8 << 10, (half, late)
    assert (live.data_dir / "tenure.db").stat().st_size < 200 << 20
    assert end_of_life(live) == "deleted"
