"""`tenure up`: everything on this machine, started in order, kept alive, and drained."""

import contextlib
import fcntl
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from workers.adapters import adapter_urls
from workers.base import private_files, up_file
from workers.base.logs import configure, log
from workers.base.settings import Settings, SettingsError
from workers.base.terminal import warn
from workers.effects.letter_overrides import wording_of
from workers.health import heartbeats, open_modes
from workers.health.check import must_be_safe
from workers.supervisor import embedded_valkey, procfile
from workers.supervisor.child import Child
from workers.supervisor.signals import STOPS, Signals

READY_SECONDS = 120.0
GIVE_UP_AFTER = 3
"""A process that dies more often before all have answered will not start by being started again."""

LOOK_SECONDS = 0.02
VALKEY_SECONDS = 30.0
"""How long Valkey may take to end; its file is complete at any time, so then it is killed."""

VALKEY = "valkey"
ROLES = ("worker", "clock")
"""The process types of the Procfile that prove their life by `liveness.beat`."""


class UpError(Exception):
    """`tenure up` can't go on: the sentence says why."""


class StopRequested(Exception):  # noqa: N818 - somebody wants it, it is no error
    """INT or TERM came: what runs is to be drained."""


class Killed(Exception):  # noqa: N818 - see above
    """A second Ctrl-C came: nobody wants to wait."""


def run(settings: Settings, *, procfile: Path | None = None, ready_line: Callable[[str], object] = print) -> int:
    """Run all processes until INT or TERM. Returns the exit code: 0 drained; 1 failed, or killed by a second Ctrl-C."""
    log_format = _log_format(settings)
    private_files.begin()
    configure(log_format, role="up")
    try:
        adapter_urls.check_schemes(settings)
        wording_of(settings.letters_dir)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        open_modes.close_and_tell(settings)
        with only_one(settings.data_dir), Signals() as signals:
            return Supervisor(settings, signals, log_format).run(procfile, ready_line)
    except (UpError, SettingsError, OSError, ValueError) as failure:
        warn(f"tenure up: {failure}")
        return 1


