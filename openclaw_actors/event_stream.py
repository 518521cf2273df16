"""Reading server-sent events (html.spec.whatwg.org, 9.2) as they come."""

from __future__ import annotations

import re

_END_OF_LINE = re.compile(rb"\r\n|\n|\r(?!$)")
"""A CR at the very end may be the first half of a CRLF."""
_LONGEST = 1 << 20
"""Bytes of an event: far more than any token or any event of ours; who sends more without an end is ill."""


class EventStream:
    """Turns bytes into the ``data`` of events; ids are in the data, and comments are heartbeats."""

    def __init__(self) -> None:
        self.retry_s: float | None = None
        """How long the sender asks to wait before the stream is opened anew."""
        self.over = False
        """The sender has said that nothing will follow."""
        self._buffer = b""
        self._data: list[str] = []
        self._held = 0

    def push(self, chunk: bytes) -> list[str]:
        """The data of the events that ``chunk`` completes.

        Raises:
            ValueError: an event is longer than 1 MiB.
        """
        *lines, self._buffer = _END_OF_LINE.split(self._buffer + chunk)
        events = [data for line in lines if (data := self._line(line.decode(errors="replace"))) is not None]
        if len(self._buffer) + self._held > _LONGEST:
            raise ValueError(f"an event of more than {_LONGEST} bytes")
        return events

    def _line(self, line: str) -> str | None:
        if not line:
            data, self._data, self._held = self._data, [], 0
            return "\n".join(data) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._held += len(value) + 1  # an empty line of data holds memory too
        elif name == "retry" and value.isdigit():
            self.retry_s = int(value) / 1000
        return None
