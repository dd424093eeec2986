"""The race: a hostile writer against a backup, an export, a restore and a removal.

Of each run is asked: no byte of a neighbour or of the engine in an archive, nothing outside of the site changed, the
act ended in time, and afterwards the site can be removed for good. `python -m tests.hostile.race RUNS [SEED [SECONDS]]`
prints what was found.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path

from tests.hostile import trees, writer
from tests.hostile.actor import ACTS, SAVED, SITE
from tests.hostile.adapters import KINDS
from tests.hostile.scene import CANARY, content_of, differences, fill, looks, make_engine, make_neighbour, own_walk

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 20.0
"""For one act on a site of a few MB."""

STYLES = tuple(name for name in writer.STYLES if name != "mounts")
MOUNTS = ("mounts",)


@dataclass
class Found:
    """What went wrong in which run, and how the acts ended."""

    faults: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, run: "Run", what: str) -> None:
        self.faults.append(f"{kind}: run {run.number}, {run.style} during {run.act}: {what}")

    def kinds(self) -> Counter[str]:
        return Counter(fault.partition(":")[0] for fault in self.faults)


@dataclass(frozen=True)
class Run:
    """One act against one style of writing."""

    number: int
    style: str
    act: str
    seed: str


class Actor:
    """The process that does the acts: killed and started anew when one does not end in time."""

    def __init__(self, kind: str, data_dir: Path, deadline: float) -> None:
        self.deadline = deadline
        self.words = [sys.executable, "-m", "tests.hostile.actor", kind, str(data_dir)]
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )

    def do(self, act: str, item: str) -> str:
        """How it ended: `done`, a refusal, `surprise …` or `hung`."""
        self.process.stdin.write(f"{act} {item}\n".encode())
        ready, _, _ = select.select([self.process.stdout], [], [], self.deadline)
        said = self.process.stdout.readline().decode().strip() if ready else "hung"
        if not ready or not said:
            self.stop()
            self.process = self.start()
        return said or "surprise: the process died"

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Race:
    """One data folder with a neighbour, the engine's own files and the site of the hostile customer."""

    def __init__(self, kind: str, folder: Path, deadline: float) -> None:
        self.folder = folder
        self.adapters = KINDS[kind](folder)
        self.actor = Actor(kind, folder, deadline)
        self.found = Found()
        for name in ("backups", "exports"):
            (folder / name).mkdir()
        make_engine(folder)
        make_neighbour(self.adapters)

    def close(self) -> None:
        self.actor.stop()

    def run(self, run: Run) -> None:
        self.make_site()
        before = self.outside()
        with hostile(self.adapters.site(SITE), run):
            ended = self.actor.do(run.act, f"item_{run.number}")
        self.judge(run, ended, before)
        self.finish(run)

    def judge(self, run: Run, ended: str, before: dict[str, str]) -> None:
        self.found.outcomes[f"{run.act} {ended.partition(':')[0]}"] += 1
        if ended == "hung" or ended.startswith("surprise"):
            self.found.note("hung" if ended == "hung" else "surprise", run, ended)
        for path in self.archives():
            if CANARY in content_of(path):
                self.found.note("leak", run, path.name)
        changed = differences(before, self.outside())
        if changed:
            self.found.note("outside", run, f"{len(changed)} changed: {changed[0]}")
            make_engine(self.folder)
            make_neighbour(self.adapters)

    def finish(self, run: Run) -> None:
        """With the writer gone the site is removed for good, and nothing else with it."""
        before = self.outside()
        ends = [self.actor.do("remove", f"last_{run.number}") for _ in range(2)]
        if ends[-1] != "done":
            self.found.note("stays", run, ends[-1])
            self.wipe()
        if differences(before, self.outside()):
            self.found.note("outside", run, "the last removal")
            make_neighbour(self.adapters)

    def wipe(self) -> None:
        for path in self.own_paths():
            subprocess.run(["rm", "-rf", str(path)], check=True)

    def own_paths(self) -> list[Path]:
        """Everything that is the hostile site's, wherever a store keeps it."""
        return [Path(at) / name for at, *inside in own_walk(self.folder) for name in chain(*inside) if SITE in name]

    def make_site(self) -> None:
        """A site with files, databases and many folders, and one backup of it."""
        names = {"hostname": "hostile.example.com", "email": "owner@hostile.example.com"}
        self.adapters.host.provision(SITE, **names, agents=5, key="key")
        fill(self.adapters.site(SITE))
        said = self.actor.do("back_up", SAVED)
        assert said == "done", said

    def archives(self) -> list[Path]:
        stores = (self.folder / "backups" / SITE, self.folder / "exports" / SITE)
        return [path for store in stores for path in store.rglob("*") if path.suffix in {".zst", ".zip"}]

    def outside(self) -> dict[str, str]:
        """What everything looks like that is not the hostile site's."""
        return dict(looks(self.folder))


@contextlib.contextmanager
def hostile(site: Path, run: Run):
    """A writer is at it while the block runs."""
    words = [sys.executable, "-S", "-E", writer.__file__, str(site), run.style, run.seed]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        try:
            yield
        finally:
            process.kill()
            process.wait()
            unmount(site.parent)


def unmount(folder: Path) -> None:
    """Whatever the writer mounted, under any name that the site has now."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        at = line.split()[4]
        if at.startswith(f"{folder}/"):
            writer.LIBRARY.umount2(os.fsencode(at), writer.DETACH)


@cache
def can_mount() -> bool:
    """Whether this machine lets us mount: root alone is not enough in a container."""
    with playground() as folder:
        return sys.platform == "linux" and trees.can_mount(folder)


def plan(runs: int, seed: str) -> list[Run]:
    """Each style in turn, and with each round another act against it."""
    styles, acts = [*STYLES, *(MOUNTS if can_mount() else ())], list(ACTS)
    rounds = [
        (style, acts[(at + number) % len(acts)]) for number in range(len(acts)) for at, style in enumerate(styles)
    ]
    return [Run(number, *rounds[number % len(rounds)], f"{seed}-{number}") for number in range(runs)]


def race(kind: str, runs: int, seed: str, folder: Path, deadline: float = DEADLINE_SECONDS) -> Iterator[Found]:
    """So many runs; what was found so far, after each."""
    one = Race(kind, folder, deadline)
    try:
        for run in plan(runs, seed):
            one.run(run)
            yield one.found
    finally:
        one.close()


@contextlib.contextmanager
def playground() -> Iterator[Path]:
    """A folder that goes afterwards, however deep it has become."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def main() -> int:
    given = sys.argv[1:]
    runs, seed, deadline = (*given, *("300", "1", str(DEADLINE_SECONDS))[len(given) :])
    told = 0
    with playground() as folder:
        for number, found in enumerate(race("folders", int(runs), seed, folder, float(deadline)), 1):
            for fault in found.faults[told:]:
                print(fault, flush=True)  # noqa: T201
            told = len(found.faults)
            if number % 20 == 0:
                print(number, dict(found.outcomes), dict(found.kinds()), flush=True)  # noqa: T201
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
