"""The tables are what the revisions made of them, and no revision loses a row."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from openclaw_actors.errors import SettingsError
from openclaw_actors.store import database, tables
from openclaw_actors.store.upgrade import alembic_config
from tests.store.conftest import opened
from tests.store.samples import SampleCall, record

FIRST = Path(__file__).parent / "first_schema.sql"
"""A database as the first release wrote it (``sqlite3 calls.db .dump``): two calls with all that belongs to them."""
FIRST_EXPORT = FIRST.with_suffix(".jsonl")
"""The same as ``Store.export`` gave it then."""
ADDED_SINCE = {"carrier_call_id": "", "recordings": []}

HEAD = max(path.name[:4] for path in (database.MIGRATIONS / "versions").glob("0*.py"))

NEXT_REVISION = '''
"""A change as a later release may make one: a new column with a value for every row, another one wider."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade():
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("agent", sa.String(), nullable=False, server_default="parrot"))
        calls.alter_column("end_reason", type_=sa.Text(), existing_type=sa.String())


def downgrade():
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("agent")
'''


@pytest.fixture
def engine(url):
    engine = database.make_engine(database.resolve(url), connections=1, writes=True)
    yield engine
    engine.dispose()


def test_the_revisions_make_the_tables_that_the_code_knows(engine):
    database.migrate(engine)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_migrating_twice_changes_nothing(engine):
    database.migrate(engine)
    database.migrate(engine)
    assert set(inspect(engine).get_table_names()) == {*tables.metadata.tables, "alembic_version"}


async def test_what_the_first_release_wrote_is_all_there(tmp_path):
    with sqlite3.connect(tmp_path / "calls.db") as old:
        old.executescript(FIRST.read_text())
    old.close()
    async with opened(f"sqlite:///{tmp_path}/calls.db") as store:
        exported = [json.loads(line) async for line in store.export()]
    expected = [json.loads(line) for line in FIRST_EXPORT.read_text().splitlines()]
    for each in expected:
        each["call"] |= ADDED_SINCE
    assert exported == expected


async def test_a_revision_of_a_table_with_rows_keeps_every_row(url, engine, tmp_path):
    async with opened(url) as store:
        for _ in range(3):
            call = SampleCall()
            await record(store, *call.talk(), call.ended())
        before = [line async for line in store.export()]

    def upgrade() -> tuple[str, list[str]]:
        with database.migrating(engine) as connection:
            config = alembic_config(connection)
            versions = tmp_path / "versions"
            versions.mkdir()
            (versions / "9999_next.py").write_text(NEXT_REVISION.format(head=HEAD))
            config.set_main_option("path_separator", "newline")
            config.set_main_option("version_locations", f"{database.MIGRATIONS}/versions\n{versions}")
            command.upgrade(config, "head")
        with engine.begin() as connection:
            version = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return version, list(connection.scalars(text("SELECT agent FROM calls")))

    assert upgrade() == ("9999", ["parrot"] * 3)
    with database.migrating(engine) as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
        connection.execute(text("ALTER TABLE calls DROP COLUMN agent"))
    async with opened(url) as store:
        assert [line async for line in store.export()] == before


async def test_a_database_of_a_newer_release_is_left_alone(url, engine):
    async with opened(url):
        pass
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="newer version"):
        async with opened(url):
            pass


def test_a_migration_that_breaks_off_has_not_happened(engine, monkeypatch):
    def broken(config, revision):
        upgrade(config, revision)
        raise KeyboardInterrupt

    upgrade = command.upgrade
    monkeypatch.setattr(command, "upgrade", broken)
    with pytest.raises(KeyboardInterrupt):
        database.migrate(engine)
    assert inspect(engine).get_table_names() == []
    monkeypatch.undo()
    database.migrate(engine)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("mysql://host/calls", "not supported"),
        ("calls.db", "no URL"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://host:port/calls", "no URL"),
        ("postgresql://nobody@127.0.0.1:1/calls", "database server"),
    ],
)
async def test_a_wrong_url_is_named_with_a_remedy(given, words):
    with pytest.raises(SettingsError, match=words) as caught:
        async with asyncio.timeout(20), opened(given):
            pass
    assert caught.value.key == "store.url"


async def test_without_a_url_records_lie_in_the_users_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    async with opened(""):
        path = tmp_path / "openclaw_actors" / "calls.db"
        assert path.exists()
        assert path.stat().st_mode & 0o077 == 0, "nobody else reads what callers said"
