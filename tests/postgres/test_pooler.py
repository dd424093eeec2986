"""A pooler between us and PostgreSQL is found and refused."""

import os
import shutil

import pytest

from models.database import connect, reading
from tests.postgres.pgbouncer import PgBouncer
from workers.health import doctor, preflight

PROGRAM = shutil.which("pgbouncer") or ("/usr/sbin/pgbouncer" if os.path.exists("/usr/sbin/pgbouncer") else None)  # noqa: PTH110


@pytest.fixture
def pooled(tmp_path, databases):
    """Makes a PgBouncer before a fresh database."""
    if PROGRAM is None:
        missing = "pgbouncer is not installed (Debian's package pgbouncer)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    made = []
    folder = tmp_path / "pooler"
    folder.mkdir()
    yield lambda **how: made.append(PgBouncer(folder, databases()["DATABASE_URL"], **how)) or made[-1]
    for one in made:
        one.stop()


@pytest.mark.parametrize("ignored", ["", "options"])
def test_a_pooler_in_transaction_mode_is_refused_at_once_with_the_remedy(pooled, ignored):
    engine = connect(pooled(ignored=ignored).url)
    try:
        for start in (preflight.check, preflight.migrate):
            with pytest.raises(ValueError, match=r"a pooler .* name PostgreSQL itself in DATABASE_URL"):
                start(engine, test_clock=True)
    finally:
        engine.dispose()


def test_the_doctor_names_the_pooler(pooled, world):
    world.context.__dict__["database"].dispose()
    world.context.__dict__["database"] = connect(pooled(ignored="options").url)
    found = {finding.what: finding for finding in doctor.examine(world.context)}
    assert found["database"].fails
    assert "pooler" in found["database"].remedy


def test_a_direct_connection_is_taken(databases):
    engine = connect(databases()["DATABASE_URL"])
    with reading(engine):
        pass
    engine.dispose()
