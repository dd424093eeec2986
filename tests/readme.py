"""The parts of the README that are made from the code. `python -m tests.readme` writes them; a test keeps them fresh."""

import re
import sys
from dataclasses import fields
from pathlib import Path

from engine.diagram import diagram
from engine.menu import LABELS
from workers import shown
from workers.envelope import FORMS
from workers.settings import READERS, Settings

README = Path(__file__).parent.parent / "README.md"
PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def made() -> dict[str, str]:
    """Each part by its name."""
    return {"diagram": the_diagram(), "commands": the_commands(), "settings": the_settings(), "show": the_show()}


def the_diagram() -> str:
    return f"```mermaid\n{diagram()}```\n"


def the_commands() -> str:
    rows = [f"| `{kind}` | {_data(kind)} | {LABELS.get(kind, '')} |" for kind in FORMS]
    return "\n".join(["| type | data | label |", "|---|---|---|", *rows, ""])


def _data(kind: str) -> str:
    given = FORMS[kind].model_fields
    return ", ".join(f"`{name}`" if field.is_required() else f"`{name}`?" for name, field in given.items())


def the_settings() -> str:
    names = [field.name.upper() for field in fields(Settings)]
    rows = [f"| `TENURE_{name}` | {'' if READERS[name][0] is None else f'`{READERS[name][0]}`'} |" for name in names]
    machine = {"WORKER_PROCESSES"}
    rows = [
        row if not any(name in row for name in machine) else f"| `TENURE_{next(iter(machine))}` | as many as cores |"
        for row in rows
    ]
    return "\n".join(["| name | default |", "|---|---|", *rows, ""])


def the_show() -> str:
    """A site in its trial, as `tenure site show` prints it."""
    document = {
        "site": "acme.example.com",
        "state": "trial",
        "online": True,
        "id": "site_01a20a23b0d377b89ae44e8378afef77",
        "version": 2,
        "account": "acme",
        "used_agents": 1,
        "agents_allowed": 5,
        "plan": None,
        **dict.fromkeys(shown.DATES),
        "ready_at": "2026-01-31T09:30:00.000000Z",
        "trial_ends_at": "2026-03-02T09:30:00.000000Z",
        "suspended_for": None,
        "hold": None,
        "restore_points": {"previous_day": None, "7_day": None, "30_day": None},
        "export": None,
        "invoices": [],
        "next": [
            {"what": "back_up_nightly", "at": "2026-02-01T01:08:08.000000Z"},
            {"what": "remind", "at": "2026-02-23T09:30:00.000000Z"},
            {"what": "expire", "at": "2026-03-02T09:30:00.000000Z"},
        ],
        "menu": [{"label": "Subscribe Now"}, {"label": "End Trial"}, {"label": "Change Contact"}],
        "attention": None,
    }
    return "".join(f"    {line}\n" for line in shown.site(document).splitlines())


def fresh(text: str) -> str:
    """The README with every made part as the code makes it now."""
    parts = made()
    return PART.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n{found[3]}", text)


if __name__ == "__main__":
    README.write_text(fresh(README.read_text()))
    sys.stdout.write("README.md is fresh\n")
