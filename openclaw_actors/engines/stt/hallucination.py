"""What Whisper makes up: text for silence, for noise, and loops. Pure.

Trained on captioned videos, it answers silence with their closing lines, and a decoder that has lost its place repeats
itself. None of the signs is enough alone (``no_speech_prob`` least of all), so each rule here joins two, or needs
none but the text.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

NO_SPEECH = 0.6
AVERAGE_LOG_PROBABILITY = -1.0
COMPRESSION_RATIO = 2.4
"""Whisper's own thresholds, from its paper (Radford et al. 2022, §4.5)."""

_CHARACTERS_PER_SECOND = 25.0
"""The fastest speech in the languages of the Latin script has about 20."""

_SHORT_TEXT = 16
"""Characters that any utterance may have: voice detection cuts the silence around a quick "no thank you"."""

_LOOPS = re.compile(r"(?:^| )(?:(\S+)(?: \1){7,}|(\S+(?: \S+){1,7}?)(?: \2){3,})(?= |$)")
"""One word 8 times on end, or a phrase of 2 to 8 words 4 times. Telephone numbers and "no, no, no" stay below."""

_CLOSING_LINES = frozenset(
    {
        "thanks for watching",
        "thank you for watching",
        "thank you so much for watching",
        "please subscribe to my channel",
        "please like and subscribe",
        "subtitles by the amara org community",
        "transcription by castingwords",
        "untertitel der amara org community",
        "untertitel im auftrag des zdf für funk 2017",
        "sous titres réalisés par la communauté d amara org",
        "subtítulos realizados por la comunidad de amara org",
        "ご視聴ありがとうございました",
    }
)
"""Never said on a call, and the most frequent of what Whisper says to silence."""

_POLITE = frozenset({"thank you", "thanks", "bye", "bye bye", "you", "okay", "so"})
"""Said on calls, but said by Whisper to silence too: believed unless it suspects silence itself."""

_SUSPECTS_SILENCE = 0.5


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded window. ``seconds`` is the length of its sound, without padding."""

    text: str
    seconds: float
    no_speech_prob: float
    average_log_probability: float


def normalise(text: str) -> str:
    """Lower case, words only, single spaces."""
    return " ".join(re.findall(r"\w+", text.lower()))


def compression_ratio(text: str) -> float:
    """How often the text says the same: its bytes by the bytes that zlib needs for them."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def loops(text: str) -> bool:
    """Whether the decoder went round in circles."""
    return compression_ratio(text) > COMPRESSION_RATIO or _LOOPS.search(normalise(text)) is not None


def made_up(decoded: Decoded) -> bool:
    """Whether nobody said this."""
    words = normalise(decoded.text)
    if not words or words in _CLOSING_LINES:
        return True
    if decoded.no_speech_prob > NO_SPEECH and decoded.average_log_probability < AVERAGE_LOG_PROBABILITY:
        return True
    if decoded.no_speech_prob > _SUSPECTS_SILENCE and words in _POLITE:
        return True
    if len(words) > _SHORT_TEXT + _CHARACTERS_PER_SECOND * decoded.seconds:
        return True
    return loops(decoded.text)
