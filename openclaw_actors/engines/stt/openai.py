"""Any OpenAI-compatible ``/audio/transcriptions``: OpenAI, Groq, speaches, whisper.cpp's server and others."""

from __future__ import annotations

import io
import wave

from openclaw_actors.engines.openai_service import connect, faults, probe
from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.errors import BrokenEngineError, UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import OpenAiStt

_WHO = "the transcription server"

_SILENCE_S = 15.0
"""The answer comes whole, after the work. OpenAI's p99 is 2 s; a server on a CPU may take 10. The stage's own deadline
is shorter, and cancels."""

_SHORTEST = SAMPLE_RATE // 10 * 2
"""Bytes: OpenAI answers 400 to less than 0.1 s."""


class OpenAiSttEngine:
    """Implements SttEngine. No partials: each would be paid for as a whole utterance.

    Args:
        settings: where, as whom, which model and language.
    """

    name = "openai"
    partial_every_s = 0.0

    def __init__(self, settings: OpenAiStt) -> None:
        self._settings = settings
        self._key = settings.api_key.get_secret_value()
        self._client = connect(settings.base_url, self._key, silence_s=_SILENCE_S)

    async def open(self) -> None:
        """See whether the server answers.

        Raises:
            UnavailableEngineError: nothing is configured, or nobody answers.
            RefusedEngineError: the key is not accepted.
        """
        if not self._settings.base_url and not self._key:
            raise UnavailableEngineError(f"{_WHO} is not configured: set stt.openai.base_url or stt.openai.api_key")
        if self._client.is_closed():
            self._client = connect(self._settings.base_url, self._key, silence_s=_SILENCE_S)
        await probe(self._client, _WHO)

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:  # noqa: ARG002
        """Recognise one utterance in ``language``, else that of the settings, else the one that the server finds.

        Raises:
            EngineError: by kind (engines/openai_service.py); broken if what comes back is no transcript.
        """
        if len(pcm) < _SHORTEST:
            return Transcript("")
        # The API takes ISO 639-1: "de", not "de-CH".
        spoken = (language or self._settings.language).partition("-")[0].lower()
        named = {"language": spoken} if spoken else {}
        with faults(_WHO):
            answer = await self._client.audio.transcriptions.create(
                file=("utterance.wav", _wav(pcm), "audio/wav"),
                model=self._settings.model,
                response_format="json",
                temperature=0.0,
                extra_body=named,
            )
            # The client passes on a page or an object of any other shape as it came.
            text = getattr(answer, "text", None)
            if not isinstance(text, str):
                raise BrokenEngineError(f"{_WHO} sent no transcript but {answer!r:.100}")
        return Transcript(text.strip(), spoken)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.close()


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(pcm[: len(pcm) // 2 * 2])
    return file.getvalue()
