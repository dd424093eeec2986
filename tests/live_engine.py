"""A real `tenure up` with real processes, driven by the real command line."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from workers.base.settings import load
from workers.cli import reports, sending, test_clock
from workers.cli.duration import duration
from workers.context import Context

HOST = "acme.example.com"


def until(happens: Any, seconds: float = 30.0) -> Any:
    """Look again and again until something is true, and return it; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


class Live:
    """One data folder and the processes that were started for it."""

    def __init__(self, data_dir: Path, python: str) -> None:
        self.data_dir = data_dir
        self.tenure = str(Path(python).parent / "tenure")
        self.process: subprocess.Popen[bytes] | None = None
        self.runs = 0
        self.settings: dict[str, str] = {"TENURE_TEST_CLOCK": "1"}

    @property
    def environ(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
        return {**clean, **self.settings, "TENURE_DATA_DIR": str(self.data_dir)}

    @property
    def out(self) -> Path:
        return self.data_dir.with_name(f"out.{self.runs}")

    @property
    def err(self) -> Path:
        return self.data_dir.with_name(f"err.{self.runs}")

    def start(self, **settings: str) -> "Live":
        self.settings |= {f"TENURE_{name}": value for name, value in settings.items()}
        self.runs += 1
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [self.tenure, "up"],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        until(lambda: self.process.poll() is not None or b"ready" in self.out.read_bytes(), 60)
        assert self.process.poll() is None, self.err.read_text()
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def run(self, *words: str, expecting: int = 0, timeout: float = 300) -> str:
        """Run a `tenure` command in a second terminal; its exit code must be as expected."""
        done = subprocess.run(
            [self.tenure, *words], env=self.environ, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == expecting, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *words: str, expecting: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", expecting=expecting))

    @property
    def context(self) -> Context:
        """What the command line works with, without the second that a new Python takes to start."""
        return Context(load(self.environ))

    def show(self, host: str = HOST) -> Any:
        return reports.show(self.context, host)

    def history(self, host: str = HOST) -> Any:
        return reports.history(self.context, host)["moves"]

    def say(self, kind: str, *fields: str, host: str = HOST, key: str | None = None) -> None:
        """Enqueue a command and wait for nothing."""
        sending.enqueue(self.context, sending.envelope(kind, host, fields, source="tests", key=key, extra={}))

    def send(self, kind: str, *fields: str, host: str = HOST) -> Any:
        """What `tenure send --settle` does."""
        body = sending.envelope(kind, host, fields, source="tests", key=None, extra={})
        said = sending.ask(self.context, body, 60)
        sending.settle(self.context, body, 60)
        return said

    def start_trial(self, host: str = HOST) -> Any:
        return self.send("start_trial", "account=acme", f"email=owner@{host}", host=host)

    def advance(self, length: str) -> None:
        test_clock.advance(self.context, duration(length), 300)

    def log(self) -> list[Any]:
        """Every line that all processes of this run wrote, as documents."""
        lines = self.err.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def processes(self) -> dict[int, str]:
        """The living processes that were started for this data folder."""
        mark, found = f"TENURE_DATA_DIR={self.data_dir}\0".encode(), {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                if mark in (process / "environ").read_bytes() and " Z " not in (process / "stat").read_text():
                    found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def find(self, word: str) -> list[int]:
        return sorted(pid for pid, command in self.processes().items() if word in command)

    def clean_up(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        until(lambda: not self.processes())
