"""`make chaos MINUTES=10`: real processes under load while their parts are broken; a table, and exit code 1 on harm."""

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.checker import Checker
from tests.chaos.lives import Lives
from tests.chaos.monkey import Monkey
from tests.chaos.stage import Stage

TABLE = Path("chaos.md")


def main() -> int:
    """Run, break, check, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--wave", type=int, default=60, help="sites that live at once")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="tenure-chaos-") as folder:
        stage = Stage(Path(folder))
        try:
            return play(stage, asked.minutes, asked.seed, asked.wave)
        finally:
            stage.close()


def play(stage: Stage, minutes: float, seed: int, size: int) -> int:
    """One undisturbed life as the pattern, then waves of lives under the monkey, then the checks."""
    say(f"seed {seed}")
    lives = Lives(stage)
    lives.wave(1)
    pattern = lives.hosts[0]
    monkey = Monkey(stage, seed)
    deadline = time.monotonic() + minutes * 60
    monkey.start()
    while time.monotonic() < deadline:
        lives.wave(size)
        say(f"{len(lives.hosts)} lives, {sum(monkey.faults.values())} faults, {len(lives.answers)} answers")
    monkey.is_over.set()
    monkey.join(180)
    lives.live_on("0s")
    harm = [*monkey.failures, *unequal_answers(lives), *check(stage, lives, pattern)]
    tell(table(seed, minutes, lives, monkey, harm))
    for one in harm[:10]:
        say(f"violation: {one}")
    return 1 if harm else 0


def check(stage: Stage, lives: Lives, pattern: str) -> list[str]:
    return list(Checker(stage.context, stage.backups).violations(lives.hosts, pattern))


def unequal_answers(lives: Lives) -> list[str]:
    """Each command is asked once more: it must be answered as it was."""
    found = []
    for key, first in list(lives.answers.items()):
        again = lives.until_answered(lives.bodies[key])
        if {**again, "duplicate": None} != {**first, "duplicate": None} or not again["duplicate"]:
            found.append(f"command {key} was answered {first['outcome']} and then {again['outcome']}")
    unanswered = set(lives.bodies) - set(lives.answers)
    return found + [f"command {key} was never answered" for key in unanswered]


def table(seed: int, minutes: float, lives: Lives, monkey: Monkey, harm: list[str]) -> str:
    times = sorted(monkey.recoveries) or [0.0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    rows = [
        ("date, machine", f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB"),
        ("minutes, seed", f"{minutes:g}, {seed}"),
        *((f"fault: {kind}", str(number)) for kind, number in sorted(monkey.faults.items())),
        ("faults", str(sum(monkey.faults.values()))),
        ("lives, charged and deleted", str(len(lives.hosts))),
        ("commands, all answered", str(len(lives.answers))),
        ("the engine went on after", f"p50 {times[len(times) // 2]:.1f} s, p99 {times[int(len(times) * 0.99)]:.1f} s"),
        ("violations", str(len(harm))),
    ]
    return "\n".join(["| what | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]) + "\n"


def tell(text: str) -> None:
    TABLE.write_text(text)
    sys.stdout.write(text)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
