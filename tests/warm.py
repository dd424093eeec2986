"""What a process pays once and every test would pay anew: compiled statements, a migrated schema, a busy collector."""

import gc
import shutil
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from models import schema
from models.database import connect

OBJECTS_BETWEEN_COLLECTIONS = 50_000

_first: dict[str, Engine] = {}


def collect_seldom() -> None:
    """Let the collector look at what is young less often, and at what the imports made never again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 50)


def connect_warm(url: str) -> Engine:
    """A database of its own, with the statements that were compiled for the first of its kind in this process."""
    engine = connect(url)
    first = _first.setdefault(engine.dialect.name, engine)
    if first is not engine:
        engine.dialect = engine.pool._dialect = first.dialect
        engine._compiled_cache = first._compiled_cache
    return engine


def place_schema(database: Path) -> None:
    """Put a migrated SQLite file where there is none yet."""
    if not database.exists():
        shutil.copyfile(_migrated(), database)
        database.chmod(0o600)


@cache
def _migrated() -> Path:
    path = Path(tempfile.mkdtemp(prefix="tenure-migrated-")) / "tenure.db"
    engine = connect(f"sqlite:///{path}")
    schema.migrate(engine)
    engine.dispose()
    return path
