"""Each thing that an operator is told of, with a remedy that is followed to the letter and mends it."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from engine.alarms import ALARMS
from engine.faults import CODES
from models import clock
from models.database import writing
from tests.live_engine import until
from tests.operators.fails import FAILS_ELSEWHERE
from tests.operators.faults import ELSEWHERE, SITE_FAULTS
from tests.operators.situations import DOCTOR, REDIS, with_a_valkey_of_its_own
from tests.quick import QuickWorld
from tests.runtime.judged import by_name
from workers.base.errors import Permanent
from workers.health import doctor, liveness, redis_checks
from workers.storage import sqlite_file
from workers.supervisor import embedded_valkey

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server():
    """Starts a Valkey that a test may spoil: `server(folder)` returns its address."""
    started = []

    def start(folder):
        url, command = embedded_valkey.prepare(folder)
        started.append(subprocess.Popen(command, start_new_session=True))
        until(lambda: embedded_valkey.answers(url))
        return url

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def well(world):
    """A world in which nothing fails."""
    liveness.beat(world.context.redis, "worker")
    with writing(world.context.database) as tx:
        clock.beat(tx, "clock")
    return world


def found(world, name):
    return by_name(doctor.examine(world.context))[name]


@pytest.mark.parametrize("situation", DOCTOR, ids=lambda one: f"{one.name}-{one.level}-{one.provoke.__name__}")
def test_what_the_doctor_finds_is_mended_by_its_remedy(well, situation):
    assert found(well, situation.name).well
    situation.provoke(well)
    told = found(well, situation.name)
    assert told.level == situation.level
    assert situation.remedy in told.remedy
    situation.follow(well, told.remedy)
    assert found(well, situation.name).well, found(well, situation.name)


@pytest.mark.parametrize("situation", REDIS, ids=lambda one: one.name)
def test_what_is_wrong_with_redis_is_mended_by_its_remedy(well, server, tmp_path, situation):
    url = server(tmp_path / "own")
    with_a_valkey_of_its_own(well, url)

    def look():
        return by_name(redis_checks.judge(redis_checks.ask(well.context.redis)))[situation.name]

    situation.provoke(well)
    told = look()
    assert (told.level, situation.remedy in told.remedy) == (situation.level, True)
    situation.follow(well, told.remedy)
    assert look().well


@pytest.fixture
def troubled(tmp_path, redis_url, databases):
    """A world whose outside fails when it is told to."""
    made = QuickWorld(tmp_path / "data", redis_url, **databases())
    yield made
    made.close()


@pytest.mark.parametrize("situation", SITE_FAULTS, ids=lambda one: f"{one.name}-{one.provoke.__name__}")
def test_a_fault_of_a_site_is_mended_by_its_remedy(troubled, situation):
    situation.provoke(troubled)
    (fault,) = troubled.show()["faults"]
    assert (fault["code"], situation.remedy in fault["do"]) == (situation.name, True)
    assert fault["do"] in troubled.show()["attention"]
    situation.follow(troubled, fault["do"])
    assert (troubled.show()["faults"], troubled.show()["attention"]) == ([], None)


def test_a_restore_that_gave_up_is_asked_for_anew_as_its_remedy_says(world, monkeypatch):
    world.start_active()
    world.send("back_up")
    backup = world.events("backup.verified")[-1]["data"]["id"]
    with monkeypatch.context() as patch:
        patch.setattr(world.context.vault, "extract", gone)
        world.send("restore", **{"from": backup})
    (fault,) = world.show()["faults"]
    assert fault["do"].startswith("ask for it anew with site.restore")
    world.send("restore", **{"from": backup})
    assert (world.show()["faults"], world.show()["attention"]) == ([], None)


def gone(*_asked, **_named):
    raise Permanent("the archive is not there")


def codes_in_the_sources():
    """Every word that looks like a code of a fault in the modules that make them."""
    found = set(ALARMS) | set(CODES) | {f"database.{code}" for code, _, _ in sqlite_file.FAULTS.values()}
    for path in ROOT.glob("workers/**/*.py"):
        found |= set(re.findall(r'"((?:database|host|backup|work)\.[a-z_]+)"', path.read_text()))
    return found - NO_FAULTS


NO_FAULTS = {
    *("backup.verified", "backup.saved", "backup.read_back", "backup.pruning", "backup.pruned"),  # events, crash points
    *("host.invalid", "host.taken", "work.pending", "database.away"),  # refusals, and a word of the log
    "backup.backup_group",  # a verb of the command line
}


def test_every_alarm_and_every_fault_is_provoked_and_mended_by_a_test():
    here = {one.name for one in SITE_FAULTS}
    assert codes_in_the_sources() - here == set(ELSEWHERE)


def fails_in_the_sources():
    """The name of every check that can fail or refuse the start, where it stands as a word."""
    found = set()
    for path in ROOT.glob("workers/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in {"failure", "refusal"}:
                continue
            if isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


def test_every_check_that_can_fail_is_provoked_and_mended_by_a_test():
    here = {one.name for one in (*DOCTOR, *REDIS)}
    assert fails_in_the_sources() - here == set(FAILS_ELSEWHERE)


@pytest.mark.parametrize("where", sorted({*ELSEWHERE.values(), *FAILS_ELSEWHERE.values()}))
def test_the_test_that_is_named_elsewhere_exists(where):
    path, name = where
    tree = ast.parse((ROOT / "tests" / path).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not name or name in names
