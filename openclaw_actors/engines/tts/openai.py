"""Any OpenAI-compatible ``/audio/speech``: OpenAI, Kokoro-FastAPI, speaches, openai-edge-tts and others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from openclaw_actors.engines.openai_service import OPENAI_URL, OpenAiServer, StatusError, faults, probe
from openclaw_actors.engines.protocols import OWN_VOICE, Voice
from openclaw_actors.errors import BrokenEngineError, TransientEngineError, UnavailableEngineError
from openclaw_actors.media.voice_stream import VoiceStream
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import OpenAiTts

log = get_logger(__name__)

_SILENCE_S = 10.0
"""No byte for so long: lost. The stage's own deadline for the first sound is shorter."""

_NOT_THIS_VOICE = {400, 404, 422}

_NO_SOUND = ("text/", "application/json", "application/problem+json")


class OpenAiTtsEngine:
    """A TtsEngine. Whatever format is answered is decoded, whatever its header says.

    Args:
        settings: where, as whom, which model and voice.
    """

    name = "openai"
    sample_rate = 24_000
    """Hz: what OpenAI's ``pcm`` is defined as."""

    def __init__(self, settings: OpenAiTts) -> None:
        self._settings = settings
        self._unknown: set[str] = set()
        """Voices that a call asked for and the server refused: other servers of this API have names of their own."""
        self._base_url = settings.base_url or OPENAI_URL
        self._key = settings.api_key.get_secret_value()
        self._server = OpenAiServer(self._base_url, self._key, silence_s=_SILENCE_S)

    async def open(self) -> None:
        """See whether the server answers.

        Raises:
            UnavailableEngineError: nothing is configured, or nobody answers.
            RefusedEngineError: the key is not accepted.
        """
        if not self._settings.base_url and not self._key:
            raise UnavailableEngineError("no speech server: set tts.openai.base_url or tts.openai.api_key")
        if self._server.is_closed():
            self._server = OpenAiServer(self._base_url, self._key, silence_s=_SILENCE_S)
        await probe(self._server, "the speech server")

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """As TtsEngine.cache_key."""
        settings = self._settings
        return "/".join(
            (self.name, self._base_url, settings.model, self._voice(voice), settings.response_format, f"{voice.rate:g}")
        )

    def _voice(self, voice: Voice) -> str:
        return self._settings.voice if voice.name in self._unknown else voice.name or self._settings.voice

    async def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncGenerator[bytes, None]:
        """As TtsEngine.speak.

        Raises:
            EngineError: by kind; transient if the sound breaks off or there is none.
        """
        stream = VoiceStream(self.sample_rate)
        name = self._voice(voice)
        request: dict[str, Any] = {
            "input": text,
            "model": self._settings.model,
            "voice": name,
            "response_format": self._settings.response_format,
        }
        if voice.rate != 1:
            request["speed"] = min(4.0, max(0.25, voice.rate))
        heard = False
        with faults("the speech server"), self._minding(name):
            async with self._server.post_json("/audio/speech", request) as response:
                kind = response.headers.get("content-type", "")
                if kind.startswith(_NO_SOUND):
                    raise BrokenEngineError(f"the speech server answered {kind} in place of sound")
                async for data in response.content.iter_any():
                    if pcm := stream.push(data):
                        heard = True
                        yield pcm
            if pcm := stream.flush():
                heard = True
                yield pcm
        if not heard:
            raise TransientEngineError("the speech server sent no sound")

    @contextlib.contextmanager
    def _minding(self, name: str) -> Iterator[None]:
        """A voice of a call's that is refused is not asked for again: the settings' speaks in its place."""
        try:
            yield
        except StatusError as error:
            if error.status in _NOT_THIS_VOICE and name != self._settings.voice:
                self._unknown.add(name)
                log.warning("the speech server refuses a voice; the settings' speaks in its place", voice=name)
            raise

    async def aclose(self) -> None:
        """Close its connections."""
        await self._server.close()
