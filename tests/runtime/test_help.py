import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from workers.cli.main import main

ROOT = Path(__file__).parents[2]


def verbs(command, words=()):
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from verbs(command.get_command(context, name), (*words, name))


VERBS = dict(verbs(main))


def help_of(words):
    done = CliRunner().invoke(main, [*words, "--help"], terminal_width=80)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_and_every_option_says_what_it_does(words):
    command = VERBS[words]
    assert command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


@pytest.mark.parametrize(
    "words", [words for words, verb in VERBS.items() if isinstance(verb, click.Group)], ids=" ".join
)
def test_no_sentence_in_a_list_of_verbs_is_cut_off(words):
    assert "..." not in help_of(words).split("Commands:")[1]


@pytest.mark.parametrize("words", [words for words, verb in VERBS.items() if verb.epilog], ids=" ".join)
def test_an_example_is_a_call_of_its_own_verb(words):
    assert "Example: tenure " + " ".join(words) in " ".join(help_of(words).split())


def test_the_version_is_that_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert CliRunner().invoke(main, ["--version"], prog_name="tenure").output == f"tenure {version}\n"
