"""The parts of docs/ that the code makes: tables and pictures, each by its name."""

import ast
import re
import tomllib
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import engine
from engine.alarms import ALARMS
from workers import boot
from workers.base.logs import WORDS
from workers.cli.contract_document import CODES, EVENTS
from workers.effects import executor
from workers.health.problem import PROBLEMS
from workers.timers import sweep

ROOT = Path(__file__).parent.parent
FLOORS = ("schedules", "workers", "models", "engine")


def parts() -> dict[str, str]:
    """Each part by its name, but those that come from one site's life."""
    return {
        "events": words(EVENTS),
        "codes": words(CODES),
        "words": words(sorted(WORDS)),
        "alarms": table(("code", "what to do"), ((f"`{code}`", text) for code, text in ALARMS.items())),
        "problems": table(
            ("code", "level", "meaning", "`do`"),
            ((f"`{code}`", kind.level, kind.means, f"`{kind.do}`") for code, kind in PROBLEMS.items()),
        ),
        "matrix": f"```text\n{matrix().strip()}\n```\n",
        "rooms": f"```mermaid\n{rooms()}```\n",
        "room_table": table(("room", "what happens in it"), ((f"`{room}/`", text) for room, text in purposes())),
        "with_redis": example("with_redis.py", "key = ", "together.execute()"),
        "with_dramatiq": example("with_dramatiq.py", "broker.enqueue", "broker.enqueue"),
        "retries": table(("what", "by whom", "how often"), retries()),
    }


def words(names: Iterable[str]) -> str:
    """Names in one paragraph of code words."""
    return ", ".join(f"`{name}`" for name in names) + "\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return (
        "".join("| " + " | ".join(cells) + " |\n" for cells in lines).replace("| --- ", "|---").replace("--- |", "---|")
    )


def example(name: str, first: str, last: str) -> str:
    """The lines of a tested example from the one that begins with `first` to the one that holds `last`."""
    lines = (ROOT / "tests" / "examples" / name).read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(first))
    end = next(at for at, line in enumerate(lines) if at >= start and last in line)
    return "".join(f"    {line}".rstrip() + "\n" for line in lines[start : end + 1])


def document(shown: dict[str, Any]) -> str:
    """The members of a document, with the members of its objects."""
    return ", ".join(f"`{name}`{_members(value)}" for name, value in shown.items()) + "\n"


def _members(value: Any) -> str:
    inner = value[0] if isinstance(value, list) and value else value
    return f" ({', '.join(inner)})" if isinstance(inner, dict) and inner else ""


def matrix() -> str:
    """The table that the test of the matrix holds against the engine."""
    path = next(iter((ROOT / "tests").rglob("test_matrix.py")))
    named = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign))
    value = next(node.value for node in named if ast.unparse(node.targets[0]) == "MATRIX")
    return str(ast.literal_eval(value))


def layers() -> list[str]:
    """The rooms of workers/ from the top, as import-linter holds them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return next(contract["layers"] for contract in contracts if contract.get("containers") == ["workers"])


def rooms() -> str:
    """The floors and the rooms: each may import what stands below it."""
    chain = " --> ".join(_node(layer) for layer in layers())
    below = " --> ".join(f"{floor}[{floor}/]" for floor in FLOORS[2:])
    top, bottom = (_node(layers()[at]).partition("[")[0] for at in (0, -1))
    return (
        f"flowchart TB\n    schedules[schedules/] --> {top}\n    subgraph workers\n        direction TB\n"
        f"        {chain}\n    end\n    {bottom} --> {below}\n"
    )


def _node(layer: str) -> str:
    name = re.sub(r"\W+", "_", layer).strip("_")
    return f'{name}["{layer}"]'


def purposes() -> list[tuple[str, str]]:
    """Each room with the first sentence of its package."""
    names = [name for layer in layers() for name in layer.split(" | ")]
    folders = [name for name in names if (ROOT / "workers" / name / "__init__.py").is_file()]
    return [(name, _purpose(ROOT / "workers" / name / "__init__.py")) for name in folders]


def _purpose(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def retries() -> list[tuple[str, str, str]]:
    """What is tried again, by whom and how often, from the constants of the code."""
    policy = engine.Policy()
    longest = f"with a pause that doubles from {span(executor.BACKOFF)} to {span(executor.LONGEST_BACKOFF)}"
    return [
        (
            "an effect that fails",
            "a worker: `workers/effects/executor.py`",
            f"{executor.MOST_ATTEMPTS} tries, {longest}",
        ),
        ("a message that fails in itself", "Dramatiq: `workers/boot.py`", f"{boot.PATIENCE['max_retries']} tries"),
        ("commands while the database is away", "`workers/queue/command_consumer.py`", "until it is back"),
        ("quick effects while it is away", "`workers/queue/effect_consumer.py`", "until it is back"),
        (
            "a wake-up that was lost",
            "the clock: `workers/timers/sweep.py`",
            f"looked for every second, sent again after {span(sweep.UNHEARD)}",
        ),
        ("a timer that a guard holds", "the clock: `workers/timers/fire.py`", f"every {span(policy.held_retry)}"),
        ("a nightly backup that gave up", "the engine: `engine/nights.py`", f"after {span(policy.night_retry)}"),
        (
            "a declined card",
            "the engine: `engine/dunning.py`",
            f"{len(policy.dunning)} times, {_days(policy.dunning)} after the decline",
        ),
        ("a command without an answer", "its producer, with the same id", "as often as it likes"),
    ]


def span(length: timedelta) -> str:
    """A length of time in words."""
    seconds = round(length.total_seconds())
    size, unit = next(
        (size, unit) for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")) if seconds % size == 0
    )
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"


def _days(steps: Iterable[timedelta]) -> str:
    return "days " + ", ".join(str(step.days) for step in steps)
