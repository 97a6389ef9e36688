"""Alembic's entry: runs inside the transaction that `bridge.adapters.records.schema` opened."""

from alembic import context

from bridge.adapters.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # The caller owns the transaction, and with it the lock.
    transactional_ddl=False,
)
context.run_migrations()
