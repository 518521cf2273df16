"""Any OpenAI-compatible ``/audio/transcriptions``: OpenAI, Groq, speaches, LocalAI, vLLM, whisper.cpp's and others."""

from __future__ import annotations

import io
import wave
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

import aiohttp

from openclaw_actors.engines.openai_service import (
    OpenAiServer,
    StatusError,
    faults,
    probe,
    read_to_the_end,
    stream_events,
    whole,
)
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
        self._server = OpenAiServer(settings.base_url, self._key, silence_s=_SILENCE_S)

    async def open(self) -> None:
        """See whether the server answers.

        Raises:
            UnavailableEngineError: nothing is configured, or nobody answers.
            RefusedEngineError: the key is not accepted.
        """
        if not self._settings.base_url and not self._key:
            raise UnavailableEngineError(f"{_WHO} is not configured: set stt.openai.base_url or stt.openai.api_key")
        if self._server.is_closed():
            self._server = OpenAiServer(self._settings.base_url, self._key, silence_s=_SILENCE_S)
        await probe(self._server, _WHO)

    async def warm(self) -> None:
        """Have a connection open when the first utterance is over: by TLS to another continent that saves 0.3 s."""
        await probe(self._server, _WHO)

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
        request = {
            "model": self._settings.model,
            "response_format": "json",
            "temperature": "0",
        }
        if spoken:
            request["language"] = spoken
        if self._settings.prompt:
            request["prompt"] = self._settings.prompt
        sound = _wav(pcm)
        with faults(_WHO):
            text = await self._final(request, sound) if final else await self._whole(request, sound)
        return Transcript(text.strip(), spoken)

    async def _final(self, request: dict[str, str], sound: bytes) -> str:
        if self._streams is not False:
            text = await self._streamed(request, sound)
            if text is not None:
                return text
        text = await self._whole(request, sound)
        self._streams = False
        return text

    async def _whole(self, request: dict[str, str], sound: bytes) -> str:
        async with self._asked(request, sound) as response:
            return _text_of(await whole(response))

    async def _streamed(self, request: dict[str, str], sound: bytes) -> str | None:
        """The transcript, or None if the server does not take such a request."""
        try:
            async with self._asked({**request, "stream": "true"}, sound) as response:
                self._streams = response.headers.get("content-type", "").startswith("text/event-stream")
                return await _joined(response) if self._streams else _text_of(await whole(response))
        except StatusError as error:
            if self._streams is None and error.status in _NOT_THIS_REQUEST:
                return None
            raise

    def _asked(self, request: dict[str, str], sound: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._server.post_form("/audio/transcriptions", request, ("utterance.wav", "audio/wav", sound))

    async def aclose(self) -> None:
        """Close its connections."""
        await self._server.close()


async def _joined(response: aiohttp.ClientResponse) -> str:
    """The text of a stream of OpenAI's events, or of vLLM's chunks, which are shaped as a chat's."""
    said, understood = "", False
    async with aclosing(stream_events(response)) as events:
        async for event in events:
            match event:
                case {"type": "transcript.text.done"}:
                    await read_to_the_end(response)
                    return _text_of(event)
                case {"type": "transcript.text.delta", "delta": str(words)}:
                    said += words
                case {"choices": [{"delta": {"content": str(words)}}, *_]}:
                    said += words
                case {"choices": [_, *_]}:
                    pass
                case _:
                    continue
            understood = True
    if not understood:
        raise BrokenEngineError(f"{_WHO} sent a stream without a transcript")
    return said


def _text_of(answer: Any) -> str:
    text = answer.get("text") if isinstance(answer, dict) else None
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
