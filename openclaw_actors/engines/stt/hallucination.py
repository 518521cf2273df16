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
        "thanks for watching and see you in the next video",
        "i ll see you in the next video",
        "see you in the next video",
        "please subscribe",
        "please subscribe to my channel",
        "please like and subscribe",
        "don t forget to subscribe",
        "subtitles by the amara org community",
        "transcription by castingwords",
        "untertitel der amara org community",
        "untertitel im auftrag des zdf für funk 2017",
        "untertitelung des zdf 2020",
        "vielen dank fürs zuschauen",
        "sous titres réalisés par la communauté d amara org",
        "sous titrage société radio canada",
        "sous titrage st 501",
        "merci d avoir regardé cette vidéo",
        "subtítulos realizados por la comunidad de amara org",
        "gracias por ver el video",
        "sottotitoli creati dalla comunità amara org",
        "legendas pela comunidade amara org",
        "obrigado por assistir",
        "ondertitels ingediend door de amara org gemeenschap",
        "napisy stworzone przez społeczność amara org",
        "izlediğiniz için teşekkür ederim",
        "субтитры сделал dimatorzok",
        "субтитры создавал dimatorzok",
        "продолжение следует",
        "ご視聴ありがとうございました",
        "チャンネル登録お願いします",
        "시청해주셔서 감사합니다",
        "구독과 좋아요 부탁드립니다",
        "字幕由amara org社区提供",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "اشتركوا في القناة",
    }
)
"""Never said on a call, and the most frequent of what Whisper says to silence, by language."""

_POLITE = frozenset({"thank you", "thanks", "bye", "bye bye", "you", "okay", "so"})
"""Said on calls, but said by Whisper to silence too: believed unless it suspects silence itself."""

_SUSPECTS_SILENCE = 0.5

_ECHO_WORDS = 3
"""A caller may say a hot word, or two; three on end in the order of the settings are the settings."""

_ASIDES = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[♪♫]+")
"""What captions say of sounds: [BLANK_AUDIO], (applause), *coughs*. A text of nothing else holds no words."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded window. ``seconds`` is the length of its sound, without padding."""

    text: str
    seconds: float
    no_speech_prob: float
    average_log_probability: float
    language: str = ""
    """Empty where it had to be guessed and the guess is not sure."""


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


def made_up(decoded: Decoded, *, hotwords: str = "") -> bool:
    """Whether nobody said this. ``hotwords``: what the model was told to expect."""
    words = normalise(_ASIDES.sub(" ", decoded.text))
    if not words or words in _CLOSING_LINES:
        return True
    if decoded.no_speech_prob > NO_SPEECH and decoded.average_log_probability < AVERAGE_LOG_PROBABILITY:
        return True
    if decoded.no_speech_prob > _SUSPECTS_SILENCE and (words in _POLITE or _echoes(words, normalise(hotwords))):
        return True
    if len(words) > _SHORT_TEXT + _CHARACTERS_PER_SECOND * decoded.seconds:
        return True
    return loops(decoded.text)


def _echoes(words: str, hotwords: str) -> bool:
    """Whether it only says again what it was told to expect, as Whisper does in silence."""
    return words.count(" ") >= _ECHO_WORDS - 1 and f" {words} " in f" {hotwords} "
