"""What the caller says, made before the call: a text by a local voice, or a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import aclosing
from typing import Self, cast

import av

from openclaw_actors.engines.protocols import TtsEngine, Voice
from openclaw_actors.engines.recipes import make_engine
from openclaw_actors.errors import EngineError, SettingsError
from openclaw_actors.evals.scripts import Script, ScriptError, ScriptFault
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings import Settings
from openclaw_actors.testkit.speakers import Speech, flite, read_wav, silence

FLITE_VOICES = ("slt", "rms", "awb", "kal")


class Voices:
    """Speaks texts by voices that scripts name; the same text is made once. An async context.

    Args:
        settings: of the engines that speak for callers.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[str, TtsEngine] = {}
        self._made: dict[tuple[str, str], Speech] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for engine in self._engines.values():
            await engine.aclose()

    async def speeches(self, script: Script) -> dict[int, Speech]:
        """What is said, by the step's place in the script, encoded.

        Raises:
            ScriptError: a voice is not there, or a file holds no sound.
        """
        speeches: dict[int, Speech] = {}
        for number, step in enumerate(script.steps):
            if not step.speaks:
                continue
            voice = step.voice or script.caller.voice
            try:
                if step.wav is not None:
                    speeches[number] = read_wav(script.path.parent / step.wav)
                else:
                    said = step.say if step.say is not None else step.interrupt or ""
                    speeches[number] = await self._joined((said,) if isinstance(said, str) else said, voice)
            except (OSError, EngineError, SettingsError, av.FFmpegError) as error:
                key = "wav" if step.wav is not None else "voice"
                where = f"step {number + 1} ({step.action})"
                raise ScriptError([ScriptFault(str(script.path), where, key, str(error))]) from error
            _ = speeches[number].packets
        return speeches

    async def _joined(self, parts: Iterable[str | float], voice: str) -> Speech:
        speeches = [silence(part) if isinstance(part, float) else await self.say(part, voice) for part in parts]
        return speeches[0].then(*speeches[1:])

    async def say(self, text: str, voice: str) -> Speech:
        """One text.

        Raises:
            OSError: flite is not installed.
            EngineError: the voice does not speak.
            SettingsError: there is no such engine.
        """
        voice = _chosen(voice)
        if (voice, text) not in self._made:
            engine, _, name = voice.partition(":")
            self._made[voice, text] = _by_flite(text, name) if engine == "flite" else await self._by(engine, name, text)
        return self._made[voice, text]

    async def _by(self, engine_id: str, name: str, text: str) -> Speech:
        engine = self._engines.get(engine_id)
        if engine is None:
            engine = self._engines[engine_id] = cast("TtsEngine", make_engine("tts", engine_id, self._settings))
            await engine.open()
        resampler = Resampler(engine.sample_rate, SAMPLE_RATE)
        pcm = bytearray()
        async with aclosing(engine.speak(text, Voice(name=name))) as sound:  # type: ignore[type-var]
            async for piece in sound:
                if isinstance(piece, bytes):
                    pcm += resampler.push(piece)
        return Speech(bytes(pcm + resampler.flush()), text).trimmed()


def _chosen(voice: str) -> str:
    """``auto``: flite where it is, as the embedded recogniser understands it word for word."""
    if voice != "auto":
        return voice
    return "flite:slt" if shutil.which("flite") else "espeak-ng:en-us"


def _by_flite(text: str, name: str) -> Speech:
    if name not in FLITE_VOICES:
        raise SettingsError("flite", name or "(none)", f"there is no such voice; there are {', '.join(FLITE_VOICES)}")
    return flite(text, name)  # type: ignore[arg-type]
