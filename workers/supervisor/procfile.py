"""The Procfile: which processes there are, as a PaaS reads it."""

import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
RELEASE = "release"
"""The one type that runs to its end before the others start."""


class ProcfileError(ValueError):
    """The Procfile is missing, can't be read, or names a program that is not there."""


def locate() -> Path:
    """Find it beside the packages (a source checkout), else inside this one (a wheel)."""
    for path in (PACKAGE.parent / "Procfile", PACKAGE / "Procfile"):
        if path.is_file():
            return path
    raise ProcfileError(f"no Procfile beside or in {PACKAGE}: install Tenure again")


def parse(text: str) -> dict[str, list[str]]:
    """Read `type: command` lines into words. No shell is involved: its own process would stand in a signal's way."""
    commands: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = re.fullmatch(r"([A-Za-z0-9_-]+):\s*(\S.*)", line.strip())
        if found is None or found[1] in commands:
            raise ProcfileError(f"Procfile line {number}: {line.strip()!r} is not a new `type: command`")
        commands[found[1]] = shlex.split(found[2])
    return commands


def resolve(command: list[str], environ: Mapping[str, str]) -> list[str]:
    """Put the program's full path first; `python` is the interpreter that runs this."""
    if command[0] in {"python", "python3"}:
        return [sys.executable, *command[1:]]
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        raise ProcfileError(f"Procfile: there is no program {command[0]!r} on the PATH")
    return [program, *command[1:]]
