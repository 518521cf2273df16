"""Piper: neural voices on this machine, in a worker process. An extra: ``pip install "openclaw_actors[piper]"``."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import platformdirs

from openclaw_actors.engines.protocols import OWN_VOICE, Voice
from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.settings.sections import Piper

_DEADLINE_S = 20.0
"""For a whole phrase. A voice of medium quality speaks 5-10 times faster than one listens, on one core; calls queue."""

_WARM_S = 60.0
"""Loading 60 MB of model from a cold disk."""


class PiperEngine:
    """A TtsEngine. It has the one voice of the settings; a call may ask for its speed.

    Args:
        settings: the voice's name or file, and its speaker.
    """

    name = "piper"

    def __init__(self, settings: Piper) -> None:
        self._settings = settings
        self.sample_rate = 22_050
        """Hz of the voice; known for sure when it is open."""
        self._print = ""
        self._pool: WorkerPool | None = None

    async def open(self) -> None:
        """Load the voice.

        Raises:
            UnavailableEngineError: the package or the voice is missing; the text has the command to get it.
        """
        if self._pool is None:
            model = self._find()
            config = model.with_name(f"{model.name}.json")
            self.sample_rate, self._print = _read(config)
            factory = "openclaw_actors.engines.tts.piper_worker:PiperSynthesiser"
            threads = max(1, min(4, (os.cpu_count() or 1) - 1))  # one core is left to media
            options = {"model": str(model), "speaker": self._settings.speaker}
            self._pool = WorkerPool(self.name, factory, options, warm_s=_WARM_S, native_threads=threads)
        await self._pool.start()

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """As TtsEngine.cache_key."""
        settings = self._settings
        return f"{self.name}/{settings.voice}/{self._print}/{settings.speaker}/{self._rate(voice):g}"

    def _rate(self, voice: Voice) -> float:
        return self._settings.rate * voice.rate

    async def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncGenerator[bytes, None]:
        """As TtsEngine.speak.

        Raises:
            EngineError: as WorkerPool.stream.
        """
        if self._pool is None:
            raise UnavailableEngineError(f"{self.name} is not open")
        job = (text, self._rate(voice))
        async with contextlib.aclosing(self._pool.stream(job, deadline_s=_DEADLINE_S)) as sound:
            async for chunk in sound:
                yield chunk

    async def aclose(self) -> None:
        """End the process."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def _find(self) -> Path:
        voice = self._settings.voice
        if importlib.util.find_spec("piper") is None:
            raise UnavailableEngineError('Piper is not installed: pip install "openclaw_actors[piper]"')
        if not voice:
            raise UnavailableEngineError("tts.piper.voice is empty: write a voice's name, such as en_US-lessac-medium")
        if voice.endswith(".onnx"):
            model = Path(voice).expanduser()
            if model.is_file():
                return model
            raise UnavailableEngineError(f"there is no voice at {model} (tts.piper.voice)")
        folder = voices_folder()
        model = folder / f"{voice}.onnx"
        if model.is_file():
            return model
        raise UnavailableEngineError(
            f"the voice {voice!r} is not on this machine. Where there is a network, run: "
            f"python -m piper.download_voices {voice} --download-dir {folder}"
        )


def voices_folder() -> Path:
    """Where voices that the settings name without a path are looked for."""
    return platformdirs.user_data_path("openclaw_actors") / "piper"


def _read(config: Path) -> tuple[int, str]:
    """The voice's sample rate, and a fingerprint of its configuration."""
    try:
        text = config.read_bytes()
        return int(json.loads(text)["audio"]["sample_rate"]), hashlib.sha256(text).hexdigest()[:16]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UnavailableEngineError(
            f"{config}, which belongs beside the voice, can't be read: {type(error).__name__}: {error}"
        ) from error
