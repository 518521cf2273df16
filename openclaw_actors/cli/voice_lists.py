"""Where the lists of voices come from, and how one voice is recorded."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import edge_tts
import espeakng_loader

from openclaw_actors.engines import protocols
from openclaw_actors.engines.plug_ins import ListsVoices, make_plug_in
from openclaw_actors.engines.recipes import make_engine
from openclaw_actors.engines.tts.piper import voices_folder
from openclaw_actors.errors import EngineError, SettingsError
from openclaw_actors.settings.plug_ins import plug_ins, section_of
from openclaw_actors.settings.sections import Settings

OPENAI_VOICES = ("alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse")
"""platform.openai.com/docs/guides/text-to-speech; other servers of that API have their own, and no list of them."""

ENGINES = ("edge-tts", "edge-tts-service", "openai", "piper", "espeak-ng")

_ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice. ``name`` is what the setting takes; ``language`` a BCP 47 tag, empty when it speaks several."""

    name: str
    language: str = ""
    about: str = ""

    def speaks(self, language: str) -> bool:
        """Whether it speaks the language, or one of its regions."""
        own, wanted = self.language.lower(), language.lower()
        return not wanted or not own or own == wanted or own.startswith(f"{wanted}-")

    def as_dict(self) -> dict[str, str]:
        """JSON-ready."""
        return asdict(self)


class UnknownVoicesError(Exception):
    """The voices can't be had; the text says why. ``usage``: there is no such engine."""

    def __init__(self, text: str, *, usage: bool = False) -> None:
        super().__init__(text)
        self.usage = usage


def list_voices(settings: Settings, engine: str) -> list[Voice]:
    """All voices of an engine.

    Args:
        settings: in which an installed plug-in finds its section.
        engine: its id.

    Raises:
        UnknownVoicesError: there is no such engine, or its list can't be fetched.
    """
    if engine in {"edge-tts", "edge-tts-service"}:
        return _edge_voices()
    if engine == "espeak-ng":
        return _espeak_voices()
    if engine == "openai":
        return [Voice(name) for name in OPENAI_VOICES]
    if engine == "piper":
        return _piper_voices()
    return _voices_of_plug_in(settings, engine)


def _voices_of_plug_in(settings: Settings, name: str) -> list[Voice]:
    async def ask(engine: ListsVoices) -> list[Voice]:
        async with asyncio.timeout(_ANSWER_S):
            return [Voice(*each) for each in await engine.voices()]

    try:
        engine = make_plug_in("tts", name, settings.tts)
        if engine is None:
            raise _no_engine(name)
        if not isinstance(engine, ListsVoices):
            raise UnknownVoicesError(f"{name} has no list of its voices; its documentation may")
        return asyncio.run(ask(engine))
    except (EngineError, SettingsError, TimeoutError) as error:
        raise UnknownVoicesError(f"{name}: {str(error) or 'no answer in time'}") from error


def _no_engine(engine: str) -> UnknownVoicesError:
    known = ", ".join((*ENGINES, *(each.name for each in plug_ins("tts"))))
    return UnknownVoicesError(f"there is no engine {engine!r}; there are {known}", usage=True)


def _piper_voices() -> list[Voice]:
    """Those on this machine: ``en_US-lessac-medium.onnx`` speaks en-US."""
    names = sorted(path.name.removesuffix(".onnx") for path in voices_folder().glob("*.onnx"))
    return [Voice(name, name.partition("-")[0].replace("_", "-")) for name in names]


def _edge_voices() -> list[Voice]:
    async def fetch() -> list[Any]:
        async with asyncio.timeout(_ANSWER_S):
            return list(await edge_tts.list_voices())

    try:
        listed = asyncio.run(fetch())
    except (aiohttp.ClientError, TimeoutError, OSError, edge_tts.exceptions.EdgeTTSException) as error:
        raise UnknownVoicesError(f"edge-tts: the list of voices can't be fetched: {error}") from error
    return [Voice(voice["ShortName"], voice["Locale"], voice["Gender"].lower()) for voice in listed]


def _espeak_voices() -> list[Voice]:
    """From the files of the wheel: each names its languages, the most specific first."""
    found = {}
    for path in Path(espeakng_loader.get_data_path(), "lang").rglob("*"):
        if not path.is_file():
            continue
        lines = [line.split(None, 1) for line in path.read_text(errors="replace").splitlines()]
        about = {words[0]: words[1] for words in reversed(lines) if len(words) == 2}
        language = about.get("language", path.name).split()[0].lower()
        found[language] = Voice(language, language, about.get("name", ""))
    return sorted(found.values(), key=lambda voice: voice.name)


def record_voice(settings: Settings, engine: str, voice: str, text: str, out: Path) -> float:
    """Let ``voice`` speak ``text`` into a WAV file; how many seconds it took to say.

    Raises:
        UnknownVoicesError: there is no such engine or voice, or it does not serve.
    """
    section = section_of(engine)
    if section in type(settings.tts).model_fields:
        chosen = getattr(settings.tts, section).model_copy(update={"voice": voice})
        settings = settings.model_copy(update={"tts": settings.tts.model_copy(update={section: chosen})})
    elif engine not in {each.name for each in plug_ins("tts")}:
        raise _no_engine(engine)
    try:
        pcm, rate = asyncio.run(_speak(settings, engine, protocols.Voice(voice), text))
    except (EngineError, SettingsError, TimeoutError) as error:
        raise UnknownVoicesError(f"{engine}: {str(error) or 'no answer in time'}") from error
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return len(pcm) / 2 / rate


async def _speak(settings: Settings, name: str, voice: protocols.Voice, text: str) -> tuple[bytes, int]:
    engine = cast("protocols.TtsEngine", make_engine("tts", name, settings))
    try:
        async with asyncio.timeout(_ANSWER_S):
            await engine.open()
            async with contextlib.aclosing(engine.speak(text, voice)) as sound:  # type: ignore[type-var]
                return b"".join([piece async for piece in sound if isinstance(piece, bytes)]), engine.sample_rate
    finally:
        await engine.aclose()
