"""A real PgBouncer before the tests' PostgreSQL, in transaction mode, ended by its own process."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


class PgBouncer:
    """Listens on this machine; `ignored` are the startup parameters that it takes and forgets."""

    def __init__(self, folder: Path, url: str, *, ignored: str = "") -> None:
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        parts = urlsplit(url)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "auth_type": "any",
            "pool_mode": "transaction",
            "unix_socket_dir": "",
            "ignore_startup_parameters": f"extra_float_digits{',' if ignored else ''}{ignored}",
        }
        host = parse_qs(parts.query)["host"][0]
        file = folder / "pgbouncer.ini"
        lines = [f"[databases]\n* = host={host} user=postgres", "[pgbouncer]"]
        file.write_text("\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]))
        as_user = ["-u", _somebody()] if os.geteuid() == 0 else []
        file.chmod(0o644)
        for path in (file, Path(host)):
            _let_pass(path)
        self.log = (folder / "pgbouncer.log").open("wb")
        self.process = subprocess.Popen([program, *as_user, str(file)], stdout=self.log, stderr=self.log)
        self._wait(port)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                assert self.process.poll() is None, Path(self.log.name).read_text()
                assert time.monotonic() < deadline, "PgBouncer did not answer"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


def _let_pass(path: Path) -> None:
    """Let the other user reach a path in the tests' own folders."""
    for folder in path.parents if path.is_file() else (path, *path.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
        if folder.parent == Path(tempfile.gettempdir()):
            return


def _somebody() -> str:
    """The user whose sockets PostgreSQL trusts here: PgBouncer refuses to run as root."""
    known = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)
