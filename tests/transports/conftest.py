"""A real aiortc client, a listener that can be waited for, and tones to tell who is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import numpy as np
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from openclaw_actors.media.codecs import OPUS, Codec, encode_phrase
from openclaw_actors.messages import FRAME, LONGEST_AUDIO, SAMPLE_RATE, AudioIn
from openclaw_actors.observability import metrics
from openclaw_actors.settings.sections import Limits, WebRtc
from openclaw_actors.testkit.lossy import LossyLink
from openclaw_actors.transports.webrtc.outbound import OutboundTrack
from openclaw_actors.transports.webrtc.peer import WebRtcPeer, check_offer

CALLER_HZ = 440
HOST_HZ = 1000


class Watched:
    """Lets a test await a condition that callbacks bring about."""

    def __init__(self) -> None:
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def changed(self) -> None:
        for waiter in list(self._waiters):
            condition, future = waiter
            if not future.done() and condition():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        if condition():
            return
        waiter = (condition, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await asyncio.wait_for(waiter[1], seconds)
        finally:
            self._waiters.remove(waiter)


class Listener(Watched):
    """Implements PeerListener."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[AudioIn] = []
        self.states: list[str] = []
        self.commands: list[Mapping[str, Any]] = []

    def on_audio(self, frame: AudioIn) -> None:
        assert 0 < len(frame.pcm) <= 2 * LONGEST_AUDIO
        self.frames.extend(frame.frames())
        self.changed()

    def on_state(self, state: str) -> None:
        self.states.append(state)
        self.changed()

    def on_command(self, command: Mapping[str, Any]) -> None:
        self.commands.append(command)
        self.changed()

    async def hears(self, more: int, seconds: float = 10) -> list[AudioIn]:
        """The next frames that are not concealed, so many of them."""
        have = len(self.frames)

        def heard() -> list[AudioIn]:
            return [frame for frame in self.frames[have:] if not frame.concealed]

        await self.until(lambda: len(heard()) >= more, seconds)
        return heard()

    def is_contiguous(self) -> bool:
        starts = [frame.start for frame in self.frames]
        return starts == list(range(starts[0], starts[0] + FRAME * len(starts), FRAME)) and all(
            len(frame.pcm) == 2 * FRAME for frame in self.frames
        )


class Tone:
    """Implements PacketSource: a tone without end."""

    def __init__(self, codec: Codec, hz: float) -> None:
        rate = codec.pcm_rate
        sound = 10_000 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)
        self._packets = encode_phrase(codec, rate, np.rint(sound).astype(np.int16).tobytes()).packets
        self.taken = 0

    def next_packet(self) -> bytes:
        packet = self._packets[self.taken % len(self._packets)]
        self.taken += 1
        return packet


def pitch(pcm: bytes, rate: int = SAMPLE_RATE) -> float:
    """Hz of the loudest frequency in mono s16 sound."""
    sound = np.frombuffer(pcm, np.int16).astype(np.float64)
    return float(np.argmax(np.abs(np.fft.rfft(sound))) * rate / len(sound))


def loudness(frame: AudioIn) -> float:
    return float(np.sqrt(np.mean(np.frombuffer(frame.pcm, np.int16).astype(np.float64) ** 2)))


def dropped(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("openclaw_actors_datagrams_dropped_total", {"reason": reason}) or 0.0


class Client(Watched):
    """A caller's browser, as aiortc plays it."""

    def __init__(self, codec: Codec = OPUS, track: MediaStreamTrack | None = None, *, channel: bool = True) -> None:
        super().__init__()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.heard: list[bytes] = []
        self.messages: list[str] = []
        self.link: LossyLink | None = None
        self._reading: asyncio.Task[None] | None = None
        if track is None:
            track = OutboundTrack(codec)
            track.source = Tone(codec, CALLER_HZ)
        self.pc.addTrack(track)
        wanted = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.name.lower() == codec.name]
        self.pc.getTransceivers()[0].setCodecPreferences(wanted)
        self.channel = self.pc.createDataChannel("events") if channel else None
        if self.channel is not None:
            self.channel.on("message", self._message)
            self.channel.on("open", self.changed)
        self.pc.on("track", self._track)
        self.pc.on("connectionstatechange", self.changed)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        if self.link is not None:
            self.link.attach(self.pc)
        return self.pc.localDescription.sdp

    async def answered(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def listens(self, more: int, seconds: float = 10) -> bytes:
        """The next so many frames of the host's voice, as mono s16 at 48 kHz."""
        have = len(self.heard)
        await self.until(lambda: len(self.heard) >= have + more, seconds)
        return b"".join(self.heard[have:])

    async def aclose(self) -> None:
        await self.pc.close()
        if self._reading is not None:
            await asyncio.wait_for(self._reading, 5)

    def _track(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.create_task(self._read(track))

    def _message(self, message: str) -> None:
        self.messages.append(message)
        self.changed()

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)[:, 0]
            self.heard.append(samples.tobytes())
            self.changed()


class Call:
    """One client, one peer, and what the peer's Call would hear."""

    def __init__(self, client: Client, peer: WebRtcPeer) -> None:
        self.client = client
        self.peer = peer
        self.listener = Listener()
        self.answer = ""

    async def offer_and_answer(self, *, allow_private: bool = True) -> str:
        offer = check_offer(await self.client.offer(), limits=Limits(), allow_private=allow_private)
        self.answer = await self.peer.accept(offer)
        self.peer.attach(Tone(self.peer.codec, HOST_HZ), self.listener)
        return self.answer

    async def connect(self) -> None:
        await self.client.answered(await self.offer_and_answer())
        await self.listener.until(lambda: "connected" in self.listener.states)

    async def aclose(self) -> None:
        await self.peer.aclose()
        await self.client.aclose()


MakeCall = Callable[..., Call]


@pytest.fixture
async def make_call() -> AsyncIterator[MakeCall]:
    calls: list[Call] = []

    def make(
        codec: Codec = OPUS, *, settings: WebRtc | None = None, limits: Limits | None = None, **client: Any
    ) -> Call:
        peer = WebRtcPeer(settings or WebRtc(), limits or Limits(), **client.pop("peer", {}))
        calls.append(Call(Client(codec, **client), peer))
        return calls[-1]

    yield make
    for call in calls:
        await call.aclose()
