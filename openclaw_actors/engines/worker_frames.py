"""Frames between the host and a worker process: a 4-byte big-endian length, then a pickle of ``(kind, value)``.

Host to worker: ``hello`` (factory, options, niceness) once, then ``jobs`` (a batch: a list of pickled payloads) and
``cancel`` (None: of the one job of a batch of one).
Worker to host: ``ready`` (how many jobs it takes at once) or ``failed`` ((error kind, text)) once; then for each job,
named by its place in the batch, any number of ``chunk`` ((place, value)) and one of ``value`` ((place, value)), ``end``
((place, None)), ``error`` ((place, (error kind, text))).
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct("!I")

MAX_FRAME = 64 * 1024 * 1024
"""Bytes. The longest utterance, 30 s, is 1 MB; a length beyond this means that the stream holds something else."""

MAX_PAYLOAD = MAX_FRAME - 4096
"""Bytes of one pickled payload, so that a batch of one is a frame."""

Frame = tuple[str, Any]


class FrameError(Exception):
    """The bytes are no frame."""


def pack(kind: str, value: Any) -> bytes:
    """One frame, ready to be sent.

    Raises:
        Exception: whatever pickle finds wrong with the value.
        FrameError: it is larger than MAX_FRAME.
    """
    body = pickle.dumps((kind, value), protocol=pickle.HIGHEST_PROTOCOL)
    if len(body) > MAX_FRAME:
        raise FrameError(f"{len(body)} bytes are more than one frame holds")
    return _LENGTH.pack(len(body)) + body


def _unpack(body: bytes) -> Frame:
    try:
        frame = pickle.loads(body)  # noqa: S301 - both ends are this package, on a socketpair that nobody else has
    except Exception as error:  # a pickle of garbage may raise anything
        raise FrameError(f"not a pickle: {error!r}") from error
    match frame:
        case (str() as kind, value):
            return kind, value
    raise FrameError("not a pair of kind and value")


def _size(header: bytes) -> int:
    size: int = _LENGTH.unpack(header)[0]
    if size > MAX_FRAME:
        raise FrameError(f"a frame of {size} bytes")
    return size


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame, waiting for it (the worker's side); None at the end of the stream."""
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    size = _size(header)
    body = stream.read(size)
    return _unpack(body) if len(body) == size else None


async def receive_frame(reader: asyncio.StreamReader) -> Frame:
    """The next frame (the host's side), of a kind that a worker may send.

    Raises:
        FrameError: what came is none.
        asyncio.IncompleteReadError: the stream ended.
    """
    size = _size(await reader.readexactly(_LENGTH.size))
    frame = _unpack(await reader.readexactly(size))
    match frame:
        case ("ready", int()) | ("failed", (str(), str())) | ("error", (int(), (str(), str()))):
            return frame
        case ("chunk" | "value" | "end", (int(), _)):
            return frame
    raise FrameError(f"an unknown frame, {frame!r:.60}")
