"""Plivo audio streaming, bidirectional: JSON texts (plivo.com/docs/voice-agents/audio-streaming).

There is no ``connected`` and no ``stop``: the socket's opening and closing say so. A checkpoint comes back as
``playedStream`` once what was sent before it has been played; one that a ``clearAudio`` has thrown away never does.
"""

from __future__ import annotations

from collections.abc import Mapping

from openclaw_actors.transports.media_streams import reading
from openclaw_actors.transports.media_streams.framing import Ignored, MarkEchoed, Media, Started, Stopped, StreamEvent
from openclaw_actors.transports.media_streams.reading import Message, part, said, text


class PlivoFraming:
    """As Framing."""

    carrier = "plivo"
    in_order = True
    says_stop = False

    def parse(self, message: str) -> StreamEvent:
        """As Framing.parse."""
        return reading.read(message, _READERS)

    def media(self, stream_id: str, payload: bytes) -> str:  # noqa: ARG002 - the socket is the stream
        """As Framing.media."""
        sound = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": reading.encoded(payload)}
        return said("playAudio", media=sound)

    def mark(self, stream_id: str, name: str) -> str:
        """As Framing.mark."""
        return said("checkpoint", streamId=stream_id, name=name)

    def clear(self, stream_id: str) -> str:
        """As Framing.clear."""
        return said("clearAudio", streamId=stream_id)


def _started(message: Message) -> Started:
    start = part(message, "start")
    media = part(start, "mediaFormat")
    return Started(
        stream_id=text(start, "streamId"),
        account_id=text(start, "accountId"),
        carrier_call_id=reading.call_id(start, "callId"),
        parameters={},
        is_mulaw=(media.get("encoding"), media.get("sampleRate")) == ("audio/x-mulaw", 8000),
    )


def _media(message: Message) -> Media | Ignored:
    return reading.media(message) if part(message, "media").get("track", "inbound") == "inbound" else Ignored()


_READERS: Mapping[str, reading.Reader] = {
    "start": _started,
    "media": _media,
    "playedStream": lambda message: MarkEchoed(text(message, "name")),
    "dtmf": reading.digit,
    # Plivo's reference knows none, and some of its examples wait for one.
    "stop": lambda _: Stopped(),
}
