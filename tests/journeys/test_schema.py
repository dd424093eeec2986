"""The migrations make exactly the tables that the code has."""

from dataclasses import fields

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import engine
from models import schema
from models.database import reading
from models.site import SITES
from workers import release


def test_the_migrations_lead_to_the_tables_of_the_code(world):
    with reading(world.place.database) as tx:
        assert schema.current(tx) == schema.head()
        assert compare_metadata(MigrationContext.configure(tx), schema.METADATA) == []


def test_the_table_of_sites_has_a_column_for_every_fact_and_no_other():
    assert {column.name for column in SITES.columns} == {field.name for field in fields(engine.Site)}


def test_migrating_twice_changes_nothing(world):
    before = world.now
    release.migrate(world.place.database, test_clock=True)

    assert world.now == before
