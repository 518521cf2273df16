"""What a call tells programs outside: numbered events, to its own client and to whoever listens on the host."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Listener = Callable[[Event], None]


def ulid() -> str:
    """A sortable id of 26 characters: 48 bits of milliseconds, 80 of chance (github.com/ulid/spec)."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def now_rfc3339() -> str:
    """The time as the API writes it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventHub:
    """Every listener on this host hears every event; one that raises is taken off."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear all events from now on, on the loop; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def publish(self, event: Event) -> None:
        """Tell all."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - a listener's fault must not be the call's
                _log.exception("an event listener failed and is taken off", type=event.type)
                self._listeners.remove(listener)


class EventLog:
    """One call's events: numbers them and sends them to the hub and to the call's own client."""

    def __init__(self, call_id: str, hub: EventHub, to_client: Callable[[Mapping[str, Any]], None]) -> None:
        self._call_id = call_id
        self._hub = hub
        self._to_client = to_client
        self._sequence = 0

    def publish(self, kind: str, **data: Any) -> None:
        """Publish an event of type ``kind``, such as ``call.answered``."""
        self._sequence += 1
        event = Event(f"evt_{ulid()}", kind, now_rfc3339(), self._call_id, self._sequence, data)
        self._hub.publish(event)
        self._to_client(event.as_dict())

    def refuse(self, code: str, detail: str) -> None:
        """Tell the call's own client that a command of its was not carried out."""
        self._to_client({"type": "error", "data": {"code": code, "detail": detail}})
