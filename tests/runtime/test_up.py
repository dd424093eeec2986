import ast
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from workers.base import parent_death
from workers.queue import clients
from workers.supervisor import procfile

IGNORED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def started(up, name):
    """The ids of the processes that began a piece of work."""
    return [int(path.name.split(".")[-2]) for path in up.folder.glob(f"{name}.*.started")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_ready_drains_what_runs_and_leaves_nothing(up, tools, number):
    up.start(prelude=IGNORED).wait_until_ready()
    assert json.loads((up.folder / "up.json").read_text())["pid"] == up.process.pid
    up.send("backup", 1.5, queue="data", actor="back_up")
    tools.until(lambda: started(up, "backup"))
    up.signal(number)
    assert up.wait() == 0
    assert (up.folder / "backup.done").exists()
    assert len(started(up, "backup")) == 1
    assert not (up.folder / "up.json").exists()
    assert not tools.processes(up.folder)
    assert [len(up.log(word)) for word in ("ready", "drained", "restarted")] == [1, 1, 0]
    assert [one for one in up.log("alarm") if "as root" not in one["error"]] == []


def test_a_second_start_is_at_the_same_address_and_finds_what_was_there(up, tools):
    up.start().wait_until_ready()
    url = up.url()
    with clients.for_queues(url) as client:
        client.set("kept", "yes")
    up.signal(signal.SIGTERM)
    assert up.wait() == 0
    up.start().wait_until_ready()
    assert up.url() == url
    with clients.for_queues(url) as client:
        assert client.get("kept") == b"yes"


def test_a_second_ctrl_c_kills_at_once(up, tools):
    up.start().wait_until_ready()
    up.send("backup", 60, queue="data", actor="back_up")
    tools.until(lambda: started(up, "backup"))
    up.signal(signal.SIGINT)
    tools.until(lambda: up.log("paused"))
    up.signal(signal.SIGTERM)  # only impatient
    up.signal(signal.SIGINT)
    assert up.wait() == 1
    tools.until(lambda: not tools.processes(up.folder))
    assert not (up.folder / "backup.done").exists()
    assert not (up.folder / "up.json").exists()


def test_killing_it_leaves_no_orphan_and_the_next_start_works(up, tools):
    up.start().wait_until_ready()
    up.send("backup", 60, queue="data", actor="back_up")
    tools.until(lambda: started(up, "backup"))
    assert len(tools.processes(up.folder)) == 6
    up.signal(signal.SIGKILL)
    up.wait()
    tools.until(lambda: not tools.processes(up.folder))
    up.start().wait_until_ready()


@pytest.mark.parametrize(
    ("who", "environ"),
    [
        ("master", {"CREW_HEARTBEAT_MS": "4000"}),  # saves the suite some seconds
        ("worker", {}),  # with the defaults
        ("clock", {}),
        ("valkey-server", {}),
    ],
)
def test_what_is_killed_is_started_again_and_its_work_is_done(up, tools, who, environ):
    up.start(**environ).wait_until_ready()
    url = up.url()
    up.send("first", 1.0)
    worker = tools.until(lambda: started(up, "first"))[0]
    before = up.masters()
    victim = {"master": before[0], "worker": worker}.get(who) or up.find("-m crew" if who == "clock" else who)[0]
    os.kill(victim, signal.SIGKILL)
    tools.until(lambda: up.log("restarted"))
    assert up.log("restarted")[0]["worker"] == {"master": "worker", "valkey-server": "valkey"}.get(who, who)
    tools.until((up.folder / "first.done").exists, 25)
    up.send("second", 0)
    tools.until((up.folder / "second.done").exists)
    assert up.url() == url
    crew = up.find("crew:boot")
    assert len(crew) == 3
    assert {tools.parent_of(pid) for pid in crew if pid not in up.masters()} == set(up.masters())


def test_term_to_one_worker_drains_that_one_quietly_and_another_takes_its_place(up, tools):
    up.start().wait_until_ready()
    up.send("backup", 1.0, queue="data", actor="back_up")
    busy = tools.until(lambda: started(up, "backup"))[0]
    before = set(up.find("crew:boot"))
    os.kill(busy, signal.SIGTERM)
    tools.until(lambda: busy not in up.find("crew:boot"))
    assert (up.folder / "backup.done").exists()
    tools.until(lambda: len(up.find("crew:boot")) == len(before))
    assert before - set(up.find("crew:boot")) == {busy}
    up.send("after", 0)
    tools.until((up.folder / "after.done").exists)
    assert [len(up.log(word)) for word in ("restarted", "failed", "gave_up")] == [0, 0, 0]
    assert [one for one in up.log("alarm") if "as root" not in one["error"]] == []


def test_a_second_one_on_the_same_folder_is_refused_and_says_who_has_it(up, tools):
    up.start().wait_until_ready()
    first, url = up.process, up.url()
    up.start()
    second, up.process = up.process, first
    assert second.wait(10) == 1
    assert f"already runs on {up.folder}, as process {first.pid}" in up.err.read_text()
    assert up.url() == url
    assert first.poll() is None


def test_a_given_redis_is_used_and_none_is_started(up, tools, shared_redis):
    up.start(TENURE_REDIS_URL=shared_redis).wait_until_ready()
    assert up.url() == shared_redis
    assert not up.find("valkey-server")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("release: python -c 1/0", "the Procfile's release exited with 1; nothing else was started"),
        ("clock: python -c 1/0", "clock exited with 1, 4 times before all was ready"),
        ("clock: no-such-program", "there is no program 'no-such-program' on the PATH"),
        ("clock python", "Procfile line 1"),
    ],
)
def test_what_cannot_start_ends_with_a_reason(up, tools, text, says):
    up.start(text)
    assert up.wait() == 1
    assert says in up.err.read_text()
    assert not tools.processes(up.folder)
    assert not (up.folder / "up.json").exists()


def test_the_real_procfile_has_the_three_types():
    assert list(procfile.parse(procfile.locate().read_text())) == ["release", "worker", "clock"]


def test_a_procfile_reads_like_a_platforms():
    text = "# comment\n\nrelease: tenure migrate\nweb-1:  a 'b c'  \n"
    assert procfile.parse(text) == {"release": ["tenure", "migrate"], "web-1": ["a", "b c"]}
    with pytest.raises(procfile.ProcfileError, match="line 2"):
        procfile.parse("a: b\na: c")


def test_the_launcher_needs_nothing_but_the_standard_library():
    imports = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(Path(parent_death.__file__).read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert "ctypes" in imports
    assert set(imports) <= set(sys.stdlib_module_names)
