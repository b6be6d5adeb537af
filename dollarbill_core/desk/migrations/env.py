"""Applies migrations on the connection that the ledger hands over; never run by hand."""

from alembic import context

from dollarbill_core.desk.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
