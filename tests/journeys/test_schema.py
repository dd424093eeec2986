"""The migrations make exactly the tables that the code has."""

from dataclasses import fields

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

import engine
from models import schema
from models.database import reading, writing
from models.site import SITES
from tests.newer_schema import bring_a_newer_schema
from workers.base.settings import load
from workers.context import Context
from workers.health import preflight


def test_the_migrations_lead_to_the_tables_of_the_code(world):
    with reading(world.context.database) as tx:
        assert schema.current(tx) == schema.head()
        assert compare_metadata(MigrationContext.configure(tx), schema.METADATA) == []


def test_the_table_of_sites_has_a_column_for_every_fact_and_no_other():
    assert {column.name for column in SITES.columns} == {field.name for field in fields(engine.Site)}


def test_migrating_twice_changes_nothing(world):
    before = world.now
    preflight.migrate(world.context.database, test_clock=True)

    assert world.now == before


def tables_at(context, number):
    """Columns by table: whether a row may be written without it."""
    config = Config(attributes={"connection": None})
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with writing(context.database) as tx:
        config.attributes["connection"] = tx
        alembic.command.upgrade(config, number)
        look = inspect(tx)
        return {
            (table, column["name"]): column["nullable"] or column["default"] is not None
            for table in look.get_table_names()
            for column in look.get_columns(table)
        }


def test_each_migration_only_adds_what_the_code_before_it_can_leave_out(tmp_path, redis_url, databases):
    context = Context(load({"TENURE_DATA_DIR": str(tmp_path), "TENURE_REDIS_URL": redis_url, **fresh(databases)}))
    numbers = sorted(path.stem.partition("_")[0] for path in schema.MIGRATIONS.glob("versions/0*.py"))
    with writing(context.database) as tx:
        schema.METADATA.drop_all(tx)
        tx.execute(text("DROP TABLE IF EXISTS alembic_version"))
    before = tables_at(context, numbers[0])
    for number in numbers[1:]:
        after = tables_at(context, number)
        assert set(before) <= set(after), number
        old_tables = {table for table, _ in before}
        added = {key: spare for key, spare in after.items() if key not in before and key[0] in old_tables}
        assert all(added.values()), (number, added)
        before = after


def fresh(databases):
    return {f"TENURE_{name}": value for name, value in databases().items()}


def test_this_version_lives_on_beside_a_newer_schema_that_still_serves_it(world):
    world.start_trial()
    bring_a_newer_schema(world.context)

    preflight.check(world.context.database, test_clock=True)
    preflight.migrate(world.context.database, test_clock=True)
    world.send("subscribe", agents=3, payment_method="pm_visa")
    world.send("cancel")
    world.advance(days=14)

    assert world.state() == "deleted"
    with reading(world.context.database) as tx:
        assert schema.current(tx) == "9000"


def test_a_debt_about_which_a_newer_version_knows_more_is_collected_by_this_one(world):
    site = world.start_active()
    world.send("update_payment", payment_method="pm_declined")
    world.advance_to(site["period_ends_at"])
    bring_a_newer_schema(world.context)

    world.send("pay", payment_method="pm_visa")
    assert (world.state(), [one["status"] for one in world.show()["invoices"]]) == ("active", ["paid", "paid"])


def test_a_newer_schema_that_no_longer_serves_this_version_refuses_it_with_the_remedy(world):
    bring_a_newer_schema(world.context, oldest="9000")
    with pytest.raises(ValueError, match=r"schema 9000.*not understand: install the newer version"):
        preflight.check(world.context.database, test_clock=True)
    with pytest.raises(ValueError, match="install the newer version"):
        preflight.migrate(world.context.database, test_clock=True)


def test_an_older_schema_is_refused_until_it_is_migrated(world):
    with writing(world.context.database) as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(ValueError, match=r"has schema 0001.*: run `tenure migrate`"):
        preflight.check(world.context.database, test_clock=True)
