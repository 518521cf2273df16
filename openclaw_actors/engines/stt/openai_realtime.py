"""OpenAI's Realtime transcription, and servers that speak the same: what is said goes up while it is said.

What the caller hears of it: at the end of their turn only the last words are still to be recognised, not the whole
utterance. When it has ended is decided here (turns), not by the server, whose own turn detection is switched off.
"""

from __future__ import annotations

from typing import Any

import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnectionManager

from openclaw_actors.engines.openai_service import OPENAI_URL
from openclaw_actors.engines.protocols import Transcript
from openclaw_actors.engines.stt.realtime_hearing import REALTIME_RATE
from openclaw_actors.engines.stt.realtime_session import RealtimeSession
from openclaw_actors.errors import TransientEngineError, UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import OpenAiRealtime

_WHO = "the realtime transcription server"

_SHORTEST = SAMPLE_RATE // 10 * 2
"""Bytes: the API takes no less than 0.1 s."""

_LARGEST_EVENT = 1 << 20
"""Bytes. The longest is a transcript of half a minute; a server that sends more is none."""

_OPTIONS: Any = {"open_timeout": 5.0, "close_timeout": 1.0, "max_size": _LARGEST_EVENT, "compression": None}
"""Of the ``websockets`` package, whose pings (every 20 s) find a dead line and keep a quiet one open. A second is
enough to say goodbye; compression would cost more than it saves, as sound in base64 does not shrink."""


class OpenAiRealtimeEngine:
    """Implements StreamingSttEngine.

    Args:
        settings: where, as whom, which model and language.
    """

    name = "openai-realtime"
    partial_every_s = 0.0

    def __init__(self, settings: OpenAiRealtime) -> None:
        self._settings = settings
        self._key = settings.api_key.get_secret_value()
        self._client = _client(settings.base_url, self._key)

    async def open(self) -> None:
        """Have a session accepted, which shows that server, key, model and settings are right; it costs nothing.

        Raises:
            UnavailableEngineError: nothing is configured, or nobody answers.
            RefusedEngineError: key, model or settings are not accepted.
        """
        if not self._settings.base_url and not self._key:
            raise UnavailableEngineError(
                f"{_WHO} is not configured: set stt.openai_realtime.api_key or stt.openai_realtime.base_url"
            )
        session = self.session()
        try:
            await session.open()
        except TransientEngineError as error:
            raise UnavailableEngineError(f"{error} ({self._client.base_url})") from error
        finally:
            await session.aclose()

    async def transcribe(
        self,
        pcm: bytes,
        *,
        language: str = "",
        final: bool = True,  # noqa: ARG002 - one who wants partials has a session
    ) -> Transcript:
        """Recognise an utterance that is there already, on a session of its own.

        Raises:
            EngineError: by kind (engines/stt/realtime_faults.py).
        """
        if len(pcm) < _SHORTEST:
            return Transcript("")
        session = self.session(language=language)
        try:
            await session.open()
            hearing = session.hear(lambda _: None)
            hearing.push(pcm[: len(pcm) // 2 * 2])
            return await hearing.finish()
        finally:
            await session.aclose()

    def session(self, *, language: str = "") -> RealtimeSession:
        """A line for one call, in ``language``, else that of the settings, else the one that the server finds."""
        # The API takes ISO 639-1: "de", not "de-CH".
        spoken = (language or self._settings.language).partition("-")[0].lower()
        transcription = {"model": self._settings.model}
        if spoken:
            transcription["language"] = spoken
        if self._settings.prompt:
            transcription["prompt"] = self._settings.prompt
        sound = {
            "format": {"type": "audio/pcm", "rate": REALTIME_RATE},
            "transcription": transcription,
            "turn_detection": None,
        }
        configuration = {"type": "transcription", "audio": {"input": sound}}
        return RealtimeSession(_WHO, self._connect, configuration, spoken)

    async def aclose(self) -> None:
        """Let the client go; sessions belong to their calls."""
        await self._client.close()

    def _connect(self) -> AsyncRealtimeConnectionManager:
        query = {"intent": "transcription"}
        if not str(self._client.base_url).startswith(OPENAI_URL):
            # OpenAI refuses to be told the model here; proxies and speaches find the way by it.
            query["model"] = self._settings.model
        return self._client.realtime.connect(extra_query=query, websocket_connection_options=_OPTIONS)


def _client(base_url: str, api_key: str) -> openai.AsyncOpenAI:
    """A client. The settings alone decide where to and as whom, no variable of the environment."""
    client = openai.AsyncOpenAI(
        base_url=base_url or OPENAI_URL,
        api_key=api_key or "none",  # the package refuses to start without one
        max_retries=0,
    )
    client.organization = client.project = None
    client._custom_headers = {}  # noqa: SLF001 - of OPENAI_CUSTOM_HEADERS, which no argument can keep out
    return client
