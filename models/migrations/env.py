"""Alembic's entry: the transaction is the caller's."""

from alembic import context

from models.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, transactional_ddl=False)
context.run_migrations()
