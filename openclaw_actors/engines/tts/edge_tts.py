"""Microsoft's neural voices, as Edge reads them aloud, by the package ``edge-tts``. Free, no key; never the only voice.

The service has refused everyone for days, more than once, until the package learned a new token (7.3.1 the last).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import TypeVar

import aiohttp
import av
import edge_tts
import edge_tts.communicate
from edge_tts.exceptions import EdgeTTSException, NoAudioReceived

from openclaw_actors.engines.connection_faults import reason
from openclaw_actors.engines.protocols import OWN_VOICE, Voice
from openclaw_actors.engines.tts.edge_voices import choose_voice, faster, higher
from openclaw_actors.engines.tts.word_places import WordPlaces
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.media.voice_stream import Mp3Decoder
from openclaw_actors.messages import WordTime
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import EdgeTts

log = get_logger(__name__)

_T = TypeVar("_T")

_PROBE_S = 5.0
"""Start-up waits no longer to know; a short phrase takes 0.3-1.5 s."""

_CONNECT_S = 3
_SILENCE_S = 8
"""No byte for so long: lost. The stage's own deadline for the first sound is shorter."""

_TICKS = 10_000_000
"""In a second: the service counts in 100 ns."""

_WHO = "Microsoft's speech service"


class EdgeTtsEngine:
    """A TtsEngine.

    Args:
        settings: voice, rate and pitch.
        endpoint: for tests: another ``ws://`` address with a query. The package has it in one variable, so it holds for
            the process.
    """

    name = "edge-tts"
    sample_rate = 24_000
    """Hz: the service sends ``audio-24khz-48kbitrate-mono-mp3``."""

    def __init__(self, settings: EdgeTts, *, endpoint: str = "") -> None:
        self._settings = settings
        self._mute: set[str] = set()
        if endpoint:
            vars(edge_tts.communicate)["WSS_URL"] = endpoint

    async def open(self) -> None:
        """Have a word spoken.

        Raises:
            UnavailableEngineError: no way to the service, or no such voice.
            RefusedEngineError: the service won't.
        """
        try:
            async with asyncio.timeout(_PROBE_S):
                async for _ in self.speak("Hi."):
                    pass
        except TimeoutError as error:
            raise UnavailableEngineError(f"{_WHO} took more than {_PROBE_S:g} s for a word") from error
        except TransientEngineError as error:
            raise UnavailableEngineError(str(error)) from error

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """As TtsEngine.cache_key."""
        return f"{self.name}/{self._voice(voice)}/{self._rate(voice)}/{self._pitch(voice)}"

    def _voice(self, voice: Voice) -> str:
        chosen = choose_voice(voice.name, voice.language, self._settings.voice)
        return self._settings.voice if chosen in self._mute else chosen

    def _rate(self, voice: Voice) -> str:
        return faster(self._settings.rate, voice.rate)

    def _pitch(self, voice: Voice) -> str:
        return higher(self._settings.pitch, voice.pitch_hz)

    async def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncGenerator[bytes | WordTime, None]:
        """As TtsEngine.speak.

        Raises:
            EngineError: by kind; transient if the sound breaks off.
        """
        decoder, places = Mp3Decoder(self.sample_rate), WordPlaces(text)
        with _faults(), self._minding(self._voice(voice)):
            request = self._request(text, voice)
            async with contextlib.aclosing(_in_a_task(request.stream())) as messages:
                async for message in messages:
                    if message["type"] == "audio":
                        if pcm := decoder.push(message["data"]):
                            yield pcm
                    elif chars := places.end_of(message["text"]):
                        yield WordTime((message["offset"] + message["duration"]) / _TICKS, chars)
            # The package ends in silence when the connection does. What it has counted of the phrase is set to zero by
            # the service's own ``turn.end``.
            if request.state["chunk_audio_bytes"]:
                raise TransientEngineError(f"{_WHO} broke off in the middle of a phrase")
            if pcm := decoder.flush():
                yield pcm

    async def aclose(self) -> None:
        """It holds nothing: each phrase has its own connection, which the service wants so."""

    @contextlib.contextmanager
    def _minding(self, name: str) -> Iterator[None]:
        """A voice that a call asks for, and that the service does not have, is not asked for again."""
        try:
            yield
        except NoAudioReceived:
            if name != self._settings.voice:
                self._mute.add(name)
                log.warning("a voice has no sound; the settings' speaks in its place", voice=name)
            raise

    def _request(self, text: str, voice: Voice) -> edge_tts.Communicate:
        try:
            return edge_tts.Communicate(
                text,
                self._voice(voice),
                rate=self._rate(voice),
                pitch=self._pitch(voice),
                boundary="WordBoundary",
                connect_timeout=_CONNECT_S,
                receive_timeout=_SILENCE_S,
            )
        except ValueError as error:
            raise UnavailableEngineError(f"tts.edge_tts: {error}; `edge-tts --list-voices` lists voices") from error


async def _in_a_task(source: AsyncIterator[_T]) -> AsyncGenerator[_T, None]:
    """The same, read by a task, which is cancelled when this is closed.

    Closed while it hands out a message, the package leaves its connection to the garbage collector, and aiohttp then
    reads on for up to 10 s; cancelled while it waits for the next one, it hangs up at once.
    """
    messages: asyncio.Queue[_T | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async for message in source:
                messages.put_nowait(message)
        finally:
            messages.put_nowait(None)

    reader = asyncio.create_task(read(), name="edge-tts")
    try:
        while (message := await messages.get()) is not None:
            yield message
        await reader  # raises what it met
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """Whatever the package raises becomes the EngineError that it means."""
    try:
        yield
    except EngineError:
        raise
    except aiohttp.ClientResponseError as error:
        raise _status_fault(error) from error
    except NoAudioReceived as error:
        raise TransientEngineError(f"{_WHO} sent no sound; is tts.edge_tts.voice one of its voices?") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise TransientEngineError(f"{_WHO} can't be reached: {reason(error)}") from error
    except (EdgeTTSException, av.FFmpegError, LookupError, ValueError) as error:
        raise BrokenEngineError(f"{_WHO} sent what can't be understood: {type(error).__name__}: {error}") from error


def _status_fault(error: aiohttp.ClientResponseError) -> EngineError:
    if error.status in {401, 403}:
        return RefusedEngineError(f"{_WHO} answered {error.status}; a newer edge-tts may know its new token")
    return TransientEngineError(f"{_WHO} answered {error.status}")
