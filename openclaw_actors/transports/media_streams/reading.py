"""Carriers' JSON texts, read with distrust: what all framings check alike."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from openclaw_actors.transports.media_streams.framing import Digit, FrameError, Ignored, Media, StreamEvent

Message = dict[str, Any]
Reader = Callable[[Message], StreamEvent]

NAME_LETTERS = 256
"""Of ids and marks; Twilio's own have 34, Telnyx's ids of calls some 60."""
_KEYS = frozenset("0123456789ABCD*#")
_LARGEST = 2**53
"""JSON's whole numbers; a chunk of 20 ms needs 5.7 million years to get there."""


def read(text: str, readers: Mapping[str, Reader]) -> StreamEvent:
    """What a message says, by its ``event``; one of a kind that nobody reads is ignored.

    Raises:
        FrameError: it can't be read.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise FrameError("it is no JSON") from None
    if not isinstance(message, dict):
        raise FrameError("it is no JSON object")
    event = message.get("event")
    if not isinstance(event, str):
        raise FrameError("it has no event")
    reader = readers.get(event)
    return Ignored() if reader is None else reader(message)


def said(event: str, **more: Any) -> str:
    """A message to the carrier."""
    return orjson.dumps({"event": event, **more}).decode()


def encoded(payload: bytes) -> str:
    """Sound as all carriers take it."""
    return base64.b64encode(payload).decode()


def part(message: Message, name: str) -> Message:
    """An object within one."""
    inner = message.get(name)
    if not isinstance(inner, dict):
        raise FrameError(f"it has no {name}")
    return inner


def text(inner: Message, name: str) -> str:
    """A name: not empty, and bounded."""
    value = inner.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LETTERS:
        raise FrameError(f"{name} is no text of 1 to {NAME_LETTERS} letters")
    return value


def call_id(inner: Message, name: str) -> str:
    """The carrier's name for the call; empty where it is left out."""
    value = inner.get(name)
    return value[:NAME_LETTERS] if isinstance(value, str) else ""


def number(inner: Message, name: str) -> int:
    """A whole number, as digits in a string or, by another carrier's or a later whim, bare."""
    value = inner.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 16:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
        raise FrameError(f"{name} is no number")
    return value


def media(message: Message) -> Media:
    """A piece of sound; all carriers say it alike."""
    inner = part(message, "media")
    payload = inner.get("payload")
    if not isinstance(payload, str):
        raise FrameError("media has no payload")
    try:
        sound = binascii.a2b_base64(payload, strict_mode=True)
    except (binascii.Error, ValueError):
        raise FrameError("the payload is no base64") from None
    return Media(sound, number(inner, "chunk"), number(inner, "timestamp"))


def digit(message: Message) -> Digit:
    """A key; all carriers say it alike."""
    key = part(message, "dtmf").get("digit")
    if not isinstance(key, str) or key not in _KEYS:
        raise FrameError("the digit is no key")
    return Digit(key)
