"""Twilio Media Streams, bidirectional: JSON texts (twilio.com/docs/voice/media-streams/websocket-messages).

Numbers come as strings, but for the media format's. ``start.tracks`` and ``media.track`` say ``inbound`` where
``dtmf.track`` says ``inbound_track``; a bidirectional stream has no other.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from openclaw_actors.transports.media_streams.framing import (
    Connected,
    Digit,
    FrameError,
    Ignored,
    MarkEchoed,
    Media,
    Started,
    Stopped,
    StreamEvent,
)

_KEYS = frozenset("0123456789ABCD*#")
_NAME_LETTERS = 256
"""Of ids and marks; Twilio's own have 34."""
_LARGEST = 2**53
"""JSON's whole numbers; a chunk of 20 ms needs 5.7 million years to get there."""


class TwilioFraming:
    """As Framing."""

    carrier = "twilio"

    def parse(self, text: str) -> StreamEvent:
        """As Framing.parse."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise FrameError("it is no JSON") from None
        if not isinstance(message, dict):
            raise FrameError("it is no JSON object")
        event = message.get("event")
        if not isinstance(event, str):
            raise FrameError("it has no event")
        read = _READERS.get(event)
        return Ignored() if read is None else read(message)

    def media(self, stream_id: str, payload: bytes) -> str:
        """As Framing.media."""
        return _said("media", stream_id, media={"payload": base64.b64encode(payload).decode()})

    def mark(self, stream_id: str, name: str) -> str:
        """As Framing.mark."""
        return _said("mark", stream_id, mark={"name": name})

    def clear(self, stream_id: str) -> str:
        """As Framing.clear."""
        return _said("clear", stream_id)


def _said(event: str, stream_id: str, **more: Any) -> str:
    return json.dumps({"event": event, "streamSid": stream_id, **more}, separators=(",", ":"))


def _started(message: dict[str, Any]) -> Started:
    start = _part(message, "start")
    given = start.get("customParameters") or {}
    if not isinstance(given, dict):
        raise FrameError("customParameters is no object")
    media = _part(start, "mediaFormat")
    call = start.get("callSid")
    return Started(
        stream_id=_text(start, "streamSid"),
        account_id=_text(start, "accountSid"),
        carrier_call_id=call[:_NAME_LETTERS] if isinstance(call, str) else "",
        parameters={name: value for name, value in given.items() if isinstance(value, str)},
        is_mulaw=(media.get("encoding"), media.get("sampleRate"), media.get("channels")) == ("audio/x-mulaw", 8000, 1),
    )


def _media(message: dict[str, Any]) -> Media:
    media = _part(message, "media")
    payload = media.get("payload")
    if not isinstance(payload, str):
        raise FrameError("media has no payload")
    try:
        sound = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise FrameError("the payload is no base64") from None
    return Media(sound, _number(media, "chunk"), _number(media, "timestamp"))


def _digit(message: dict[str, Any]) -> Digit:
    digit = _part(message, "dtmf").get("digit")
    if not isinstance(digit, str) or digit not in _KEYS:
        raise FrameError("the digit is no key")
    return Digit(digit)


def _part(message: dict[str, Any], name: str) -> dict[str, Any]:
    part = message.get(name)
    if not isinstance(part, dict):
        raise FrameError(f"it has no {name}")
    return part


def _text(part: dict[str, Any], name: str) -> str:
    text = part.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= _NAME_LETTERS:
        raise FrameError(f"{name} is no text of 1 to {_NAME_LETTERS} letters")
    return text


def _number(part: dict[str, Any], name: str) -> int:
    """A whole number, as digits in a string or, by a carrier's later whim, bare."""
    number = part.get(name)
    if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) <= 16:
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _LARGEST:
        raise FrameError(f"{name} is no number")
    return number


_READERS: dict[str, Callable[[dict[str, Any]], StreamEvent]] = {
    "connected": lambda _: Connected(),
    "start": _started,
    "media": _media,
    "mark": lambda message: MarkEchoed(_text(_part(message, "mark"), "name")),
    "dtmf": _digit,
    "stop": lambda _: Stopped(),
}
