"""A real call without a network: real actors, small real engines, and a far end that runs as fast as it is asked to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from openclaw_actors.actors.call import Services
from openclaw_actors.actors.events import EventHub
from openclaw_actors.actors.loop_actor import LoopActor, stop
from openclaw_actors.actors.places import Places
from openclaw_actors.actors.switchboard import Switchboard, SwitchboardBoard
from openclaw_actors.engines.agent.parrot import ParrotEngine
from openclaw_actors.engines.catalogue import Catalogue, Kind
from openclaw_actors.engines.protocols import OWN_VOICE, AgentEngine, SttEngine, Transcript
from openclaw_actors.engines.tts.cache import PhraseCache
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.media.clips import read_clip
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.resample import Resampler
from openclaw_actors.media.tones import TONE_RATE, to_pcm, tone
from openclaw_actors.messages import FRAME, SAMPLE_RATE, AudioIn, Event
from openclaw_actors.settings.sections import Agent, Settings, Supervision, TtsCache
from openclaw_actors.transports.peer import no_transfer

SPEECH = Path(__file__).parents[1] / "data" / "speech"
MUSIC, TONE = (b"music-1", b"music-2"), (b"tone",)
"""Hold loops that no encoder makes, so that they are known again."""
PATIENCE_S = 10.0


@cache
def speech(name: str = "yes-please") -> tuple[bytes, ...]:
    """A person's words as frames of 20 ms."""
    clip = read_clip((SPEECH / f"{name}.wav").read_bytes())
    resampler = Resampler(clip.sample_rate, SAMPLE_RATE)
    pcm = resampler.push(clip.pcm) + resampler.flush()
    size = FRAME * 2
    return tuple(pcm[start : start + size] for start in range(0, len(pcm) - size, size))


class Ear:
    """An SttEngine that hears whether something was said, not what."""

    name = "ear"
    partial_every_s = 0.0

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nor to close."""

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:
        loud = np.abs(np.frombuffer(pcm, "<i2").astype(int)).max(initial=0) > 500
        return Transcript("the caller spoke" if loud else "")


class Voice:
    """A TtsEngine that hums: 40 ms a letter."""

    name = "voice"
    sample_rate = TONE_RATE

    def __init__(self) -> None:
        self.spoken: list[str] = []

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nor to close."""

    def cache_key(self, voice=OWN_VOICE) -> str:
        return "hum"

    async def speak(self, text: str, voice=OWN_VOICE) -> AsyncIterator[bytes]:
        self.spoken.append(text)
        for _ in text:
            yield to_pcm(0.3 * tone((220.0,), 0.04))


class Line:
    """A Peer whose time is counted in frames: ``run`` moves it on."""

    transport = "test"
    codec = OPUS

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.closed = False
        self._at = 0

    def attach(self, source, listener, start=0):
        self._source, self.listener, self._at = source, listener, start
        listener.on_state("connected")

    def send_event(self, event):
        """Its client does not listen."""

    async def transfer(self, to):
        raise no_transfer(self.transport)

    async def aclose(self):
        self.closed = True

    async def run(self, frames: int, said: tuple[bytes, ...] = ()) -> None:
        """``frames`` packets and frames go by; the caller says ``said``, then nothing."""
        for number in range(max(frames, len(said))):
            pcm = said[number] if number < len(said) else bytes(FRAME * 2)
            self.listener.on_audio(AudioIn(self._at, pcm, time.monotonic()))
            self._at += FRAME
            self.heard.append(self._source.next_packet())
            await asyncio.sleep(0)


class Talk:
    """One call, its line, and what it told."""

    def __init__(self, board: SwitchboardBoard, call_id: str, line: Line, events: list[Event], voice: Voice) -> None:
        self.voice = voice
        self.board = board
        self.id = call_id
        self.line = line
        self.events = events

    async def tell(self, message: object) -> bool:
        return await self.board.tell(self.id, message)

    async def describe(self):
        return await self.board.describe_call(self.id)

    def told(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.type == kind]

    async def until(self, found: Callable[[], bool], what: str) -> None:
        """Let the line run until ``found``."""
        deadline = time.monotonic() + PATIENCE_S
        while not found():
            if time.monotonic() > deadline:
                raise TimeoutError(f"never came: {what}; the last events: {[e.type for e in self.events[-8:]]}")
            await self.line.run(5)
            await asyncio.sleep(0.001)

    async def rest(self, frames: int = 20) -> None:
        """Let the line run, and everything be done that can be."""
        await self.line.run(frames)
        await self.describe()


@asynccontextmanager
async def talk(
    greeting: str = "",
    supervision: Supervision | None = None,
    engines: Mapping[Kind, Sequence[Any]] | None = None,
    line: Line | None = None,
    *,
    ears: tuple[SttEngine, ...] = (),
    agent: AgentEngine | None = None,
    settings: Settings | None = None,
    smart_turn: Any = None,
    **given: object,
) -> AsyncIterator[Talk]:
    """A call that has begun; it is ended afterwards if it has not.

    ``engines``, ``ears``, ``agent``: in place of those here; ``given``: more for ``Board.start``.
    """
    LoopActor.live_here()
    settings = settings or Settings(
        agent=Agent(greeting=greeting, engines=("parrot",)), supervision=supervision or Supervision()
    )
    own = {"stt": ears or [Ear()], "agent": [agent or ParrotEngine()], "tts": [voice := Voice()]}
    catalogue = Catalogue(own | dict(engines or {}))
    changed = asyncio.Event()
    catalogue.subscribe(changed.set)
    await catalogue.start()
    async with asyncio.timeout(PATIENCE_S):
        while ears and catalogue.serving("stt") is not ears[0]:
            changed.clear()
            await changed.wait()
    synthesis = Synthesis(PhraseCache(TtsCache()))
    hub = EventHub()
    events: list[Event] = []
    hub.subscribe(events.append)
    loops = {("opus", "music"): MUSIC, ("opus", "tone"): TONE}
    services = Services(settings, catalogue, synthesis, hub, hold_sounds=loops, smart_turn=smart_turn)
    places = Places(5)
    switchboard = Switchboard.start(services, places)
    board = SwitchboardBoard(switchboard, places, services)
    line = line or Line()
    try:
        admission = board.admit("test", "outbound" if "callee" in given else "inbound")
        started = await board.start(admission, line, **{"caller": "", "metadata": {}, **given})
        yield Talk(board, started.call_id, line, events, voice)
        await board.hang_up(started.call_id, "api_hangup")
        async with asyncio.timeout(PATIENCE_S):
            await places.idle.wait()
    finally:
        await stop(switchboard)
        await synthesis.aclose()
        await catalogue.aclose()
