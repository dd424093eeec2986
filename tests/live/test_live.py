"""The real Procfile: real processes, the real command line, real signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from models.timestamps import unstamp
from tests.live_engine import HOST, until

EXAMPLES = Path(__file__).parent.parent / "examples"
NODE = shutil.which("node")


def lines_of(live, host=HOST):
    return [line for line in live.log() if line.get("site") == host]


def words_of(live, host=HOST):
    return [(line["msg"], line.get("effect") or line.get("command")) for line in lines_of(live, host)]


def test_a_life_from_sign_up_to_deletion_by_the_real_processes(live):
    live.start()
    said = live.json("send", "start_trial", HOST, "account=acme", "email=owner@acme.example", "--settle")
    assert (said["schema"], said["outcome"], said["to"]) == ("tenure/answer/1", "applied", "provisioning")
    site = live.json("site", "show", HOST)
    assert (site["state"], site["agents_allowed"], site["used_agents"]) == ("trial", 5, 1)
    assert (unstamp(site["trial_ends_at"]) - unstamp(site["ready_at"])).total_seconds() == 30 * 86_400
    folder = live.data_dir / "sites" / site["id"]
    assert (folder / "helpdesk.db").exists()

    live.run("clock", "advance", "29d23h59m59s")
    assert live.show()["state"] == "trial"
    live.run("clock", "advance", "1s")
    site = live.show()
    assert (site["state"], site["online"]) == ("expired", False)
    assert Path(site["export"]["url"].removeprefix("file://")).stat().st_size == site["export"]["bytes"]

    live.advance("13d23h59m59s")
    assert (live.show()["state"], folder.exists()) == ("expired", True)
    live.advance("1s")
    assert (live.show()["state"], folder.exists()) == ("deleted", False)
    assert live.json("send", "cancel", HOST, "--wait", expecting=3)["code"] == "site.deleted"

    told = words_of(live)
    for line in (("moved", "site.start_trial"), ("done", "provision"), ("moved", "site.expire"), ("done", "export"),
                 ("moved", "site.delete"), ("moved", "site.site_deleted"), ("done", "delete")):  # fmt: skip
        assert told.count(line) == 1, line
    assert live.run("doctor").count("FAIL") == 0
    assert live.stop() == 0
    assert live.processes() == {}


def test_everything_is_found_again_by_the_next_tenure_up(live):
    live.start()
    live.start_trial()
    live.advance("0s")
    before, bus = live.show(), json.loads((live.data_dir / "up.json").read_text())["redis_url"]
    with redis.Redis.from_url(bus) as client:
        events = client.xlen("tenure:events")
    assert live.stop(signal.SIGINT) == 0
    assert not (live.data_dir / "up.json").exists()

    live.start()
    assert live.show() == before
    with redis.Redis.from_url(json.loads((live.data_dir / "up.json").read_text())["redis_url"]) as client:
        assert client.xlen("tenure:events") == events


def test_a_database_that_lived_under_the_test_clock_refuses_to_start_without_it(live):
    live.start().stop()
    live.settings["TENURE_TEST_CLOCK"] = "0"

    done = subprocess.run(
        [live.tenure, "up"], env=live.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "test clock" in done.stderr


def test_commands_without_a_running_engine_say_how_to_get_one(live):
    assert "tenure up" in subprocess.run(
        [live.tenure, "send", "cancel", HOST], env=live.environ, capture_output=True, text=True, timeout=60, check=False
    ).stderr  # fmt: skip


def test_exit_codes_are_those_of_the_contract(live):
    live.start()
    live.start_trial()

    live.run("send", "pay", "unknown.example.com", "--wait", expecting=3)
    live.run("site", "show", "unknown.example.com", expecting=4)
    live.run("send", "subscribe", HOST, "agents", expecting=2)
    live.run("clock", "advance", "yesterday", expecting=2)
    os.kill(live.find("-m workers")[0], signal.SIGSTOP)
    for pid in live.find("-m workers"):
        os.kill(pid, signal.SIGSTOP)
    live.run("send", "cancel", HOST, "--wait", "--timeout", "0.5", expecting=5)


PRODUCERS = {
    "python": [sys.executable, str(EXAMPLES / "life.py")],
    "redis": [sys.executable, str(EXAMPLES / "with_redis.py")],
    "dramatiq": [sys.executable, str(EXAMPLES / "with_dramatiq.py")],
    **({"node": [NODE, str(EXAMPLES / "life.mjs")]} if NODE else {}),
}


@pytest.mark.parametrize("producer", sorted(PRODUCERS))
def test_a_producer_without_a_line_of_ours_drives_a_whole_life(live, producer):
    live.start()
    url = json.loads((live.data_dir / "up.json").read_text())["redis_url"]
    program = PRODUCERS[producer]

    def ask(kind, *fields):
        done = subprocess.run(
            [*program, url, HOST, kind, *fields], capture_output=True, text=True, timeout=60, check=True
        )
        return json.loads(done.stdout)

    assert ask("start_trial", "account=acme", "email=owner@acme.example")["outcome"] == "applied"
    live.advance("5d")
    assert ask("subscribe", "agents=7", "payment_method=pm_visa")["to"] == "trial_subscribed"
    live.advance("25d")
    assert live.show()["state"] == "active"
    assert ask("cancel")["to"] == "cancelled"
    live.advance("14d")
    assert live.show()["state"] == "deleted"
    assert ask("cancel")["code"] == "site.deleted"


def test_poison_on_the_queue_is_put_aside_and_the_queue_goes_on(live):
    live.start()
    with redis.Redis.from_url(json.loads((live.data_dir / "up.json").read_text())["redis_url"]) as client:
        for number, body in enumerate((b"not json", b"[]", b'{"args": 1}', b"\xff\xfe", b"null")):
            client.hset("dramatiq:lifecycle.msgs", f"poison{number}", body)
            client.rpush("dramatiq:lifecycle", f"poison{number}")

    assert live.start_trial()["outcome"] == "applied"
    assert sum(line.get("code") == "message.dead" for line in live.log()) == 5


def a_large_site(live, megabytes=300):
    """A site whose backup takes long enough to be killed in the middle of it."""
    folder = live.data_dir / "sites" / live.show()["id"] / "attachments"
    folder.mkdir(exist_ok=True)
    block = os.urandom(1 << 20)
    with (folder / "large.bin").open("wb") as file:
        for _ in range(megabytes):
            file.write(block)


def backup_is_being_written(live):
    folder = live.data_dir / "backups"
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 1 << 20]


def test_a_worker_killed_in_the_middle_of_a_backup_is_replaced_and_the_backup_is_done_once(live):
    live.start(LEASE_SECONDS="2")
    live.start_trial()
    a_large_site(live)
    live.say("back_up")
    until(lambda: backup_is_being_written(live))
    for pid in live.find("-m workers")[1:]:
        os.kill(pid, signal.SIGKILL)

    until(lambda: ("done", "back_up") in words_of(live), 60)
    live.advance("0s")
    assert words_of(live).count(("done", "back_up")) == 1
    assert live.show()["state"] == "trial"
    assert len(list((live.data_dir / "backups" / live.show()["id"]).iterdir())) in {1, 2}
    assert live.start_trial("two.example.com")["outcome"] == "applied"


def test_a_killed_master_leaves_no_orphan_and_is_restarted(live):
    live.start(LEASE_SECONDS="2")
    live.start_trial()
    workers = live.find("-m workers")
    master = next(pid for pid in workers if Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    os.kill(master, signal.SIGKILL)

    until(lambda: not set(workers) & set(live.find("-m workers")))
    assert live.send("subscribe", "agents=7", "payment_method=pm_visa")["outcome"] == "applied"
    assert live.stop() == 0
    assert live.processes() == {}


def test_a_killed_valkey_comes_back_at_the_same_address_with_every_command(live):
    live.start(LEASE_SECONDS="2")
    live.start_trial()
    url = json.loads((live.data_dir / "up.json").read_text())["redis_url"]
    for pid in live.find("-m workers"):
        os.kill(pid, signal.SIGSTOP)
    for number in range(20):
        live.say("update_contact", f"email=owner{number}@acme.example", key=f"change-{number}")
    with redis.Redis.from_url(url) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    for pid in live.find("-m workers"):
        os.kill(pid, signal.SIGCONT)

    until(lambda: [one["type"] for one in live.history()].count("site.update_contact") == 20, 60)
    assert json.loads((live.data_dir / "up.json").read_text())["redis_url"] == url
    live.advance("0s")
    assert live.show()["version"] == 22
    assert live.stop() == 0


def test_a_killed_clock_is_restarted_and_fires_what_became_due(live):
    live.start()
    live.start_trial()
    os.kill(live.find("-m schedules")[0], signal.SIGKILL)

    live.advance("30d")
    assert live.show()["state"] == "expired"
    assert any(line["msg"] == "restarted" and line["worker"] == "clock" for line in live.log())
