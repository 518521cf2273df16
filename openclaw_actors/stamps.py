"""Ids and times as the API writes them."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid() -> str:
    """A sortable id of 26 characters: 48 bits of milliseconds, 80 of chance (github.com/ulid/spec)."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def rfc3339(at: datetime) -> str:
    """A time as the API writes it: RFC 3339, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_rfc3339() -> str:
    """The time now, as the API writes it."""
    return rfc3339(datetime.now(UTC))
