"""Where it happens: a real `tenure up`, a real Valkey behind a wire that can be cut, a small disk for the backups."""

import subprocess
import sys
import threading
from pathlib import Path

from tests.chaos.proxy import Proxy
from tests.live_engine import Live, until
from workers.base.settings import load
from workers.context import Context
from workers.supervisor import embedded_valkey

DISK = "24m"


class Stage:
    """Everything that a run starts, and ends."""

    lease_seconds = 2.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis_url, self.command = embedded_valkey.prepare(folder / "server")
        self.start_valkey()
        self.proxy = Proxy(self.redis_url)
        self.backups = folder / "disk"
        self.backups.mkdir()
        _must("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(self.backups))
        self.live = Live(folder / "data", sys.executable)
        self.is_resting = threading.Event()
        self.live.start(
            REDIS_URL=self.proxy.url,
            BACKUPS_URL=f"file:{self.backups}",
            LEASE_SECONDS=f"{self.lease_seconds:g}",
            TRIAL_DAYS="2",
            DELETIONS_PER_HOUR="100000",
            DELETIONS_PER_DAY="100000",
            DELETIONS_SHARE="1",
        )
        self.context = Context(load({**self.live.environ, "TENURE_REDIS_URL": self.redis_url}))

    def start_valkey(self) -> None:
        quiet = subprocess.DEVNULL
        self.valkey = subprocess.Popen(self.command, stdout=quiet, stderr=quiet, start_new_session=True)
        until(lambda: embedded_valkey.answers(self.redis_url))

    def close(self) -> None:
        self.context.database.dispose()
        self.live.clean_up()
        self.valkey.kill()
        self.valkey.wait()
        _must("umount", str(self.backups))


def _must(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}; a disk of a given size needs root on Linux")
