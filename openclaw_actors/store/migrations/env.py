"""Run by Alembic for each command: with the connection that store/database.py gives, or one of its own to a URL.

For a new revision: ``alembic -c openclaw_actors/store/migrations/alembic.ini revision --autogenerate -m "what"``.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from openclaw_actors.store.tables import metadata


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # SQLite changes a column by copying its table.
        render_as_batch=connection.dialect.name == "sqlite",
        # All revisions in one transaction, SQLite's too: a migration that is cut off has not happened.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_given = context.config.attributes.get("connection")
if _given is not None:
    _migrate(_given)
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url") or "").begin() as _own:
        _migrate(_own)
