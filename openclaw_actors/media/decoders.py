"""From a packet to 16 kHz samples.

libopus decodes at any of its rates, so it is asked for 16 kHz at once: 24 µs a packet of speech, where PyAV's decoder
and the way back from 48 kHz take 54 (measured in one run). PyAV knows no rate but 48 kHz; its
wheels bring the library.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any, Protocol
from weakref import finalize

import av
import numpy as np
import numpy.typing as npt

from openclaw_actors.media.codecs import OPUS, Codec
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE

Samples = npt.NDArray[np.int16]

_LONGEST = SAMPLE_RATE * 120 // 1000
"""Samples in a packet at most: RFC 7587 section 4.2."""


class UndecodableError(Exception):
    """The packet is broken."""


class Decoder(Protocol):
    """Follows one sender's packets."""

    def decode(self, payload: bytes) -> Samples:
        """16 kHz mono s16 of the next packet.

        Raises:
            UndecodableError: it is broken.
        """


def decoder(codec: Codec) -> Decoder:
    """The cheapest that this machine has."""
    if codec is OPUS and (library := _libopus()) is not None:
        return _OpusDecoder(library)
    return _AvDecoder(codec)


class _OpusDecoder:
    """libopus at 16 kHz mono: it mixes a stereo sender down, and spares itself what lies above 8 kHz."""

    def __init__(self, library: Any) -> None:
        failed = ctypes.c_int()
        self._state = library.opus_decoder_create(SAMPLE_RATE, 1, ctypes.byref(failed))
        if failed.value or not self._state:
            raise MemoryError(f"libopus gives no decoder: {failed.value}")
        finalize(self, library.opus_decoder_destroy, self._state)
        self._decode = library.opus_decode
        self._samples = np.zeros(_LONGEST, np.int16)
        self._address = self._samples.ctypes.data

    def decode(self, payload: bytes) -> Samples:
        """As Decoder.decode."""
        if not payload:
            raise UndecodableError("an empty packet")  # libopus would conceal 120 ms
        count = self._decode(self._state, payload, len(payload), self._address, _LONGEST, 0)
        if count < 0:
            raise UndecodableError(f"libopus error {count}")
        return self._samples[:count].copy()


class _AvDecoder:
    """PyAV's decoder, and its resampler behind it."""

    def __init__(self, codec: Codec) -> None:
        context = av.CodecContext.create("libopus" if codec is OPUS else "pcm_mulaw", "r")
        assert isinstance(context, av.AudioCodecContext)  # noqa: S101 - both are audio; this tells mypy
        context.layout = "mono"
        context.format = "s16"
        context.sample_rate = codec.clock_rate
        context.thread_count = 1
        self._context = context
        self._resampler = Resampler(codec.clock_rate, SAMPLE_RATE, primed=True)

    def decode(self, payload: bytes) -> Samples:
        """As Decoder.decode."""
        try:
            frames = self._context.decode(av.Packet(payload))
            pcm = b"".join([self._resampler.push_frame(frame) for frame in frames])
        except (av.FFmpegError, ValueError) as error:
            raise UndecodableError(str(error)) from None
        return np.frombuffer(pcm, np.int16)


@functools.cache
def _libopus() -> Any:
    """The library of PyAV's wheel; None where PyAV was built on a system's own, or is packed otherwise."""
    package = Path(av.__file__).parent
    for found in (*package.parent.glob("av.libs/libopus-*"), *package.glob(".dylibs/libopus*")):
        try:
            # PyDLL keeps the interpreter's lock: to give it up and fetch it again may take 5 ms when a thread encodes.
            library = ctypes.PyDLL(str(found))
            _declare(library)
        except (OSError, AttributeError):
            continue
        return library
    return None


def _declare(library: Any) -> None:
    """The three functions of opus.h that are used."""
    library.opus_decoder_create.restype = ctypes.c_void_p
    library.opus_decoder_create.argtypes = (ctypes.c_int32, ctypes.c_int, ctypes.POINTER(ctypes.c_int))
    library.opus_decoder_destroy.restype = None
    library.opus_decoder_destroy.argtypes = (ctypes.c_void_p,)
    library.opus_decode.restype = ctypes.c_int
    library.opus_decode.argtypes = (
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_int,
    )
