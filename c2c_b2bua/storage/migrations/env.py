"""How Alembic reaches the database: by the connection that `Database.start` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from c2c_b2bua.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
