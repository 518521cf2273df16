"""Who listens in on a call: both of its sides as one sound, made once for all of them, and only while there are any.

The sound is stereo mu-law at 16 kHz, the caller left and the agent right, 20 ms at a time: 256 kbit/s. It takes no
encoder, so listening costs the loop 36 µs a frame, 0.18 % of a core a call, and no thread; each sample stands for
itself, so a listener who is too slow can lose any of it and goes on without a click of a codec's.
"""

from __future__ import annotations

import struct
from typing import Protocol

import numpy as np

from openclaw_actors.media import mulaw
from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.decoders import Decoder, UndecodableError, decoder
from openclaw_actors.messages import FRAME, SAMPLE_RATE

CHANNELS = 2
FRAME_BYTES = FRAME * CHANNELS
"""Bytes of 20 ms as a listener gets them."""

_LEAD_FRAMES = 3
"""The agent's voice waits for so many of the caller's frames when it sets in: these come with the network's jitter, and
a voice that waits for none of it would be torn by the first that is late."""
_AGENT_BYTES = 2 * SAMPLE_RATE * 2
"""Two seconds of the agent may wait for the caller's clock; beyond that the caller's sound has stopped."""
_SILENCE = bytes(FRAME * 2)
_ENDLESS = 0xFFFF_FFFF
_MULAW = 7
"""WAVE_FORMAT_MULAW (RFC 2361)."""


class Listener(Protocol):
    """Somebody who listens in. Both are called on the event loop, between the packets of the call: be short."""

    def hear(self, sound: bytes) -> None:
        """The next 20 ms: FRAME_BYTES of stereo mu-law. Never blocks, never raises."""

    def end(self) -> None:
        """There will be no more."""


def wav_header() -> bytes:
    """The head of a WAV stream of this sound that has no end (RIFF; the sizes are the largest there are)."""
    rate = SAMPLE_RATE * CHANNELS
    form = struct.pack("<HHIIHHH", _MULAW, CHANNELS, SAMPLE_RATE, rate, CHANNELS, 8, 0)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", _ENDLESS, b"WAVE"),
            struct.pack("<4sI", b"fmt ", len(form)),
            form,
            struct.pack("<4sI", b"data", _ENDLESS),
        )
    )


class Audience:
    """One call's listeners. The caller's frames are its clock; what the agent says waits for them."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._agent = bytearray()
        self._lead = 0
        self._decoder: Decoder | None = None
        self._codec: Codec | None = None
        self._rests = True
        """The decoder has heard silence since the last sound; more of it would change nothing."""

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: Listener) -> None:
        """Let one more listen."""
        if not self._listeners:
            self._agent.clear()
        self._listeners.append(listener)

    def remove(self, listener: Listener) -> bool:
        """Let one go; whether they were there."""
        if listener not in self._listeners:
            return False
        self._listeners.remove(listener)
        return True

    def agent(self, packet: bytes, codec: Codec) -> None:
        """The caller hears this packet now: speech, music, a clip, silence. A broken one is left out."""
        if self._decoder is None or codec != self._codec:
            self._decoder, self._codec, self._rests = decoder(codec), codec, True
        if packet == codec.silence and self._rests:
            return
        self._rests = packet == codec.silence
        try:
            pcm = self._decoder.decode(packet).tobytes()
        except UndecodableError:
            return
        if not self._agent:
            self._lead = _LEAD_FRAMES
        self._agent += pcm
        if len(self._agent) > _AGENT_BYTES:
            del self._agent[: len(self._agent) - _AGENT_BYTES]

    def caller(self, pcm: bytes) -> None:
        """The caller's next FRAME samples, s16 mono at 16 kHz: everybody hears it, and the agent beside it."""
        stereo = np.empty((FRAME, CHANNELS), "<i2")
        stereo[:, 0] = np.frombuffer(pcm, "<i2")
        stereo[:, 1] = np.frombuffer(self._next_of_agent(), "<i2")
        sound = mulaw.encode(stereo.tobytes())
        for listener in self._listeners:
            listener.hear(sound)

    def _next_of_agent(self) -> bytes:
        if not self._agent:
            return _SILENCE
        if self._lead:
            self._lead -= 1
            return _SILENCE
        size = len(_SILENCE)
        frame = bytes(self._agent[:size])
        del self._agent[:size]
        return frame.ljust(size, b"\0")

    def end(self) -> None:
        """The call is over."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.end()
