"""How a process stands on PostgreSQL: its settings, what it refuses, and migrations that meet."""

from contextlib import suppress
from threading import Thread

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import event, receipt, schema
from models.clock import machine_now
from models.database import connect, reading, writing
from tests.live_engine import until
from workers.health import doctor, preflight


@pytest.fixture
def cluster(databases):
    return databases.cluster


def shown(tx, name):
    return tx.execute(text(f"SHOW {name}")).scalar_one()


def test_every_connection_has_utc_time_limits_and_a_name(world):
    with writing(world.context.database) as tx:
        names = ("TimeZone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        assert [shown(tx, name) for name in names] == ["UTC", "1min", "10s", "1min"]
        assert shown(tx, "application_name").startswith("tenure ")
        assert (shown(tx, "transaction_isolation"), shown(tx, "transaction_read_only")) == ("read committed", "off")


def test_reading_is_one_moment_and_can_not_write(world):
    with reading(world.context.database) as tx:
        assert (shown(tx, "transaction_isolation"), shown(tx, "transaction_read_only")) == ("repeatable read", "on")
        with pytest.raises(DBAPIError, match="read-only"):
            tx.execute(text("DELETE FROM site"))


def test_what_the_address_says_wins(databases):
    engine = connect(databases()["DATABASE_URL"] + "&application_name=mine&options=-c%20lock_timeout=3s")
    with reading(engine) as tx:
        assert (shown(tx, "application_name"), shown(tx, "lock_timeout")) == ("mine", "3s")
        assert shown(tx, "statement_timeout") == "1min"
    engine.dispose()


def test_the_address_of_heroku_is_understood(databases):
    engine = connect(databases()["DATABASE_URL"].replace("postgresql://", "postgres://"))
    with reading(engine) as tx:
        assert schema.current(tx) == schema.head()
    engine.dispose()


def test_another_kind_of_database_is_refused_with_the_two_that_are_known():
    with pytest.raises(ValueError, match=r"mysql://h/n.*sqlite:///path or postgresql://"):
        connect("mysql://h/n")


def test_a_database_that_is_not_utf8_is_refused_by_start_and_doctor_with_the_remedy(world, cluster):
    name = cluster.create("ascii", template="template0", encoding="SQL_ASCII")
    engine = connect(cluster.url(name))
    world.context.__dict__["database"].dispose()
    world.context.__dict__["database"] = engine
    try:
        for start in (preflight.check, preflight.migrate):
            with pytest.raises(ValueError, match=r"'ascii' has the encoding SQL_ASCII.*createdb --encoding=UTF8"):
                start(engine, test_clock=True)
        found = {finding.what: finding.remedy for finding in doctor.examine(world.context)}
        assert "SQL_ASCII" in found["database"]
    finally:
        engine.dispose()
        cluster.drop(name)


def test_processes_that_migrate_at_the_same_moment_take_turns(cluster):
    name = cluster.create(template="template0")
    engines = [connect(cluster.url(name)) for _ in range(4)]
    at_once = [Thread(target=preflight.migrate, args=(one,), kwargs={"test_clock": True}) for one in engines]
    for one in at_once:
        one.start()
    for one in at_once:
        one.join()
    with reading(engines[0]) as tx:
        assert schema.current(tx) == schema.head()
        assert compare_metadata(MigrationContext.configure(tx), schema.METADATA) == []
    for engine in engines:
        engine.dispose()
    cluster.drop(name)


def back_to(database, revision):
    """The schema of an older version, with a connection of Alembic's own."""
    with writing(database) as tx:
        config = Config(attributes={"connection": tx})
        config.set_main_option("script_location", str(schema.MIGRATIONS))
        command.downgrade(config, revision)


@pytest.mark.parametrize("order", [("timer", "effect"), ("effect", "timer")], ids=" then ".join)
def test_a_migration_and_somebody_who_writes_get_out_of_each_other_s_way(world, order):
    world.start_trial()
    database = world.context.database
    back_to(database, "0005")
    migrating = Thread(target=schema.migrate, args=(database,))
    first, second = (text(f"UPDATE {table} SET generation = generation") for table in order)
    with suppress(DBAPIError), writing(database) as tx:
        tx.execute(first)
        migrating.start()
        with reading(database) as looking:
            until(lambda: looking.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())
        tx.execute(second)
    migrating.join(60)
    with reading(database) as tx:
        assert schema.current(tx) == schema.head()
        assert compare_metadata(MigrationContext.configure(tx), schema.METADATA) == []


def test_numbers_that_are_counted_for_ever_pass_the_31st_bit(world):
    with writing(world.context.database) as tx:
        for table in ("receipt", "event", "effect", "deletion"):
            tx.execute(text(f"SELECT setval('{table}_seq_seq', {2**31})"))
    world.start_trial()
    with reading(world.context.database) as tx:
        assert receipt.history(tx, world.show()["id"])[0].seq > 2**31


def test_a_batch_that_a_constraint_stops_spoils_no_later_one_on_the_same_connection(world):
    def rows(first):
        return [{"id": f"e{number}", "type": "x", "at": machine_now(), "body": "", "sent": True, "seq": number}
                for number in range(first, first + 50)]  # fmt: skip

    for turn in range(1, 9):
        with pytest.raises(IntegrityError), writing(world.context.database) as tx:
            event.add(tx, rows(turn * 1000) + rows(turn * 1000))
        with writing(world.context.database) as tx:
            event.add(tx, rows(turn * 100_000))
    with reading(world.context.database) as tx:
        assert tx.execute(text("SELECT count(*) FROM event")).scalar_one() == 8 * 50
