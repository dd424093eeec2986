"""The parts of the README and of docs/ that the code makes: `python -m tests.readme` writes them, a test compares."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from uuid import UUID

from engine.diagram import diagram
from engine.menu import LABELS
from models import clock
from models.database import writing
from tests import books
from tests.model.light import LightWorld
from tests.world import HOST, World
from workers.base import logs
from workers.base.settings import READERS, Settings
from workers.cli import reports
from workers.cli import text as shown
from workers.commands.payloads import FORMS

MACHINE = "| `TENURE_WORKER_PROCESSES` | as many as cores, 8 at the most |"
ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def made() -> dict[str, str]:
    """Each part by its name."""
    with fixed_id():
        return _made()


@contextmanager
def fixed_id() -> Iterator[None]:
    """The first site's id is always the same: its nights are at a time of day that follows from it."""
    with patch("workers.commands.batch.uuid7", lambda: UUID("019c1234567870008000000000000001")):
        yield


def _made() -> dict[str, str]:
    tables = {"diagram": the_diagram(), "commands": the_commands(), "settings": the_settings()}
    return {**tables, **books.parts(), **the_life()}


def the_diagram() -> str:
    return f"```mermaid\n{diagram()}```\n"


def the_commands() -> str:
    rows = [f"| `{kind}` | {_data(kind)} | {LABELS.get(kind, '')} |" for kind in FORMS]
    return "\n".join(["| type | data | label |", "|---|---|---|", *rows, ""])


def _data(kind: str) -> str:
    given = FORMS[kind].model_fields
    named = {field.alias or name: field for name, field in given.items()}
    return ", ".join(f"`{name}`" if field.is_required() else f"`{name}`?" for name, field in named.items())


def the_settings() -> str:
    names = [field.name.upper() for field in fields(Settings)]
    rows = [f"| `TENURE_{name}` | {'' if READERS[name][0] is None else f'`{READERS[name][0]}`'} |" for name in names]
    rows = [MACHINE if "WORKER_PROCESSES" in row else row for row in rows]
    return "\n".join(["| name | default |", "|---|---|", *rows, ""])


def the_life() -> dict[str, str]:
    """What the command line prints for one site on the way, with a fixed name, id and clock."""
    with TemporaryDirectory() as folder:
        world = first_world(Path(folder))
        world.start_trial()
        parts = {"show": shown.site(world.show())}
        world.send("subscribe", agents=7, payment_method="pm_visa")
        parts["due"] = shown.due(reports.due(world.context, within=None, subject=None))
        world.advance(days=40)
        parts["dryrun"] = shown.answer(world.say("change_plan", agents=9, extra={"dryrun": True}))
        world.send("cancel")
        parts["why"] = shown.why(reports.why(world.context, HOST))
        members = books.document(world.show())
        world.close()
    indented = {name: "".join(f"    {line[:140]}\n" for line in text.splitlines()) for name, text in parts.items()}
    return {**indented, "document": members}


def first_world(folder: Path) -> LightWorld:
    template = World(folder / "template", "redis://127.0.0.1:1")
    with writing(template.context.database) as tx:
        tx.execute(clock.CLOCK.update().values(now=datetime(2026, 1, 31, 9, 30, tzinfo=UTC), secret="readme"))
    template.close()
    return LightWorld(folder / "life", "redis://127.0.0.1:1", template=template.data_dir / "tenure.db")


def fresh(text: str, parts: dict[str, str]) -> str:
    """A page with every made part as the code makes it now."""
    return PART.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n{found[3]}", text)


def write() -> None:
    """Write every page anew that is not fresh, and say which."""
    parts = made()
    for page in PAGES:
        text = page.read_text()
        if text != fresh(text, parts):
            page.write_text(fresh(text, parts))
            sys.stdout.write(f"{page.relative_to(ROOT)} is written anew\n")


if __name__ == "__main__":
    logs.configure("json", StringIO())
    write()
