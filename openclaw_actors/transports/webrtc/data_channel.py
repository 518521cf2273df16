"""JSON events to and from the client, over the data channel ``events`` that the client opens."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from aiortc import RTCDataChannel

from openclaw_actors.errors import RefusalError
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Limits

log = get_logger(__name__)

LABEL = "events"
_BUFFERED_BYTES = 256 * 1024
"""What may wait for a client that does not read: a minute of a lively call's events."""
_WAITING = 256
"""Events kept until the channel opens; it opens within a second of the media."""


class EventChannel:
    """One call's events, bounded both ways.

    Args:
        limits: ``event_bytes`` and ``events_per_second`` bound what the client sends.
        on_command: gets the client's objects; may raise RefusalError, which the client is told.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        limits: Limits,
        on_command: Callable[[Mapping[str, Any]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._on_command = on_command
        self._clock = clock
        self._channel: RTCDataChannel | None = None
        self._closed = False
        self._waiting: deque[str] = deque(maxlen=_WAITING)
        self._allowance = float(limits.events_per_second)
        self._allowed_at = clock()
        self._scolded_at = float("-inf")

    def adopt(self, channel: RTCDataChannel) -> None:
        """Use this channel if it is the first one called ``events``; close any other."""
        if channel.label != LABEL or self._channel is not None or self._closed:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._received)
        while self._waiting:
            self._put(self._waiting.popleft())

    def send(self, event: Mapping[str, Any]) -> None:
        """Send an object, or keep it until there is a channel; the oldest kept ones are dropped first."""
        if self._closed:
            return
        # ASCII, since a lone surrogate (JSON can name one) is nothing that UTF-8 could carry.
        text = json.dumps(event, separators=(",", ":"))
        if self._channel is None:
            self._waiting.append(text)
        else:
            self._put(text)

    def close(self) -> None:
        """Forget what waits, and the channel: nothing can be sent any more."""
        self._closed = True
        self._waiting.clear()
        self._channel = None

    def _put(self, text: str) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount + len(text) > _BUFFERED_BYTES:
            return
        channel.send(text)

    def _received(self, message: str | bytes) -> None:
        try:
            self._on_command(self._checked(message))
        except RefusalError as refusal:
            self._refuse(refusal)
        except Exception:  # it would end the task that reads the client's packets, and so the call
            log.exception("command failed")
            self._refuse(RefusalError(500, "internal_error", "The command failed here; it is logged."))

    def _checked(self, message: str | bytes) -> Mapping[str, Any]:
        """The object in a message.

        Raises:
            RefusalError: too many, too long, or no JSON object.
        """
        now = self._clock()
        rate = self._limits.events_per_second
        self._allowance = min(rate, self._allowance + (now - self._allowed_at) * rate)
        self._allowed_at = now
        if self._allowance < 1:
            raise RefusalError(429, "too_many_events", f"Send at most {rate} messages a second.")
        self._allowance -= 1
        if not isinstance(message, str):
            raise RefusalError(400, "bad_event", "Send text, not binary: one JSON object a message.")
        if len(message.encode("utf-8", "surrogatepass")) > self._limits.event_bytes:
            raise RefusalError(
                413, "event_too_large", f"A message may have {self._limits.event_bytes} bytes: send less at once."
            )
        try:
            value = json.loads(message)
        except (ValueError, RecursionError):
            raise RefusalError(400, "bad_event", "The message is no JSON: send one JSON object.") from None
        if not isinstance(value, dict):
            raise RefusalError(400, "bad_event", 'The message is no JSON object: send {"type": ...}.')
        return value

    def _refuse(self, refusal: RefusalError) -> None:
        if refusal.code == "too_many_events":  # told once a second, or the answers would be the flood
            now = self._clock()
            if now - self._scolded_at < 1:
                return
            self._scolded_at = now
        self.send({"type": "error", "data": {"code": refusal.code, "detail": refusal.detail}})
