"""libopus itself, by ctypes: what PyAV's decoder and encoder of Opus do not offer or do at a price.

PyAV's wheels bring the library. Where they do not (built on a system's own, or packed otherwise), PyAV serves.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any
from weakref import finalize

import av

_LOW_DELAY = 2051
_SET_BITRATE, _SET_VBR, _SET_COMPLEXITY, _SET_VBR_CONSTRAINT = 4002, 4006, 4010, 4020
"""opus_defines.h."""
_LONGEST_PACKET = 1275
"""Bytes: RFC 6716 section 3.4."""


class OpusEncoder:
    """CELT, mono.

    Args:
        library: ``libopus``'s.
        sample_rate: Hz, one of libopus' own.
        bits: a second, on average.
        complexity: 0, the cheapest, to 10.
    """

    def __init__(self, library: Any, sample_rate: int, bits: int, complexity: int) -> None:
        failed = ctypes.c_int()
        self._state = library.opus_encoder_create(sample_rate, 1, _LOW_DELAY, ctypes.byref(failed))
        if failed.value or not self._state:
            raise MemoryError(f"libopus gives no encoder: {failed.value}")
        finalize(self, library.opus_encoder_destroy, self._state)
        wanted = ((_SET_BITRATE, bits), (_SET_VBR, 1), (_SET_VBR_CONSTRAINT, 0), (_SET_COMPLEXITY, complexity))
        for request, value in wanted:
            library.opus_encoder_ctl(self._state, request, ctypes.c_int32(value))
        self._encode = library.opus_encode
        self._packet = ctypes.create_string_buffer(_LONGEST_PACKET)

    def encode(self, pcm: bytes) -> bytes:
        """One packet of ``pcm``, s16: 2.5 to 60 ms of it."""
        size = self._encode(self._state, pcm, len(pcm) // 2, self._packet, _LONGEST_PACKET)
        if size < 0:
            raise ValueError(f"libopus error {size}")
        return ctypes.string_at(self._packet, size)


@functools.cache
def libopus() -> Any:
    """The library of PyAV's wheel; None where there is none.

    Its functions keep the interpreter's lock: to give it up and fetch it again may take 5 ms when another thread is at
    work, which is much for a call of 20 to 70 µs.
    """
    package = Path(av.__file__).parent
    for found in (*package.parent.glob("av.libs/libopus-*"), *package.glob(".dylibs/libopus*")):
        try:
            library = ctypes.PyDLL(str(found))
            _declare(library)
        except (OSError, AttributeError):
            continue
        return library
    return None


def _declare(library: Any) -> None:
    """The functions of opus.h that are used."""
    number, state, error = ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
    library.opus_decoder_create.restype = library.opus_encoder_create.restype = state
    library.opus_decoder_create.argtypes = (ctypes.c_int32, number, error)
    library.opus_encoder_create.argtypes = (ctypes.c_int32, number, number, error)
    for destroy in (library.opus_decoder_destroy, library.opus_encoder_destroy):
        destroy.restype = None
        destroy.argtypes = (state,)
    library.opus_decode.restype = number
    library.opus_decode.argtypes = (state, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, number, number)
    library.opus_encode.restype = ctypes.c_int32
    library.opus_encode.argtypes = (state, ctypes.c_char_p, number, ctypes.c_char_p, ctypes.c_int32)
    library.opus_encoder_ctl.restype = number
    library.opus_encoder_ctl.argtypes = (state, number)  # and what the request takes
