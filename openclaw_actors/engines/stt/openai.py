"""Any OpenAI-compatible ``/audio/transcriptions``: OpenAI, Groq, speaches, LocalAI, vLLM, whisper.cpp's and others."""

from __future__ import annotations

import io
import wave
from typing import Any

import openai

from openclaw_actors.engines.openai_service import connect, faults, probe
from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.errors import BrokenEngineError, UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import OpenAiStt

_WHO = "the transcription server"

_SILENCE_S = 15.0
"""An answer in one piece comes after all the work: OpenAI's p99 is 2 s; a server on a CPU may take 10. The stage's own
deadline is shorter, and cancels."""

_NOT_THIS_REQUEST = {400, 404, 415, 422, 501}
"""How servers answer that do not know ``stream``; those that ignore it answer with plain JSON."""

_SHORTEST = SAMPLE_RATE // 10 * 2
"""Bytes: OpenAI answers 400 to less than 0.1 s."""


class OpenAiSttEngine:
    """Implements SttEngine. Partials only where the settings ask for them: each is a request with the whole utterance.

    Finals are streamed where the server offers that, which its first answer tells: words that come one by one show that
    it works, and a server that dies between two of them is not waited for.

    Args:
        settings: where, as whom, which model and language.
    """

    name = "openai"

    def __init__(self, settings: OpenAiStt) -> None:
        self._settings = settings
        self.partial_every_s = settings.partial_every_s
        self._streams: bool | None = None
        """Whether the server streams transcripts; None: not known yet."""
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

    async def warm(self) -> None:
        """Have a connection open when the first utterance is over: by TLS to another continent that saves 0.3 s."""
        await probe(self._client, _WHO)

    async def transcribe(
        self,
        pcm: bytes,
        *,
        language: str = "",
        final: bool = True,
    ) -> Transcript:
        """Recognise one utterance in ``language``, else that of the settings, else the one that the server finds.

        Raises:
            EngineError: by kind (engines/openai_service.py); broken if what comes back is no transcript.
        """
        if len(pcm) < _SHORTEST:
            return Transcript("")
        # The API takes ISO 639-1: "de", not "de-CH".
        spoken = (language or self._settings.language).partition("-")[0].lower()
        request: dict[str, Any] = {
            "file": ("utterance.wav", _wav(pcm), "audio/wav"),
            "model": self._settings.model,
            "response_format": "json",
            "temperature": 0.0,
        }
        if spoken:
            request["language"] = spoken
        if self._settings.prompt:
            request["prompt"] = self._settings.prompt
        with faults(_WHO):
            text = await self._final(request) if final else await self._whole(request)
        return Transcript(text.strip(), spoken)

    async def _final(self, request: dict[str, Any]) -> str:
        if self._streams is not False:
            text = await self._streamed(request)
            if text is not None:
                return text
        text = await self._whole(request)
        self._streams = False
        return text

    async def _whole(self, request: dict[str, Any]) -> str:
        # The client passes on a page or an object of any other shape as it came.
        return _text_of(await self._client.audio.transcriptions.create(**request))

    async def _streamed(self, request: dict[str, Any]) -> str | None:
        """The transcript, or None if the server does not take such a request."""
        create = self._client.audio.transcriptions.with_streaming_response.create
        try:
            async with create(**request, stream=True) as response:
                self._streams = response.headers.get("content-type", "").startswith("text/event-stream")
                if not self._streams:
                    return _text_of(await response.json())
                return await _joined(await response.parse())
        except openai.APIStatusError as error:
            if self._streams is None and error.status_code in _NOT_THIS_REQUEST:
                return None
            raise

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.close()


async def _joined(events: openai.AsyncStream[Any]) -> str:
    """The text of a stream of OpenAI's events, or of vLLM's chunks, which are shaped as a chat's."""
    said, understood = "", False
    async for event in events:
        kind = getattr(event, "type", None)
        if kind == "transcript.text.done":
            return _text_of(event)
        if kind == "transcript.text.delta":
            said += event.delta
        elif choices := getattr(event, "choices", None):
            said += choices[0]["delta"].get("content") or ""
        else:
            continue
        understood = True
    if not understood:
        raise BrokenEngineError(f"{_WHO} sent a stream without a transcript")
    return said


def _text_of(answer: Any) -> str:
    text = answer.get("text") if isinstance(answer, dict) else getattr(answer, "text", None)
    if not isinstance(text, str):
        raise BrokenEngineError(f"{_WHO} sent no transcript but {answer!r:.100}")
    return text


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(pcm[: len(pcm) // 2 * 2])
    return file.getvalue()
