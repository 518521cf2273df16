"""The database behind a URL: how it is opened, and how it is brought to this version's tables. Blocking calls."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from openclaw_actors.errors import SettingsError
from openclaw_actors.store.faults import diagnose

MIGRATIONS = Path(__file__).parent / "migrations"

BUSY_TIMEOUT_S = 2.0
"""How long SQLite waits for another process's write, such as a backup's; then the writer tells of it and tries on."""
CONNECT_TIMEOUT_S = 5
"""For PostgreSQL, whose own default is to wait for the kernel: two minutes."""
STATEMENT_TIMEOUT_S = 10
"""A PostgreSQL that takes longer over one of our statements is in trouble, and the thread must not hang with it."""
_MIGRATION_LOCK = 0x6F63_6163  # any number that nobody else takes: "ocac"

_AGAIN_S = 0.01
"""Between two tries, in the thread that opens the database."""


class MigrationError(Exception):
    """Tables that can't be brought to this version."""


def _fault(remedy: str) -> SettingsError:
    return SettingsError("the settings", "store.url", remedy)


def resolve(text_url: str) -> URL:
    """The URL that ``store.url`` means; empty means SQLite in the user's data folder.

    Raises:
        SettingsError: it is no URL of SQLite or PostgreSQL, or the driver is missing.
    """
    if not text_url:
        folder = Path(platformdirs.user_data_dir("openclaw_actors", appauthor=False))
        return URL.create("sqlite", database=str(folder / "calls.db"))
    try:
        url = make_url(text_url)
    except (ArgumentError, ValueError) as error:
        raise _fault(f"it is no URL ({error}); write one such as sqlite:////var/lib/openclaw/calls.db") from error
    match url.get_backend_name():
        case "sqlite":
            if not url.database or url.database == ":memory:" or url.get_driver_name() != "pysqlite":
                raise _fault("SQLite needs a file: write one such as sqlite:////var/lib/openclaw/calls.db")
            return url
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise _fault(f"{other!r} is not supported; write a URL of sqlite:/// or postgresql://")


def beside(text_url: str) -> Path:
    """The folder for what is kept in files beside the records: SQLite's own, else the user's data folder.

    Raises:
        SettingsError: as ``resolve``.
    """
    url = resolve(text_url)
    if url.get_backend_name() == "sqlite" and url.database:
        return Path(url.database).absolute().parent
    return Path(platformdirs.user_data_dir("openclaw_actors", appauthor=False))


def make_engine(url: URL, *, connections: int, writes: bool) -> Engine:
    """An engine of at most ``connections`` connections.

    Args:
        url: from ``resolve``.
        connections: how many threads use it.
        writes: its transactions write; SQLite then takes the write lock when they begin, since a lock that is
            asked for later can't be waited for (sqlite.org/lang_transaction.html).

    Raises:
        SettingsError: the driver is missing.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = (
        {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
        if is_sqlite
        else {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "openclaw-actors",
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_S}s",
        }
    )
    try:
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=BUSY_TIMEOUT_S,
            # A reader's connection may have died while nobody asked; the writer finds out and tries again.
            pool_pre_ping=not is_sqlite and not writes,
            connect_args=options,
            hide_parameters=True,  # they hold what callers said, and errors end in logs
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise _fault(f"{error}; for PostgreSQL: pip install 'openclaw_actors[postgres]'") from error
    if is_sqlite:
        _set_up_sqlite(engine, "BEGIN IMMEDIATE" if writes else "BEGIN")
    return engine


def _set_up_sqlite(engine: Engine, begin: str) -> None:
    def connected(connection: Any, _: Any) -> None:
        # Python's sqlite3 begins transactions when it sees fit; we say when.
        connection.isolation_level = None
        _write_ahead(connection)
        # The log is synced at each commit: what was said to be written outlives a power cut, not only a crash.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # What is erased is overwritten, not only marked as free.
        connection.execute("PRAGMA secure_delete=ON")

    def began(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Keep a write-ahead log from now on.

    Of two that make a new file's log at the same moment one is refused at once, for all its timeout: each would have to
    wait for the other (9 of 300 times with six of them).
    """
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def migrate(engine: Engine) -> None:
    """Bring the tables to this version; hosts that start at the same moment wait for each other.

    Raises:
        SettingsError: the database can't be opened, or a newer version has written it.
    """
    if engine.url.get_backend_name() == "sqlite":
        try:
            path = Path(str(engine.url.database))
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Transcripts are nobody else's; SQLite gives its log the same rights.
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise _fault(f"its file can't be made: {error}") from error
    try:
        with migrating(engine) as connection:
            if not _is_current(connection):
                from openclaw_actors.store.upgrade import upgrade  # noqa: PLC0415 - Alembic: most starts need none

                upgrade(connection)
    except MigrationError as error:
        raise _fault(f"its tables were made by a newer version of openclaw_actors, so update it ({error})") from error
    except DBAPIError as error:
        fault = diagnose(error)
        raise _fault(f"the database can't be opened: {fault.detail}. {fault.remedy}") from error


def _is_current(connection: Connection) -> bool:
    """Whether the tables have seen the newest revision, and no other."""
    newest = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    if not inspect(connection).has_table("alembic_version"):
        return False
    return connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [newest]


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction in which tables may be changed, one host at a time.

    SQLite changes a table by copying and dropping it, and with foreign keys on, dropping ``calls`` would erase all
    that belongs to calls. They can't be switched within a transaction, so it is done around it, and what they
    would have refused is looked for at its end (sqlite.org/lang_altertable.html, section 7).
    """
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        if is_sqlite:
            raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                if not is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
                yield connection
                if is_sqlite and connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
                    raise MigrationError("rows without their call are left")
        finally:
            if is_sqlite:
                raw.execute("PRAGMA foreign_keys=ON")


def standing_aside(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert with ``on_conflict_do_nothing``; each dialect of SQLAlchemy has a class of its own for it."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
