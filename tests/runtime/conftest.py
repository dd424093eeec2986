import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import dramatiq
import pytest
from click.testing import CliRunner

from models import clock
from models import server as database_server
from models.database import connect as connect_database
from models.database import reading, writing
from workers.cli.main import main
from workers.health import liveness
from workers.queue import clients
from workers.queue.broker import make_broker
from workers.supervisor import embedded_valkey

HERE = Path(__file__).parent
RUNNER = """
import sys
from pathlib import Path
from workers.base import settings
from workers.supervisor import up
sys.exit(up.run(settings.load(), procfile=Path(sys.argv[1])))
"""
PROCFILE = """
release: python -c pass
worker: python -m workers crew:boot
clock: python -m crew
"""


def until(happens, seconds=15.0):
    """Look again and again until something is true, and return it; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


def processes(folder):
    """Find the living processes of a data folder. Valkey overwrites its environment, but lives in the folder."""
    mark, found = f"TENURE_DATA_DIR={folder}\0".encode(), {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_ours = mark in (process / "environ").read_bytes() or (process / "cwd").readlink() == folder / "valkey"
            if is_ours and ") Z " not in (process / "stat").read_text():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


class Up:
    """A real `tenure up` in a folder, with the tests' own workers and clock."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.runs = 0

    def start(self, text=PROCFILE, *, prelude="", **environ):
        self.folder.mkdir(exist_ok=True)
        procfile = self.folder / "Procfile"
        procfile.write_text(text)
        self.runs += 1
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
        environ = {"TENURE_WORKER_PROCESSES": "2", "TENURE_WORKER_THREADS": "4"} | environ
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", prelude + RUNNER, str(procfile)],
                env=clean | environ | {"TENURE_DATA_DIR": str(self.folder), "PYTHONPATH": str(HERE)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return self

    @property
    def out(self):
        return self.folder.with_name(f"out.{self.runs}")

    @property
    def err(self):
        return self.folder.with_name(f"err.{self.runs}")

    def log(self, word):
        lines = [line for line in self.err.read_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line["msg"] == word]

    def wait_until_ready(self):
        until(lambda: self.process.poll() is not None or b"ready" in self.out.read_bytes())
        assert self.process.poll() is None, self.err.read_text()
        return self

    def url(self):
        return json.loads((self.folder / "up.json").read_text())["redis_url"]

    def find(self, word):
        return sorted(pid for pid, command in processes(self.folder).items() if word in command)

    def masters(self):
        crew = self.find("crew:boot")
        return [pid for pid in crew if parent_of(pid) not in crew]

    def send(self, name, seconds, *, queue="lifecycle", actor="command"):
        with clients.for_queues(self.url()) as client:
            push(client, queue, body(queue=queue, actor=actor, args=[name, seconds]))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(30)

    def clean_up(self):
        for pid in processes(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        until(lambda: not processes(self.folder))


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])


def body(redis_id="given later", *, queue="lifecycle", actor="command", args=("x",), **more):
    """Make a message as another system would write it."""
    options = {"redis_message_id": redis_id}
    own = {"queue_name": queue, "actor_name": actor, "args": args, "kwargs": {}, "options": options}
    return own | {"message_id": uuid.uuid4().hex, "message_timestamp": 0} | more


def push(client, queue, message, redis_id=None):
    """Enqueue as the contract tells other systems to."""
    redis_id = redis_id or uuid.uuid4().hex
    if isinstance(message, dict):
        if isinstance(message.get("options"), dict) and message["options"].get("redis_message_id") == "given later":
            message["options"]["redis_message_id"] = redis_id
        message = json.dumps(message)
    with client.pipeline() as transaction:
        transaction.hset(f"dramatiq:{queue}.msgs", redis_id, message)
        transaction.rpush(f"dramatiq:{queue}", redis_id)
        transaction.execute()
    return redis_id


@pytest.fixture
def tools():
    """The helpers above: a test module can't import a conftest."""
    return SimpleNamespace(until=until, processes=processes, parent_of=parent_of, body=body, push=push)


@pytest.fixture
def up(tmp_path):
    started = Up(tmp_path / "data")
    yield started
    started.clean_up()


@pytest.fixture
def server(tmp_path):
    """Start embedded servers by hand: `server(folder)` returns the address and the process."""
    started = []

    def start(folder):
        url, command = embedded_valkey.prepare(folder)
        process = subprocess.Popen(command, start_new_session=True)
        started.append(process)
        until(lambda: embedded_valkey.answers(url))
        return url, process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory):
    url, command = embedded_valkey.prepare(tmp_path_factory.mktemp("shared"))
    process = subprocess.Popen(command, start_new_session=True)
    until(lambda: embedded_valkey.answers(url))
    yield url
    process.kill()
    process.wait()


@pytest.fixture
def brokers(shared_redis):
    """Make brokers of several processes, so to say: each has its own heartbeat; all know the actor `command`."""
    made = []

    def make():
        broker = make_broker(shared_redis)
        dramatiq.actor(ran.append, actor_name="command", queue_name="lifecycle", broker=broker)
        vars(broker)["ran"] = ran
        made.append(broker)
        return broker

    ran = []
    with clients.for_queues(shared_redis) as client:
        client.flushall()
    yield make
    for broker in made:
        broker.close()


@pytest.fixture
def broker(brokers):
    return brokers()


@pytest.fixture
def own(server, tmp_path):
    """A Valkey that a test may spoil: a client of it, with its address."""
    url, _ = server(tmp_path / "own")
    with clients.for_checks(url) as client:
        client.url = url
        yield client


@pytest.fixture
def beating(world):
    """A world in which a worker and a clock beat."""
    liveness.beat(world.context.redis, "worker")
    with writing(world.context.database) as tx:
        clock.beat(tx, "clock")
    return world


@pytest.fixture
def run(monkeypatch):
    """The command line in this process: `run(place's settings, words)` returns the exit code and what was printed."""

    def run(world, *words):
        environ = {
            "TENURE_DATA_DIR": str(world.data_dir),
            "TENURE_TEST_CLOCK": "1",
            "TENURE_REDIS_URL": world.context.settings.redis_url,
            "TENURE_DATABASE_URL": world.context.settings.database_url,
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        done = CliRunner().invoke(main, ["doctor", *words])
        return done.exit_code, done.stdout

    return run


@pytest.fixture
def postgresql(the_cluster):
    """A PostgreSQL, whose setting `fsync` a test may change, and a new database in it."""
    cluster = the_cluster()
    name = cluster.create()
    engine = connect_database(cluster.url(name))

    def sync(value):
        cluster.run(f"ALTER SYSTEM SET fsync = {value}; SELECT pg_reload_conf()")

        def is_set():
            engine.dispose()
            with reading(engine) as tx:
                return database_server.settings(tx)["fsync"] == value

        until(is_set)

    yield engine, sync, cluster, name
    sync("off")
    engine.dispose()
    cluster.drop(name)
