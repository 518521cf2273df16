"""Which host a record belongs to, and whether that host lives: it lives as long as it holds its lock.

Several hosts may share one database. Only so can one that starts tell the calls of a host that was killed, which
nobody will end, from those that another host is holding at this moment. The lock is one that the operating system or
the server takes back by itself when its holder dies, however it does. Blocking calls.
"""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, text


class Claim(Protocol):
    """The lock of one host."""

    host: str
    """A new random name at each start."""

    def take(self, connection: Connection) -> None:
        """Hold the lock on the writer's ``connection``; again on each new one, since the lock may end with the old."""

    def alive(self, connection: Connection, host: str) -> bool:
        """Whether the host of that name holds its lock."""

    def release(self) -> None:
        """Let go of what does not end with the connection."""


def claim_for(connection: Connection) -> Claim:
    """The kind of claim that suits the database."""
    host = secrets.token_hex(8)
    if connection.dialect.name == "postgresql":
        return AdvisoryLock(host)
    return LockedFile(host, Path(str(connection.engine.url.database)))


class AdvisoryLock:
    """A lock of a PostgreSQL session (postgresql.org/docs/current/explicit-locking.html, advisory locks)."""

    def __init__(self, host: str) -> None:
        self.host = host

    def take(self, connection: Connection) -> None:
        """As Claim.take."""
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(self.host)})

    def alive(self, connection: Connection, host: str) -> bool:
        """As Claim.alive."""
        if host == self.host:
            return True
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(host)}):
            return True
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _key(host)})
        return False

    def release(self) -> None:
        """Nothing: the session takes it along."""


class LockedFile:
    """A small SQLite file beside the database, locked for as long as this process lives.

    SQLite's own locks work on every system that it does, and between two hosts in one process as well.
    """

    def __init__(self, host: str, database: Path) -> None:
        self.host = host
        self._database = database
        self._held: sqlite3.Connection | None = None

    def take(self, connection: Connection) -> None:  # noqa: ARG002 - the lock lies beside the database
        """As Claim.take."""
        if self._held is None:
            held = sqlite3.connect(self._path(self.host), timeout=0, isolation_level=None, check_same_thread=False)
            try:
                held.execute("BEGIN EXCLUSIVE")
            except BaseException:
                held.close()
                raise
            self._held = held

    def alive(self, connection: Connection, host: str) -> bool:  # noqa: ARG002 - as above
        """As Claim.alive; the file of a host that is dead is removed."""
        path = self._path(host)
        if host == self.host:
            return True
        if not path.exists():
            return False
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            other.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return True
        finally:
            other.close()
        path.unlink(missing_ok=True)
        return False

    def release(self) -> None:
        """As Claim.release."""
        if self._held is not None:
            self._held.close()
            self._held = None
            self._path(self.host).unlink(missing_ok=True)

    def _path(self, host: str) -> Path:
        return self._database.with_name(f"{self._database.name}-host-{host}")


def _key(host: str) -> int:
    """A signed number of 64 bits, as PostgreSQL wants it."""
    return int.from_bytes(bytes.fromhex(host)[:8], "big", signed=True)
