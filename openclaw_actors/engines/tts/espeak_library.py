"""libespeak-ng through ctypes, as it runs in its worker process.

The library is one global synthesiser and not thread-safe; a crash in it must not take calls. The PyPI package
espeakng-loader carries library and data, so nothing is installed by hand. API: espeak-ng's ``speak_lib.h``.
"""

from __future__ import annotations

import ctypes
import difflib
import itertools
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import espeakng_loader

from openclaw_actors.errors import BrokenEngineError, UnavailableEngineError
from openclaw_actors.messages import WordTime

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
_EVENT_LIST_ENDS = 0
_EVENT_WORD = 1
_SLOWEST, _FASTEST = 80, 450
"""Words a minute that espeak-ng can speak."""


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


class _Event(ctypes.Structure):
    """``espeak_EVENT``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # letters, the first is 1
        ("length", ctypes.c_int),  # of the word, in letters
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
"""``t_espeak_callback``: samples, their count, events."""


@dataclass(frozen=True, slots=True)
class Order:
    """How one phrase is spoken: the first of ``voices`` that there is, else the settings'; ``rate`` times as fast."""

    voices: tuple[str, ...] = ()
    rate: float = 1.0


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
        self._places = self._voices()
        if not self._has(voice):
            near = difflib.get_close_matches(voice, self._places, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "tts.espeak_ng.voice takes a language, as en-us"
            raise UnavailableEngineError(f"espeak-ng has no voice {voice!r}; {hint}")
        self._own, self._speed = voice, speed
        self._last: tuple[str, int] = ("", 0)
        self._callback = _Callback(self._made)
        self._library.espeak_SetSynthCallback(self._callback)
        self._sound: queue.SimpleQueue[bytes | WordTime | None] = queue.SimpleQueue()
        self._word_end = 0
        self._stopped = threading.Event()

    def __call__(self, job: tuple[str, Order]) -> Iterator[bytes | WordTime]:
        """Speak: yields sound as it is made, and when each word ends; closing the generator stops the making.

        Raises:
            BrokenEngineError: the library refused the text.
        """
        text, order = job
        self._take(order)
        self._stopped.clear()
        self._word_end = 0
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

    def _take(self, order: Order) -> None:
        """Take the voice and the speed that are asked for; a voice that was taken before costs nothing."""
        speed = max(_SLOWEST, min(_FASTEST, round(self._speed * order.rate)))
        for voice in (*order.voices, self._own):
            if (voice, speed) == self._last:
                return
            if self._has(voice):
                self._library.espeak_SetParameter(_RATE, speed, 0)
                self._last = (voice, speed)
                return

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

    def _made(self, samples: int | None, count: int, events: Any) -> int:
        """Called by the library with sound, None at the end of a text; a 1 in return stops it."""
        self._tell_words(events)
        if samples and count > 0:
            self._sound.put(ctypes.string_at(samples, count * 2))
        return int(self._stopped.is_set())

    def _tell_words(self, events: Any) -> None:
        """The library tells where a word begins: there the one before it has ended."""
        for number in itertools.count() if events else ():
            event = events[number]
            if event.type == _EVENT_LIST_ENDS:
                return
            if event.type == _EVENT_WORD:
                if self._word_end:
                    self._sound.put(WordTime(event.audio_position / 1000, self._word_end))
                self._word_end = event.text_position - 1 + event.length

    def _has(self, voice: str) -> bool:
        """Whether there is such a voice; it is taken. British English is the voice ``en``, and found as en-gb too."""
        language, plus, variant = voice.partition("+")
        place = self._places.get(language.lower(), "")
        names = (voice, f"{place}{plus}{variant}" if place else "")
        return any(name and self._library.espeak_SetVoiceByName(name.encode()) == _OK for name in names)

    def _voices(self) -> dict[str, str]:
        """Every language that has a voice, and the voice's file."""
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        listed = self._library.espeak_ListVoices(None)
        languages = {}
        for voice in listed:
            if not voice:
                break
            name = (voice.contents.languages or b" ")[1:].decode("utf-8", "replace")
            languages[name] = (voice.contents.identifier or b"").decode("utf-8", "replace")
        return languages
