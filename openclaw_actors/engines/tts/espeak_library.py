"""libespeak-ng through ctypes, as it runs in its worker process.

The library is one global synthesiser and not thread-safe; a crash in it must not take calls. The PyPI package
espeakng-loader carries library and data, so nothing is installed by hand. API: espeak-ng's ``speak_lib.h``.
"""

from __future__ import annotations

import ctypes
import difflib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import espeakng_loader

from openclaw_actors.errors import BrokenEngineError, UnavailableEngineError

SAMPLE_RATE = 22_050
"""Hz; what every voice of espeak-ng's own synthesiser makes."""

_AUDIO_OUTPUT_SYNCHRONOUS = 2  # sound goes to the callback, and Synth returns when all is made
_DONT_EXIT = 0x8000  # espeak_Initialize: report missing data, in place of exit(1)
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_RATE = 1
_OK = 0
_BUFFER_MS = 60
"""Sound in one call of the callback. Its first comes after 0.2-1 ms."""


class _Voice(ctypes.Structure):
    """``espeak_VOICE``, as far as it is public."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),  # a priority byte before each, an empty one last
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("private1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("private2", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
"""``t_espeak_callback``: samples, their count, events."""


class EspeakLibrary:
    """The synthesiser: called with a text, it yields s16 mono at SAMPLE_RATE. One at a time.

    Args:
        voice: a language such as ``en-us``, a voice's name, or either with a variant, such as ``en-us+f3``.
        speed: words a minute.

    Raises:
        UnavailableEngineError: the library won't load, or it has no such voice.
    """

    def __init__(self, voice: str, speed: int) -> None:
        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
            data = str(Path(espeakng_loader.get_data_path()).parent).encode()
        except (OSError, RuntimeError) as error:
            raise UnavailableEngineError(f"espeak-ng won't load: {error}; install espeakng-loader again") from error
        rate = self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, data, _DONT_EXIT)
        if rate != SAMPLE_RATE:
            raise UnavailableEngineError(f"espeak-ng can't use its data: it answered {rate} Hz, not {SAMPLE_RATE}")
        if self._library.espeak_SetVoiceByName(voice.encode()) != _OK:
            near = difflib.get_close_matches(voice, self._voices(), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "tts.espeak_ng.voice takes a language, as en-us"
            raise UnavailableEngineError(f"espeak-ng has no voice {voice!r}; {hint}")
        self._library.espeak_SetParameter(_RATE, speed, 0)
        self._callback = _Callback(self._made)
        self._library.espeak_SetSynthCallback(self._callback)
        self._sound: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def __call__(self, text: str) -> Iterator[bytes]:
        """Speak: yields sound as it is made; closing the generator stops the making.

        Raises:
            BrokenEngineError: the library refused the text.
        """
        self._stopped.clear()
        self._sound = queue.SimpleQueue()
        outcome: list[int] = []
        synthesis = threading.Thread(target=self._synthesise, args=(text, outcome), name="espeak-ng")
        synthesis.start()
        try:
            while (sound := self._sound.get()) is not None:
                yield sound
        finally:
            self._stopped.set()
            synthesis.join()
        if outcome != [_OK]:
            raise BrokenEngineError(f"espeak-ng answered with error {outcome}")

    def _synthesise(self, text: str, outcome: list[int]) -> None:
        try:
            # A zero byte would end the text early. No SSML, no phoneme brackets: text can't command the voice.
            encoded = text.replace("\0", " ").encode("utf-8", "replace")
            outcome.append(
                self._library.espeak_Synth(
                    encoded, ctypes.c_size_t(len(encoded) + 1), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
                )
            )
        finally:
            self._sound.put(None)

    def _made(self, samples: int | None, count: int, _events: int | None) -> int:
        """Called by the library with sound, None at the end of a text; a 1 in return stops it."""
        if samples and count > 0:
            self._sound.put(ctypes.string_at(samples, count * 2))
        return int(self._stopped.is_set())

    def _voices(self) -> list[str]:
        """Every language that has a voice."""
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        listed = self._library.espeak_ListVoices(None)
        languages = []
        for voice in listed:
            if not voice:
                break
            languages.append((voice.contents.languages or b" ")[1:].decode("utf-8", "replace"))
        return languages
