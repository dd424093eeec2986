"""The command line as its users meet it: exit codes, where words go, what is never printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from models import safety
from models.clock import machine_now
from models.database import writing
from tests.conftest import Nowhere
from workers.base import logs
from workers.cli.main import main

TENURE = str(Path(sys.executable).parent / "tenure")


def environ_of(world):
    return {
        "TENURE_DATA_DIR": str(world.data_dir),
        "TENURE_TEST_CLOCK": "1",
        "TENURE_REDIS_URL": world.context.settings.redis_url,
        "TENURE_DATABASE_URL": world.context.settings.database_url,
    }


@pytest.fixture
def tenure(world):
    """`tenure` in this process: `tenure(words)` returns click's result."""
    yield lambda *words: CliRunner().invoke(main, words, env=environ_of(world))
    logs.configure("json", Nowhere())


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("site", "list", "--state", "nope"), 2, "'nope' is not one of"),
        (("site", "list", "--state", "trial"), 0, ""),
        (("site", "list", "--after", "nope"), 2, "'nope' is no cursor"),
        (("site", "list", "--after", "acme.example.com"), 2, "is no cursor"),
        (("due", "--within", "7 days"), 2, "write it like 29d23h59m59s"),
        (("due", "--within", "7d"), 0, ""),
        (("clock", "advance", "tomorrow"), 2, "write it like 29d23h59m59s"),
        (("diagram", "--site", "nope.example.com"), 4, "there is no site"),
        (("diagram", "--site", "acme.example.com"), 0, ""),
        (("tail", "--site", "nope.example.com"), 4, "there is no site"),
        (("site", "show", "nope.example.com"), 4, "there is no site"),
    ],
)
def test_a_wrong_word_exits_2_and_a_site_that_is_not_there_4(world, tenure, words, code, says):
    world.start_trial()
    done = tenure(*words)
    assert (done.exit_code, says in done.stderr) == (code, True), done.stderr
    assert code == 0 or done.stdout == ""


def test_the_list_of_sites_says_on_stderr_when_there_is_more_and_only_then(world, tenure):
    for host in ("one.example.com", "two.example.com"):
        world.start_trial(host)
    whole = tenure("site", "list", "--limit", "2")
    assert (len(whole.stdout.splitlines()), whole.stderr) == (2, "")
    part = tenure("site", "list", "--limit", "1")
    assert len(part.stdout.splitlines()) == 1
    cursor = re.search(r"--after (\S+) shows the next", part.stderr)[1]
    rest = tenure("site", "list", "--limit", "1", "--after", cursor)
    assert rest.stdout.startswith("two.example.com")
    assert rest.stderr == ""


def test_safe_mode_stands_in_stats_in_due_and_in_an_advance(world, tenure):
    world.start_trial()
    for words in (("due",), ("clock", "advance", "1s")):
        assert "safe mode" not in tenure(*words).output
    assert "tenure_safe_mode 0" in tenure("stats", "--format", "prom").stdout
    with writing(world.context.database) as tx:
        safety.enter(tx, "the wall clock jumped by +1:00:00", machine_now())
    for words in (("due",), ("clock", "advance", "1s")):
        done = tenure(*words)
        assert "safe mode holds and no timer fires: the wall clock jumped" in done.stderr
        assert "tenure safe-mode leave" in done.stderr
    assert "safe mode        ON  the wall clock jumped by +1:00:00" in tenure("stats").stdout
    assert '"safe_mode": "the wall clock jumped' in tenure("stats", "--format", "json").stdout
    assert '"safe_mode": "the wall clock jumped' in tenure("due", "--json").stdout
    assert "tenure_safe_mode 1" in tenure("stats", "--format", "prom").stdout


def test_what_is_no_data_goes_to_stderr(tenure):
    done = tenure("deletion", "pause")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "deletions are paused by an operator" in done.stderr


def test_a_pipe_that_is_closed_ends_it_without_a_word(world):
    for number in range(3):
        world.start_trial(f"site-{number}.example.com")
    for words in (["site", "list"], ["site", "show", "site-0.example.com"], ["contract"]):
        first, second = os.pipe()
        os.close(first)
        done = subprocess.run(
            [TENURE, *words],
            stdout=second,
            stderr=subprocess.PIPE,
            env={**os.environ, **environ_of(world)},
            check=False,
        )
        os.close(second)
        assert done.stderr == b"", words


def test_no_text_for_people_shows_a_dict_or_none(world, tenure):
    world.start_trial()
    world.send("cancel")
    world.advance(days=14)
    world.start_trial("two.example.com")
    for words in (
        ("deletion", "receipt", "acme.example.com"),
        ("site", "show", "acme.example.com"),
        ("site", "show", "two.example.com"),
        ("site", "history", "acme.example.com"),
        ("site", "why", "acme.example.com"),
        ("deletion", "list"),
        ("deletion", "preview"),
        ("deletion", "verify"),
        ("dead", "list"),
        ("backup", "list", "two.example.com"),
        ("stats",),
        ("due",),
        ("doctor",),
    ):
        done = tenure(*words)
        assert not re.search(r"\bNone\b|\{'|\['", done.stdout), (words, done.stdout)
        assert done.stdout, words
