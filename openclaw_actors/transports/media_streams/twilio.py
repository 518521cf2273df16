"""Twilio Media Streams, bidirectional: JSON texts (twilio.com/docs/voice/media-streams/websocket-messages).

Numbers come as strings, but for the media format's. ``start.tracks`` and ``media.track`` say ``inbound`` where
``dtmf.track`` says ``inbound_track``; a bidirectional stream has no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from openclaw_actors.transports.media_streams import reading
from openclaw_actors.transports.media_streams.framing import (
    Connected,
    FrameError,
    MarkEchoed,
    Started,
    Stopped,
    StreamEvent,
)
from openclaw_actors.transports.media_streams.reading import Message, part, said, text


class TwilioFraming:
    """As Framing."""

    carrier = "twilio"
    in_order = True
    says_stop = True

    def parse(self, message: str) -> StreamEvent:
        """As Framing.parse."""
        return reading.read(message, _READERS)

    def media(self, stream_id: str, payload: bytes) -> str:
        """As Framing.media."""
        return said("media", streamSid=stream_id, media={"payload": reading.encoded(payload)})

    def mark(self, stream_id: str, name: str) -> str:
        """As Framing.mark."""
        return said("mark", streamSid=stream_id, mark={"name": name})

    def clear(self, stream_id: str) -> str:
        """As Framing.clear."""
        return said("clear", streamSid=stream_id)


def _started(message: Message) -> Started:
    start = part(message, "start")
    given = start.get("customParameters") or {}
    if not isinstance(given, dict):
        raise FrameError("customParameters is no object")
    media = part(start, "mediaFormat")
    return Started(
        stream_id=text(start, "streamSid"),
        account_id=text(start, "accountSid"),
        carrier_call_id=reading.call_id(start, "callSid"),
        parameters={name: value for name, value in given.items() if isinstance(value, str)},
        is_mulaw=(media.get("encoding"), media.get("sampleRate"), media.get("channels")) == ("audio/x-mulaw", 8000, 1),
    )


_READERS: Mapping[str, reading.Reader] = {
    "connected": lambda _: Connected(),
    "start": _started,
    "media": reading.media,
    "mark": lambda message: MarkEchoed(text(part(message, "mark"), "name")),
    "dtmf": reading.digit,
    "stop": lambda _: Stopped(),
}
