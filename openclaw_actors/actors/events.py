"""What a call tells programs outside: numbered events, to its own client and to whoever listens on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.stamps import now_rfc3339, ulid

__all__ = ["EventHub", "EventLog", "Journal", "Listener", "NodeLog", "now_rfc3339", "ulid"]

_log = get_logger(__name__)

Listener = Callable[[Event], None]


class Journal(Protocol):
    """Where events are put on record before anybody hears them (actors/recorder.py)."""

    def record(self, event: Event, tell: Listener) -> None:
        """Write the event, then call ``tell`` with it; what was given first is told first."""


class EventHub:
    """Every listener on this host hears every event, once it is on record; one that raises is taken off."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._journal: Journal | None = None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hear all events from now on, on the loop; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def keep_in(self, journal: Journal | None) -> None:
        """Put events on record there from now on; without a journal listeners hear them at once."""
        self._journal = journal

    def publish(self, event: Event) -> None:
        """Tell all, through the journal."""
        if self._journal is None:
            self.tell(event)
        else:
            self._journal.record(event, self.tell)

    def tell(self, event: Event) -> None:
        """Tell all at once, with nothing on record."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - a listener's fault must not be the call's
                _log.exception("an event listener failed and is taken off", type=event.type)
                if listener in self._listeners:
                    self._listeners.remove(listener)


class NodeLog:
    """What the host itself tells, such as that it will end: of no call, on no record, to all at once.

    Args:
        hub: listeners of the host.
        to_clients: sends to the client of every call.
    """

    def __init__(self, hub: EventHub, to_clients: Callable[[Mapping[str, Any]], None]) -> None:
        self._hub = hub
        self._to_clients = to_clients
        self._sequence = 0

    def publish(self, kind: str, **data: Any) -> None:
        """Publish an event of type ``kind``, such as ``node.draining``."""
        self._sequence += 1
        event = Event(f"evt_{ulid()}", kind, now_rfc3339(), "", self._sequence, data)
        self._hub.tell(event)
        self._to_clients(event.as_dict())


class EventLog:
    """One call's events: numbers them and sends them to the hub and, at once, to the call's own client."""

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
