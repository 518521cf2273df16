"""What is wrong when a database refuses: a word for the metric, and a sentence that tells an operator what to do."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

REASONS = ("full", "io", "locked", "unreachable", "readonly", "corrupt", "refused", "queue_full", "other")
"""The values of store_failures_total's label."""

_REMEDIES = {
    "full": "Make room on the disk of store.url; records are written again as soon as there is some.",
    "io": "The disk of store.url fails, or is full: see the system's log.",
    "locked": "Another program holds the database; let it finish or end it.",
    "unreachable": "Check that the database server of store.url runs and lets this host in.",
    "readonly": "Give this user the right to write the database file of store.url and its folder.",
    "corrupt": "The database file is damaged or none: move it away (a new one is made) or restore a backup.",
    "refused": "This is a fault in openclaw_actors: please report it with this line of the log.",
    "queue_full": "The database has not kept up; see the errors before this one. store.queue is the bound.",
    "other": "See the detail; the database's own log may say more.",
}

# SQLite's primary result codes (sqlite.org/rescode.html), as Python names them.
_SQLITE = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "io",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_CANTOPEN: "unreachable",
    sqlite3.SQLITE_READONLY: "readonly",
    sqlite3.SQLITE_PERM: "readonly",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
}
# Classes of SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html).
_POSTGRES = {
    "53100": "full",
    "25006": "readonly",
    "42501": "readonly",
    "08": "unreachable",
    "57": "unreachable",
    "28": "unreachable",
    "3D": "unreachable",
    "53": "unreachable",
    "40": "locked",
    "58": "io",
    "55": "locked",
    "XX": "corrupt",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the database refuses.

    ``reason``: one of REASONS; ``passing``: the same may succeed later, so it is worth keeping.
    """

    reason: str
    detail: str
    passing: bool

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.reason]


def diagnose(error: BaseException) -> Fault:
    """Tell what ``error`` means. An error that the database did not send is taken as a fault of the entry's."""
    if isinstance(error, IntegrityError) or not isinstance(error, DBAPIError | SQLAlchemyError):
        original = error.orig if isinstance(error, DBAPIError) else None
        return Fault("refused", _text(original or error), passing=False)
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", None)
    state = getattr(original, "sqlstate", None)
    if code is not None:
        reason = _SQLITE.get(code & 0xFF, "other")
    elif state is not None:
        reason = _POSTGRES.get(state) or _POSTGRES.get(state[:2], "other")
    elif isinstance(error, DBAPIError) and error.connection_invalidated:
        reason = "unreachable"
    else:
        # psycopg's errors of a connection that was never made carry no state.
        reason = "unreachable" if type(original).__name__ in {"OperationalError", "TimeoutError"} else "other"
    return Fault(reason, _text(original or error), passing=reason != "other")


def _text(error: BaseException) -> str:
    """One line, without the statement's parameters and PostgreSQL's detail: those hold what callers said."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if primary:
        return f"{type(error).__name__}: {primary}"[:300]
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
