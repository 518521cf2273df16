"""Which of Microsoft's voices speaks, when a call asks for a voice or a language."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[a-z]{2,3}(-[A-Z][A-Za-z]+)?-[A-Z]{2,3}(-[a-z]+)?-[A-Za-z]+Neural")
"""``de-DE-KatjaNeural``, ``zh-CN-liaoning-XiaobeiNeural``, ``iu-Latn-CA-SiqiniqNeural``."""

_EVERY_LANGUAGE = "Multilingual"
"""A voice with this in its name finds the language out from the text."""

BY_LANGUAGE: Mapping[str, str] = {
    "ar": "ar-EG-SalmaNeural",
    "ca": "ca-ES-JoanaNeural",
    "cs": "cs-CZ-VlastaNeural",
    "da": "da-DK-ChristelNeural",
    "de": "de-DE-KatjaNeural",
    "el": "el-GR-AthinaNeural",
    "en": "en-US-EmmaMultilingualNeural",
    "es": "es-ES-ElviraNeural",
    "fi": "fi-FI-NooraNeural",
    "fr": "fr-FR-DeniseNeural",
    "he": "he-IL-HilaNeural",
    "hi": "hi-IN-SwaraNeural",
    "hu": "hu-HU-NoemiNeural",
    "id": "id-ID-GadisNeural",
    "it": "it-IT-ElsaNeural",
    "ja": "ja-JP-NanamiNeural",
    "ko": "ko-KR-SunHiNeural",
    "nb": "nb-NO-PernilleNeural",
    "nl": "nl-NL-ColetteNeural",
    "no": "nb-NO-PernilleNeural",
    "pl": "pl-PL-ZofiaNeural",
    "pt": "pt-BR-FranciscaNeural",
    "ro": "ro-RO-AlinaNeural",
    "ru": "ru-RU-SvetlanaNeural",
    "sv": "sv-SE-SofieNeural",
    "th": "th-TH-PremwadeeNeural",
    "tr": "tr-TR-EmelNeural",
    "uk": "uk-UA-PolinaNeural",
    "vi": "vi-VN-HoaiMyNeural",
    "zh": "zh-CN-XiaoxiaoNeural",
}
"""One for each language that Whisper recognises well; `openclaw-actors voices --engine edge-tts` lists all."""


def choose_voice(name: str, language: str, own: str) -> str:
    """The voice that speaks.

    Args:
        name: what the call asks for; another engine's name is passed over.
        language: BCP 47, of what is said; empty: not known.
        own: the voice of the settings.
    """
    if _NAME.fullmatch(name):
        return name
    primary = language.partition("-")[0].lower()
    if not primary or _EVERY_LANGUAGE in own or own.lower().startswith(f"{primary}-"):
        return own
    return BY_LANGUAGE.get(primary, own)


def faster(rate: str, times: float) -> str:
    """``rate`` of the settings, such as ``+10%``, made ``times`` as fast."""
    percent = (100 + int(rate.rstrip("%"))) * times - 100
    return f"{max(-99, min(200, round(percent))):+d}%"


def higher(pitch: str, hertz: int) -> str:
    """``pitch`` of the settings, such as ``-5Hz``, raised by ``hertz``."""
    return f"{int(pitch.removesuffix('Hz')) + hertz:+d}Hz"
