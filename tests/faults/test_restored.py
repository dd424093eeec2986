"""A database that is 24 hours old is put back under load: no charge is made twice, and no site is deleted early."""

import json
import shutil
import threading
from collections import Counter
from contextlib import closing
from datetime import timedelta

from pysqlite3 import dbapi2 as sqlite

from models.timestamps import unstamp
from tests.live_engine import until
from workers.cli import sending
from workers.cli.exit_codes import WaitOverError
from workers.queue.redis_keys import HIGH_WATER_MARK

PAYS, CHANGES, GONE, LEAVES, NEW = (f"{name}.example.com" for name in ("pays", "changes", "gone", "leaves", "new"))
PAUSE_SECONDS = 0.1
"""Between two commands; an advance comes to rest between them."""

ALARM = "stands in the card network's books already"


class Producer:
    """Another system: it sends each command until it is answered, and all of them again when it is asked to."""

    def __init__(self, live):
        self.live, self.bodies, self.answers = live, [], {}
        self.context = live.context
        self.is_over = threading.Event()

    def ask(self, kind, host, **data):
        key = f"{host}:{kind}:{len(self.bodies)}"
        body = {"specversion": "1.0", "source": "load", "id": key, "type": f"site.{kind}", "subject": host}
        self.bodies.append({**body, "data": data})
        return self.until_answered(self.bodies[-1])

    def until_answered(self, body):
        for _ in range(10):
            try:
                self.answers[body["id"]] = sending.ask(self.context, body, 10)
                return self.answers[body["id"]]
            except WaitOverError:
                continue
        raise AssertionError(body)

    def ask_all_again(self):
        return [self.until_answered(body) for body in self.bodies]

    def load(self):
        """Contacts change all the time, until it is over."""
        number = 0
        while not self.is_over.wait(PAUSE_SECONDS):
            number += 1
            self.until_answered(load_of(number))


def load_of(number):
    contact = {"email": f"owner{number}@{PAYS}"}
    body = {"specversion": "1.0", "source": "load", "id": f"load-{number}", "type": "site.update_contact"}
    return {**body, "subject": PAYS, "data": contact}


class UnderLoad:
    """While it is entered, commands come all the time."""

    def __init__(self, live):
        self.producer = Producer(live)
        self.thread = threading.Thread(target=self.producer.load)

    def __enter__(self):
        self.thread.start()
        return self.producer

    def __exit__(self, *_wrong):
        self.producer.is_over.set()
        self.thread.join()


def copy_of_the_database(live, to):
    with closing(sqlite.connect(live.data_dir / "tenure.db")) as source, closing(sqlite.connect(to)) as target:
        source.backup(target)


def witness_of(live):
    return live.context.redis.get(HIGH_WATER_MARK)


def put_back(live, copy):
    for name in ("tenure.db", "tenure.db-wal", "tenure.db-shm"):
        (live.data_dir / name).unlink(missing_ok=True)
    shutil.copy(copy, live.data_dir / "tenure.db")


def charges(live):
    return [json.loads(line) for line in (live.data_dir / "payments.jsonl").read_text().splitlines()]


def deletions_are_late_enough(live, host):
    moves = live.history(host)
    ended = next(move["at"] for move in moves if move["type"] == "site.cancel" and move["outcome"] == "applied")
    (deleted,) = [move["at"] for move in moves if move["to"] == "deleted" and move["from"] != "deleted"]
    return unstamp(deleted) - unstamp(ended) >= timedelta(days=14)


def the_day_before(live):
    """One site that will be charged within a day, one in mid-period, one that will be deleted, one that will leave."""
    live.start(TRIAL_DAYS="2", DELETIONS_SHARE="1")
    live.start_trial(GONE)
    live.send("cancel", host=GONE)
    live.advance("11d")
    live.start_trial(CHANGES)
    live.send("subscribe", "agents=3", "payment_method=pm_visa", host=CHANGES)
    live.advance("1d")
    for host in (PAYS, LEAVES):
        live.start_trial(host)
    live.send("subscribe", "agents=2", "payment_method=pm_visa", host=PAYS)
    live.advance("1d12h")


def test_a_database_of_yesterday_is_recognised_and_lived_again_without_a_second_charge(live, tmp_path):
    the_day_before(live)
    copy_of_the_database(live, tmp_path / "yesterday.db")
    witness = witness_of(live)
    with UnderLoad(live) as producer:
        live.advance("6h")
        assert producer.ask("change_plan", CHANGES, agents=5)["outcome"] == "applied"
        producer.ask("cancel", LEAVES)
        producer.ask("start_trial", NEW, account="new", email=f"owner@{NEW}")
        live.advance("18h")
    assert [live.show(host)["state"] for host in (PAYS, GONE, LEAVES)] == ["active", "deleted", "cancelled"]
    before = charges(live)
    assert len(before) == 3
    until(lambda: witness_of(live) != witness)
    assert live.stop() == 0
    put_back(live, tmp_path / "yesterday.db")

    live.start()
    with UnderLoad(live) as again:
        again.bodies = producer.bodies
        until(lambda: live.json("safe-mode")["on"])
        assert "older than it was" in live.json("safe-mode")["why"]
        answers = again.ask_all_again()
        live.advance("1d")
        assert [live.show(host)["state"] for host in (PAYS, GONE)] == ["trial_subscribed", "cancelled"]
        live.run("safe-mode", "leave")
        live.advance("2d")

    assert [answer["outcome"] for answer in answers] == ["applied"] * 3
    assert [live.show(host)["state"] for host in (PAYS, GONE, LEAVES)] == ["active", "deleted", "cancelled"]
    assert live.show(CHANGES)["agents_allowed"] == 5
    assert charges(live) == before
    assert max(Counter(charge["invoice"] for charge in charges(live)).values()) == 1
    assert all(invoice["status"] == "paid" for host in (PAYS, CHANGES) for invoice in live.show(host)["invoices"])
    assert sum(ALARM in str(line.get("error")) for line in live.log()) == 2
    live.advance("14d")
    assert all(deletions_are_late_enough(live, host) for host in (GONE, LEAVES))
    assert live.json("deletion", "verify")["left"] == {}
    assert live.json("dead", "list")["dead"] == []
