"""What version 0.1 left, unpacked at another place: see tests/fixtures/version_0_1/README.md."""

import json
import tarfile
from pathlib import Path
from typing import Any

import psycopg
import zstandard

from models.clock import machine_now
from models.database import writing
from models.safety import SAFETY
from workers.base.settings import load
from workers.context import Context

FIXTURE = Path(__file__).parents[1] / "fixtures" / "version_0_1"


def unpack(name: str, into: Path) -> Path:
    """Unpack one archive of the fixture; its members are ours."""
    into.mkdir()
    with (
        (FIXTURE / f"{name}.tar.zst").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as packed,
        tarfile.open(fileobj=packed, mode="r|") as tar,
    ):
        tar.extractall(into, filter="fully_trusted")
    return into


class Left:
    """A data folder of version 0.1, and what its producers know: commands, answers, reviews."""

    def __init__(self, name: str, into: Path, settings: dict[str, str]) -> None:
        folder = unpack(name, into)
        self.data_dir = folder / "data"
        self.known: Any = json.loads((folder / "known.json").read_text())
        self.settings = {"DELETIONS_SHARE": "1", "DELETIONS_PER_DAY": "1000", "DELETIONS_PER_HOUR": "1000"}
        self.settings |= {"DATABASE_URL": f"sqlite:///{self.data_dir}/tenure.db", **settings}
        if "DATABASE_URL" in settings:
            pour(folder / "dump.sql", settings["DATABASE_URL"])

    def context(self) -> Context:
        """What today's code works with."""
        given = {f"TENURE_{name}": value for name, value in self.settings.items()}
        return Context(load({"TENURE_TEST_CLOCK": "1", "TENURE_DATA_DIR": str(self.data_dir), **given}))

    def has_just_stopped(self) -> "Left":
        """Its machine stopped a moment ago, and not in the year in which the fixture was made."""
        database = self.context().database
        with writing(database) as tx:
            tx.execute(SAFETY.update().values(wall_at=machine_now()))
        database.dispose()
        return self


def pour(dump: Path, url: str) -> None:
    """Fill an empty database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(dump.read_bytes())
