"""Telnyx's end of a media stream, after developers.telnyx.com, Media Streaming over WebSockets (RTP mode)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from openclaw_actors.testkit.providers.carrier.stream import Message, StreamClient

if TYPE_CHECKING:
    from openclaw_actors.testkit.providers.telnyx.exchange import Exchange

_SWAPPED_EVERY = 40
"""Order is not promised: one piece in so many comes after the one that follows it."""
_RTP_S = (0.02, 30.0)
"""How long a piece may be that the host sends."""


class TelnyxStream(StreamClient):
    """As StreamClient. The token, where there is one, is in the verb's URL."""

    _late = ""

    def new_id(self) -> str:
        """As StreamClient.new_id."""
        return str(uuid4())

    def opening(self) -> Sequence[Message]:
        """As StreamClient.opening."""
        exchange = cast("Exchange", self.exchange)
        start = {
            "user_id": exchange.user_id,
            "call_control_id": self.call_id,
            "call_session_id": str(uuid4()),
            "from": "",
            "to": "",
            "tags": [],
            "client_state": "",
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        }
        return ({"event": "connected", "version": "1.0.0"}, self._message("start", start=start))

    def speech(self, sound: str, at_ms: int) -> Sequence[str]:
        """As StreamClient.speech."""
        chunk = self.next_chunk()
        text = (
            f'{{"event":"media","sequence_number":"{self.numbered()}","media":{{"track":"inbound","chunk":"{chunk}",'
            f'"timestamp":"{at_ms}","payload":"{sound}"}},"stream_id":"{self.stream_id}"}}'
        )
        if chunk % _SWAPPED_EVERY == 0:
            self._late = text
            return ()
        sent, self._late = [text, self._late] if self._late else [text], ""
        return sent

    def key(self, digit: str) -> Message:
        """As StreamClient.key."""
        return self._message("dtmf", dtmf={"digit": digit})

    def echo(self, name: str, *, played: bool) -> Message:  # noqa: ARG002 - Telnyx sends back both
        """As StreamClient.echo."""
        return self._message("mark", mark={"name": name})

    def closing(self) -> Sequence[Message]:
        """As StreamClient.closing."""
        exchange = cast("Exchange", self.exchange)
        return (self._message("stop", stop={"user_id": exchange.user_id, "call_control_id": self.call_id}),)

    def understand(self, message: Message) -> bool:
        """As StreamClient.understand."""
        kind = message["event"]
        if kind == "media":
            payload = message["media"]["payload"]
            if not _RTP_S[0] <= len(payload) * 3 / 4 / 8000 + 0.001 <= _RTP_S[1]:
                return False
            self.take(payload)
        elif kind == "mark":
            self.mark(str(message["mark"]["name"]))
        elif kind == "clear":
            self.clear()
        else:
            return False
        return True

    def _message(self, event: str, **body: Any) -> Message:
        return {"event": event, "sequence_number": str(self.numbered()), **body, "stream_id": self.stream_id}
