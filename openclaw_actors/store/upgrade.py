"""Alembic, which brings tables to this version. Imported when there is something to bring: that takes 0.2 s."""

from __future__ import annotations

from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from openclaw_actors.store.database import MIGRATIONS, MigrationError

_one_at_a_time = Lock()


def upgrade(connection: Connection) -> None:
    """Run the revisions that these tables have not seen yet, within the connection's transaction.

    Raises:
        MigrationError: they have seen one that is not known here.
    """
    try:
        with _one_at_a_time:  # what Alembic works on is the process's, not the thread's
            command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise MigrationError(str(error)) from error


def alembic_config(connection: Connection) -> Config:
    """What Alembic's commands take, to work on this connection."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
