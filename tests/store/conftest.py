"""A database of each kind, new for each test: SQLite in a file, and PostgreSQL from a private server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from openclaw_actors.settings.sections import StoreSettings
from openclaw_actors.store.entries import Entry
from openclaw_actors.store.store import Store

OpenStore = Callable[..., Awaitable[Store]]


def _program(name: str) -> str | None:
    # Debian keeps the server's programs off the path, one folder a version.
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server that listens on a Unix socket alone; it ends with the session."""
    initdb, postgres = _program("initdb"), _program("postgres")
    if initdb is None or postgres is None:
        reason = "postgresql is not installed: apt install postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    # A socket's path may have 107 characters, which pytest's own folders can exceed.
    folder = Path(tempfile.mkdtemp(prefix="ocapg-", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user)
    data = str(folder / "data")
    subprocess.run(
        [initdb, "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        check=True, user=user, cwd=folder, capture_output=True,
    )  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [postgres, "-D", data, "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"],
            user=user, cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"postgresql://tests@/postgres?host={folder}"
    try:
        _await_server(url, server, folder / "log")
        run_sql(url, "CREATE DATABASE calls")
        yield url
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder)


def _await_server(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            run_sql(url, "SELECT 1")
        except OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text(errors="replace")) from None
            time.sleep(0.05)
        else:
            return


def run_sql(url: str, *statements: str) -> None:
    """Run statements outside of a transaction, on a connection of their own."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        engine.dispose()


@pytest.fixture
def sqlite_url() -> Iterator[str]:
    """A file in memory where there is such a thing: on a busy disk each of its syncs takes a second."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="ocadb-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield f"sqlite:///{folder}/calls.db"


@pytest.fixture
def postgresql_url(postgresql_server) -> Iterator[str]:
    """A database without a table. It is emptied for the next test: making a new one takes ten times as long."""
    yield postgresql_server.replace("/postgres?", "/calls?")
    run_sql(
        postgresql_server,
        "ALTER DATABASE calls ALLOW_CONNECTIONS true",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'calls'",
    )
    run_sql(postgresql_server.replace("/postgres?", "/calls?"), "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request) -> str:
    """Where a test's records are: each test that asks for it runs once on each kind of database."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest_asyncio.fixture
async def open_store(url) -> AsyncIterator[OpenStore]:
    """Open the test's database, again when asked again; all are closed at the end."""
    async with contextlib.AsyncExitStack() as closing:

        async def open_(webhook_urls: Sequence[str] = (), **settings) -> Store:
            return await closing.enter_async_context(opened(url, webhook_urls, **settings))

        yield open_


@pytest.fixture
def store_in_runner(url) -> Iterator[tuple[asyncio.Runner, Store]]:
    """One store, and the loop that it belongs to, for the many examples of a property."""
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(StoreSettings(url=url)))
        try:
            yield runner, store
        finally:
            runner.run(store.aclose())


@asynccontextmanager
async def opened(
    url: str, webhook_urls: Sequence[str] = (), *, retention: bool = False, **settings
) -> AsyncIterator[Store]:
    """A store; its hourly ``retention`` may not walk into a test of something else."""
    store = await Store.open(StoreSettings(url=url, **settings), webhook_urls)
    if not retention:
        store._retention.cancel()
    try:
        yield store
    finally:
        await store.aclose()


async def committed(store: Store, entry: Entry | Sequence[Entry]) -> bool:
    """Write, and wait until it is on record; whether it is."""
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    store.write(entry, done.set_result)
    return await asyncio.wait_for(done, 20)
