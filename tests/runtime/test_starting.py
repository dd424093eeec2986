"""Starting the command line: what a verb does not need is not loaded."""

import os
import resource
import subprocess
import sys

import pytest

from workers.cli.main import VERBS

HEAVY = ("sqlmodel", "sqlalchemy", "dramatiq", "redis", "structlog", "transitions", "pydantic", "engine")
RUN = "import sys; from workers.cli.main import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
TELL = "print('loaded', *[name for name in {names!r} if name in sys.modules], file=sys.stderr)"
KINDS = """
import os, sys
import dramatiq, redis, sqlmodel, structlog
from importlib import import_module
for module in {modules!r}:
    child = os.fork()
    if not child:
        import_module("workers.cli." + module)
        kinds = sys.modules.get("workers.base.effect_kinds")
        os._exit(kinds is not None and not kinds.KINDS)
    if os.waitpid(child, 0)[1]:
        print(module)
"""


def loaded(words, names=HEAVY, environ=None):
    code = RUN.format(words=words) + TELL.format(names=names)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **(environ or {})}
    )
    return set(done.stderr.splitlines()[-1].split()[1:]), done.stdout


@pytest.mark.parametrize(("word", "says"), [("--help", "Commands:"), ("-h", "Commands:"), ("--version", "0.")])
def test_help_and_version_load_neither_the_law_nor_the_memory_nor_the_queue(word, says):
    found, output = loaded([word])
    assert (found, says in output) == (set(), True)


@pytest.mark.parametrize("words", [["due"], ["site", "list"], ["site", "history", "acme.example.com"]], ids=" ".join)
def test_a_look_into_the_database_loads_no_client_of_redis_and_no_dramatiq(world, words):
    world.start_trial()
    environ = {
        "TENURE_DATA_DIR": str(world.data_dir),
        "TENURE_TEST_CLOCK": "1",
        "TENURE_REDIS_URL": world.context.settings.redis_url,
        "TENURE_DATABASE_URL": world.context.settings.database_url,
    }
    found, output = loaded(words, ("dramatiq", "redis", "sqlmodel"), environ)
    assert (found, "acme.example.com" in output or "start_trial" in output) == ({"sqlmodel"}, True)


def test_the_sentences_in_the_list_of_verbs_are_those_of_the_verbs_themselves():
    code = """
from workers.cli.main import VERBS, main
print(*[name for name, verb in VERBS.items() if main.get_command(None, name).get_short_help_str(90) != verb.sentence])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_verb_that_may_ask_for_a_kind_of_effect_has_the_kinds_registered():
    code = KINDS.format(modules=sorted({verb.module for verb in VERBS.values()}))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_costs_less_processor_time_than_two_imports_of_click():
    """Measured against what can't be left out: the machine that runs the tests may be any."""

    def seconds(*words):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    helped = min(seconds("-c", "from workers.cli.main import main; main(['--help'])") for _ in range(5))
    imported = min(seconds("-c", "import click") for _ in range(5))
    assert helped < 2 * imported + 0.05