def _log_format(settings: Settings) -> str:
    """Decide here, where stderr may be a terminal: in the workers it never is."""
    if settings.log_format != "auto":
        return settings.log_format
    return "console" if sys.stderr.isatty() else "json"


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the folder's lock; raises `UpError` that names the process which has it. A crash releases it."""
    with os.fdopen(_lock(data_dir), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpError(f"it already runs on {data_dir}, as process {file.read().strip() or '?'}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        up_file.withdraw(data_dir)
        heartbeats.end_drain(data_dir)
        yield


def _lock(data_dir: Path) -> int:
    return os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


class Supervisor:
    """The processes of one `tenure up` by name: Valkey, if it is ours, and then what the Procfile says."""

    def __init__(self, settings: Settings, signals: Signals, log_format: str) -> None:
        self.settings = settings
        self.signals = signals
        self.began = time.monotonic()
        self.run_id = uuid.uuid4().hex
        self.environ = environment(settings, log_format, self.run_id)
        self.children: dict[str, Child] = {}
        self.interrupts = self.asked_by_interrupt = 0
        self.is_ready = False
        self.is_draining = False

    def run(self, path: Path | None, ready_line: Callable[[str], object]) -> int:
        """Start, watch, drain."""
        try:
            self._start(procfile.parse((path or procfile.locate()).read_text()))
            self._announce(ready_line)
            while True:
                self._turn(self._next_restart())
        except StopRequested:
            return self._drain()
        except BaseException:
            self._drain()
            raise

    def _start(self, lines: dict[str, list[str]]) -> None:
        commands = {name: procfile.resolve(command, self.environ) for name, command in lines.items()}
        self._start_valkey()
        release = commands.pop(procfile.RELEASE, None)
        released = self._add(Child(procfile.RELEASE, release, self.environ, is_wanted=False)) if release else None
        if VALKEY not in self.children:
            self._check_redis()
        if released:
            self._wait_for_release(released)
        if VALKEY in self.children:
            self._wait_for(lambda: embedded_valkey.answers(self.environ["TENURE_REDIS_URL"]), "the embedded Valkey")
        for name, command in commands.items():
            self._add(Child(name, command, self.environ))
        self._call_roll({role for role in ROLES if role in commands})

    def _start_valkey(self) -> None:
        """Start our own server unless another was given; a crashed run may have left us our own address as given."""
        given = self.settings.redis_url
        if given is None or given == up_file.saved_url(self.settings.data_dir):
            given, command = embedded_valkey.prepare(self.settings.data_dir, self.settings.redis_max_mb)
            self._add(Child(VALKEY, command, self.environ))
        self.settings = replace(self.settings, redis_url=given)
        self.environ["TENURE_REDIS_URL"] = given

    def _check_redis(self) -> None:
        """Refuse one that is not ours and would lose data; its processes would do the same, again and again."""
        from workers.health import redis_checks  # noqa: PLC0415 - 0.2 s, which pass while the release runs
        from workers.queue import clients  # noqa: PLC0415 - the same

        with clients.for_checks(self.environ["TENURE_REDIS_URL"]) as client:
            self._wait_for(lambda: redis_checks.answers(client), "Redis")
        must_be_safe(redis_checks.look(self.environ["TENURE_REDIS_URL"]))

    def _wait_for_release(self, child: Child) -> None:
        """The migrations run to their end, once."""
        while child.is_running():
            self._turn(None)
        if child.status != 0:
            raise UpError(f"the Procfile's release {child.ending()}; nothing else was started")

    def _call_roll(self, roles: set[str]) -> None:
        # The client's import takes 0.2 s; here it runs while the processes start.
        from workers.health.startup_wait import StartupWait  # noqa: PLC0415

        least = {role: self.settings.worker_processes if role == "worker" else 1 for role in roles}
        roll = StartupWait(self.environ["TENURE_REDIS_URL"], self.run_id, least)
        self._wait_for(roll.is_complete, " and ".join(sorted(roles)))

    def _announce(self, ready_line: Callable[[str], object]) -> None:
        self.is_ready = True
        up_file.announce(
            self.settings.data_dir,
            up_file.UpFile(self.settings.redis_url or "", self.settings.database_url, os.getpid()),
        )
        seconds = time.monotonic() - self.began
        ready_line(f"ready in {seconds:.1f} s, {', '.join(self.children)}; data in {self.settings.data_dir}")
        sys.stdout.flush()
        log.info("ready", duration_ms=round(seconds * 1000))

    def _add(self, child: Child) -> Child:
        self.children[child.name] = child
        child.start()
        return child

    def _wait_for(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise UpError(f"{what} did not answer within {READY_SECONDS:.0f} s")
            self._turn(LOOK_SECONDS)

    def _turn(self, seconds: float | None) -> None:
        """Sleep until a signal comes or the time is over, then see to the processes. Raises `Stopped`, `Killed`."""
        stops = [number for number in self.signals.wait(seconds) if number in STOPS]
        self.interrupts += stops.count(signal.SIGINT)
        if stops and not self.is_draining:
            self.asked_by_interrupt = int(signal.SIGINT in stops)
            raise StopRequested
        if stops:
            self._obey()
        for child in list(self.children.values()):
            if child.has_ended():
                self._look_at(child)
            if child.is_due():
                child.start()
                log.warning("restarted", worker=child.name, attempt=child.attempt, error=f"it {child.ending()}")

    def _obey(self) -> None:
        """A Ctrl-C after the drain has begun is an order to kill; a second TERM is only impatient."""
        if self.interrupts > self.asked_by_interrupt:
            raise Killed

    def _look_at(self, child: Child) -> None:
        if not child.is_wanted:
            del self.children[child.name]
        elif not self.is_ready and not self.is_draining and child.attempt > GIVE_UP_AFTER:
            words = (
                f"; its log says: {embedded_valkey.last_words(self.settings.data_dir)}" if child.name == VALKEY else ""
            )
            raise UpError(f"{child.name} {child.ending()}, {child.attempt} times before all was ready{words}")

    def _next_restart(self) -> float | None:
        due = [child.due_at for child in self.children.values() if child.due_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _drain(self) -> int:
        """Stop the processes when their running work is done, Valkey last; a second Ctrl-C kills them all."""
        self.is_draining = True
        heartbeats.begin_drain(self.settings.data_dir)
        log.info("paused", next="drained when the running work is done; a second Ctrl-C kills it")
        try:
            self._obey()
            self._stop([child for child in self.children.values() if child.name != VALKEY], None)
            self._stop([child for child in self.children.values() if child.name == VALKEY], VALKEY_SECONDS)
        except Killed:
            self._kill()
            return 1
        finally:
            up_file.withdraw(self.settings.data_dir)
            heartbeats.end_drain(self.settings.data_dir)
        log.info("drained")
        return 0

    def _stop(self, children: list[Child], seconds: float | None) -> None:
        """Ask once, then wait: however long, or for so many seconds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        for child in children:
            child.ask_to_stop()
        while any(child.is_running() for child in children):
            self._turn(self._next_restart() if deadline is None else 1.0)
            if deadline is not None and time.monotonic() > deadline:
                raise Killed

    def _kill(self) -> None:
        for child in self.children.values():
            child.kill()
            if child.process is not None:
                child.process.wait()
        log.warning("failed", error="killed before the running work was done; it is offered again")


def environment(settings: Settings, log_format: str, run_id: str) -> dict[str, str]:
    """Say to the processes what was decided here; programs are those of this installation."""
    colour = {"FORCE_COLOR": "1"} if log_format == "console" and sys.stderr.isatty() else {}
    return {
        **os.environ,
        **colour,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONSAFEPATH": "1",  # `python -m workers` must not find a folder `workers` where it is started
        "TENURE_DATABASE_URL": settings.database_url,
        "TENURE_DATA_DIR": str(settings.data_dir),
        "TENURE_LOG_FORMAT": log_format,
        up_file.RUN_VARIABLE: run_id,
    }
