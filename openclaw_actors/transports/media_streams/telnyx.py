"""Telnyx media streaming, bidirectional in RTP mode: JSON texts (developers.telnyx.com, Media Streaming).

RTP mode means RTP's payloads, without headers: as of Twilio. Telnyx does not promise that pieces come in order; it
numbers them. What goes to Telnyx names no stream: the socket does. A piece may last 20 ms to 30 s.
"""

from __future__ import annotations

from collections.abc import Mapping

from openclaw_actors.transports.media_streams import reading
from openclaw_actors.transports.media_streams.framing import (
    Connected,
    FrameError,
    Ignored,
    MarkEchoed,
    Media,
    Started,
    Stopped,
    StreamEvent,
)
from openclaw_actors.transports.media_streams.reading import Message, part, said, text


class TelnyxFraming:
    """As Framing."""

    carrier = "telnyx"
    in_order = False
    says_stop = True

    def parse(self, message: str) -> StreamEvent:
        """As Framing.parse."""
        return reading.read(message, _READERS)

    def media(self, stream_id: str, payload: bytes) -> str:  # noqa: ARG002 - the socket is the stream
        """As Framing.media."""
        return said("media", media={"payload": reading.encoded(payload)})

    def mark(self, stream_id: str, name: str) -> str:  # noqa: ARG002 - likewise
        """As Framing.mark."""
        return said("mark", mark={"name": name})

    def clear(self, stream_id: str) -> str:  # noqa: ARG002 - likewise
        """As Framing.clear."""
        return said("clear")


def _started(message: Message) -> Started:
    start = part(message, "start")
    media = part(start, "media_format")
    return Started(
        stream_id=text(message, "stream_id"),
        account_id=text(start, "user_id"),
        carrier_call_id=reading.call_id(start, "call_control_id"),
        parameters={},
        is_mulaw=(media.get("encoding"), media.get("sample_rate"), media.get("channels")) == ("PCMU", 8000, 1),
    )


def _media(message: Message) -> Media | Ignored:
    """The caller's sound; with other settings Telnyx would send ours back as well, as another track."""
    return reading.media(message) if part(message, "media").get("track", "inbound") == "inbound" else Ignored()


def _error(message: Message) -> StreamEvent:
    """Telnyx did not understand us, or the call can't be streamed; nothing of it is quoted but its number."""
    code = part(message, "payload").get("code")
    raise FrameError(f"Telnyx tells of error {code if isinstance(code, int) else str(code)[:8]}")


_READERS: Mapping[str, reading.Reader] = {
    "connected": lambda _: Connected(),
    "start": _started,
    "media": _media,
    "mark": lambda message: MarkEchoed(text(part(message, "mark"), "name")),
    "dtmf": reading.digit,
    "error": _error,
    "stop": lambda _: Stopped(),
}
