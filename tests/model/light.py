"""A world for thousands of steps: the real engine on a real database, with adapters that only remember."""

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from models.clock import machine_now
from tests.world import Wakeups, World
from workers.adapters.backup_store import Stored
from workers.adapters.export_store import Download
from workers.adapters.host import Removed
from workers.adapters.payment import Charge, ChargeOutcome, Retry
from workers.queue.upkeep_scripts import QUEUE_HEADS

CARDS: dict[str, tuple[Literal["succeeded", "declined"], Retry | None]] = {
    "pm_declined": ("declined", "later"),
    "pm_stolen": ("declined", "never"),
}


class Remembers:
    """Every adapter at once: what is asked for is done, at once and for nothing."""

    def __init__(self) -> None:
        self.charges: dict[str, Charge] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_named: None

    @contextmanager
    def snapshot(self, _site_id: str) -> Any:
        yield None

    def used_agents(self, _site_id: str) -> int:
        return 1

    def remove(self, *_args: Any, **_named: Any) -> Removed:
        return Removed(1, 1)

    remove_all = remove

    def remains(self, _site_id: str) -> list[str]:
        return []

    def verify(self, *_args: Any) -> Stored:
        return Stored(1, "", 1)

    def build(self, *_args: Any) -> Download:
        return Download("file:///x", 1, "")

    def lookup(self, charge: Charge) -> ChargeOutcome | None:
        return self.charge(self.charges[charge.key]) if charge.key in self.charges else None

    def charge(self, charge: Charge) -> ChargeOutcome:
        status, retry = CARDS.get(charge.payment_method, ("succeeded", None))
        if status == "succeeded":
            assert charge.key not in self.charges, f"{charge.key} was asked twice"
            self.charges[charge.key] = charge
        return ChargeOutcome(status, "ref", "card", None if retry is None else "no", retry)


class LightWorld(World):
    """Outside things that only remember, no events published; `template` is a migrated SQLite file to begin with."""

    def __init__(self, data_dir: Path, redis_url: str, *, template: Path | None = None, **settings: str) -> None:
        data_dir.mkdir(parents=True)
        if template is not None:
            shutil.copy(template, data_dir / "tenure.db")
        super().__init__(data_dir, redis_url, **settings)
        self.outside = Remembers()
        for part in ("host", "vault", "downloads", "payments", "mailer"):
            self.context.__dict__[part] = self.outside
        self.context.__dict__["redis"] = _Silent()
        self.wakeups = self.context.__dict__["broker"] = Wakeups()


class _Nothing(int):
    """What a Redis without anything answers: nought, an empty list, an empty hash."""

    def __iter__(self) -> Any:
        return iter(())

    def __getitem__(self, _name: str) -> "_Nothing":
        return self

    def get(self, _name: str, default: Any = None) -> Any:
        return default


class _Pipeline:
    """Nothing was asked, so nothing is answered."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args, **_named: self

    def execute(self) -> list[Any]:
        return []


class _Silent:
    """A Redis that has nothing, to which nobody listens, and whose clock is right."""

    def get(self, _name: str) -> None:
        return None

    def eval(self, script: str, keys: int, *_words: Any) -> list[Any]:
        """Every queue is empty, and no key is strange."""
        return [0, b""] * keys if script == QUEUE_HEADS else []

    def ttl(self, _key: str) -> int:
        return -2

    def scan(self, *_args: Any, **_named: Any) -> tuple[int, list[bytes]]:
        return 0, []

    def pipeline(self, **_named: Any) -> "_Pipeline":
        return _Pipeline()

    def time(self) -> tuple[int, int]:
        now = machine_now()
        return int(now.timestamp()), now.microsecond

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_named: _Nothing()
