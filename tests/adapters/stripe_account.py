"""The double of Stripe, started for a module's tests: an account for each folder that asks."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import stripe  # noqa: F401 - loaded before a test forks, so that its children do not load it again

from workers.adapters.payment import Payments, open_payments

ROOT = Path(__file__).parents[2]


class StripeDouble:
    """A running double."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen([sys.executable, "-m", "tests.adapters.stripe_double", str(folder)], cwd=ROOT)
        while not (folder / "port").exists():
            assert self.process.poll() is None
            time.sleep(0.005)
        self.url = f"stripe:http://127.0.0.1:{(folder / 'port').read_text()}"

    def open(self, folder: Path) -> Payments:
        self._account(folder).mkdir(exist_ok=True)
        key_file = self._account(folder) / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(f"{self._account(folder).name}\n")
        return open_payments(self.url, folder, key_file)

    def charged(self, folder: Path) -> list[str]:
        path = self._account(folder) / "charged"
        return path.read_text().splitlines() if path.exists() else []

    def script(self, folder: Path, *faults: Any) -> None:
        self.open(folder)
        (self._account(folder) / "faults").write_text(json.dumps(faults))

    def detach_cards(self, folder: Path) -> None:
        (self._account(folder) / "detached").touch()

    def lag(self, folder: Path, count: int) -> None:
        self.open(folder)
        (self._account(folder) / "lag").write_text(str(count))

    def _account(self, folder: Path) -> Path:
        return self.folder / f"sk_test_double{blake2b(str(folder).encode(), digest_size=8).hexdigest()}"


@pytest.fixture(scope="module")
def stripe_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeDouble]:
    double = StripeDouble(tmp_path_factory.mktemp("stripe"))
    yield double
    double.process.kill()
    double.process.wait()
