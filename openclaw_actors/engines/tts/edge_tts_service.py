"""edge-tts-as-a-service: Microsoft's voices through a small HTTP server of one's own (``POST /tts/stream``).

What such a server saves is each phrase's TLS and WebSocket set-up from a place far from Microsoft; it may stand nearer.
Its other route, ``POST /tts``, writes a file that all requests share, and is not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import aiohttp
import av

from openclaw_actors.engines.protocols import OWN_VOICE, Voice
from openclaw_actors.engines.tts.edge_voices import choose_voice, faster, higher
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.media.voice_stream import Mp3Decoder
from openclaw_actors.settings.sections import EdgeTtsService

_PROBE_S = 5.0
"""Its list of voices is Microsoft's, fetched anew: 0.3-1 s."""

_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=3, sock_read=8)
"""Seconds to connect, and without a byte. The stage's own deadline for the first sound is shorter."""

_OK = 200
_WHO = "edge-tts-as-a-service"


class EdgeTtsServiceEngine:
    """A TtsEngine.

    Args:
        settings: where the server is, and in which voice it speaks.
    """

    name = "edge-tts-service"
    sample_rate = 24_000
    """Hz: it passes on Microsoft's ``audio-24khz-48kbitrate-mono-mp3``."""

    def __init__(self, settings: EdgeTtsService) -> None:
        self._settings = settings
        self._url = settings.base_url.rstrip("/")
        self._http: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """See whether the server answers and has the voice.

        Raises:
            UnavailableEngineError: it doesn't; the text says what to do.
        """
        if not self._url:
            raise UnavailableEngineError(
                'tts.edge_tts_service.base_url is empty: write such as "http://127.0.0.1:5000"'
            )
        try:
            async with asyncio.timeout(_PROBE_S):
                names = await self._voices()
        except TimeoutError as error:
            raise UnavailableEngineError(f"{_WHO} at {self._url} took more than {_PROBE_S:g} s") from error
        except (TransientEngineError, BrokenEngineError) as error:
            raise UnavailableEngineError(str(error)) from error
        voice = self._settings.voice
        if names and voice not in names:
            near = difflib.get_close_matches(voice, names, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UnavailableEngineError(f"{_WHO} at {self._url} has no voice {voice!r}{hint}")

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """As TtsEngine.cache_key."""
        return "/".join((self.name, self._url, *self._shape(voice).values()))

    async def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncGenerator[bytes, None]:
        """As TtsEngine.speak.

        Raises:
            EngineError: by kind; transient if the sound breaks off or there is none.
        """
        stream, heard = Mp3Decoder(self.sample_rate), False
        with _faults(self._url):
            request = self._session().post(f"{self._url}/tts/stream", json={"text": text, **self._shape(voice)})
            async with request as response:
                await _check(response)
                async for data in response.content.iter_any():
                    if pcm := stream.push(data):
                        heard = True
                        yield pcm
            if pcm := stream.flush():
                heard = True
                yield pcm
        if not heard:
            # It has sent its 200 before Microsoft has answered, and ends in silence when that fails.
            raise TransientEngineError(f"{_WHO} sent no sound; its own log says why")

    async def aclose(self) -> None:
        """Close its connections."""
        if self._http is not None:
            session, self._http = self._http, None
            await session.close()

    def _shape(self, voice: Voice) -> dict[str, str]:
        settings = self._settings
        return {
            "voice": choose_voice(voice.name, voice.language, settings.voice),
            "rate": faster(settings.rate, voice.rate),
            "pitch": higher(settings.pitch, voice.pitch_hz),
        }

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._http

    async def _voices(self) -> list[str]:
        """Names of its voices; empty where it does not tell."""
        with _faults(self._url):
            async with self._session().get(f"{self._url}/voices") as response:
                if response.status in {404, 405}:
                    return []
                await _check(response)
                answer: Any = await response.json(content_type=None)
                listed = answer.get("data") if isinstance(answer, dict) else answer
                names = [entry.get("ShortName", entry.get("Name", "")) for entry in listed or ()]
                return [name for name in names if name]


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == _OK and not response.content_type.startswith("text/html"):
        return
    text = (await response.text(errors="replace"))[:200]
    if response.status in {401, 403}:
        raise RefusedEngineError(f"{_WHO} answered {response.status}: {text}")
    if response.status >= 500 or response.status == 429:
        raise TransientEngineError(f"{_WHO} answered {response.status}: {text}")
    raise BrokenEngineError(f"{_WHO} answered {response.status} {response.content_type}: {text}")


@contextlib.contextmanager
def _faults(url: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes the EngineError that it means."""
    try:
        yield
    except EngineError:
        raise
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise TransientEngineError(f"{_WHO} at {url}: {str(error) or type(error).__name__}") from error
    except (av.FFmpegError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise BrokenEngineError(f"{_WHO} sent what can't be understood: {type(error).__name__}: {error}") from error
