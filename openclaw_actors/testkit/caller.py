"""One scripted caller over WebRTC: speaks, listens, interrupts, and measures by its own clock.

All times are ``time.monotonic()`` seconds of the caller's machine. The latency of a turn is mouth to ear: from the
sending of the frame that holds the last voiced sample to the arrival of the first sound of the answer.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from openclaw_actors.media.codecs import OPUS, PCMU
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.messages import Line
from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import Mouth, Pacing, Utterance
from openclaw_actors.testkit.party import Party
from openclaw_actors.testkit.signalling import Signalling
from openclaw_actors.testkit.speakers import Speech
from openclaw_actors.testkit.waiting import CallEndedError
from openclaw_actors.transports.webrtc.aiortc_private import (
    DirectReceiver,
    ice_connections,
    send_directly,
    tap_receiver,
)
from openclaw_actors.transports.webrtc.ice import IceGuard
from openclaw_actors.transports.webrtc.pacer import loop_pacer


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One message of the data channel, and when it came."""

    arrived_at: float
    type: str
    data: Mapping[str, Any]
    raw: Mapping[str, Any]


class Caller(Party):
    """A caller; an async context that calls on entry and hangs up on exit.

    Args:
        url: the host's, such as ``http://127.0.0.1:8080``.
        token: a bearer token, where the host asks for one.
        name: sent as ``metadata.name``.
        resume: the ``resume_token`` of a call that lost its caller.
        mode: ``voicemail`` leaves a message; empty: the host's own choice.
        codec: what the offer names: both codecs, or PCMU alone.
        keep_audio: keep what is heard, for ``heard.recording()``.
        direct: take the host's own short way past aiortc's tasks (``webrtc.rtp``): for many callers in one process.
        prepare: is given the connection once its candidates are gathered (see testkit/lossy.py).
        verify_tls: False takes a self-signed certificate.
    """

    def __init__(  # noqa: PLR0913 - callers differ in many ways
        self,
        url: str,
        token: str = "",
        name: str = "",
        *,
        resume: str = "",
        mode: Literal["", "conversation", "voicemail"] = "",
        codec: Literal["opus", "pcmu"] = "opus",
        keep_audio: bool = True,
        direct: bool = False,
        prepare: Callable[[RTCPeerConnection], None] | None = None,
        verify_tls: bool = True,
    ) -> None:
        self.url = url.rstrip("/")
        super().__init__(Ear(keep=keep_audio))
        self.mouth = Mouth(on_tick=self._waits.check)
        self.events: list[ReceivedEvent] = []
        self.on_event: Callable[[ReceivedEvent], None] | None = None
        """Is given each event as it comes; set it before the call."""
        self.call_id = ""
        self.resume_token = ""
        self.location = ""
        self.setup_s = 0.0
        """Offer sent to connection up."""
        self._token = token
        self._name = name
        self._resume = resume
        self._mode = mode
        self._codec = codec
        self._guard = IceGuard() if direct else None
        self._prepare = prepare
        self._verify_tls = verify_tls
        self._pc: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._signalling: Signalling | None = None

    @property
    def pacing(self) -> Pacing:
        """How late its own packets left."""
        return self.mouth.pacing

    # --- life ------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self.dial()
        except BaseException:
            await self.leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(aiohttp.ClientError, TimeoutError):  # the host may be gone: the connection closes all the same
            await self.hang_up()

    async def dial(self, timeout_s: float = 15.0) -> None:
        """Call, and return when the connection is up and the ``events`` channel is open.

        Raises:
            CallRefusedError: the host answered with a problem.
            TimeoutError: no connection in ``timeout_s`` seconds.
        """
        async with asyncio.timeout(timeout_s):
            began = time.monotonic()
            signalling = self._signalling = Signalling(self.url, self._token, verify_tls=self._verify_tls)
            pc = self._pc = RTCPeerConnection(RTCConfiguration(await signalling.ice_servers()))
            pc.on("connectionstatechange", self._on_connection_state)
            sender = pc.addTrack(self.mouth)
            if self._codec == "pcmu":
                _offer_only_pcmu(pc)
            self._channel = pc.createDataChannel("events")
            self._channel.on("message", self._on_message)
            if self._guard is not None:
                send_directly(sender, self.mouth, loop_pacer())
                for connection in ice_connections(pc):
                    self._guard.protect(connection)
            await pc.setLocalDescription(await pc.createOffer())
            if self._prepare is not None:
                self._prepare(pc)
            answer = await signalling.offer(pc.localDescription.sdp, self._name, self._resume, self._mode)
            self.call_id, self.resume_token = answer.call_id, answer.resume_token
            self.location = answer.location
            self.mouth.codec = OPUS if "opus/48000" in answer.sdp.lower() else PCMU
            for receiver in pc.getReceivers():
                tap_receiver(receiver, self._on_rtp, stock=False)
                if self._guard is not None:
                    self._guard.direct = DirectReceiver(receiver, self._on_rtp)
            await pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
            await self._waits.until(lambda _: self._is_up(), None, "connection")
            self.setup_s = time.monotonic() - began

    def _is_up(self) -> bool:
        channel_open = self._channel is not None and self._channel.readyState == "open"
        return channel_open and self._pc is not None and self._pc.connectionState == "connected"

    async def hang_up(self) -> int:
        """Say goodbye by ``DELETE`` and close; the HTTP status, 0 when there was no call to end.

        Raises:
            aiohttp.ClientError: the host could not be told; the connection is closed all the same.
        """
        location, self.location = self.location, ""
        try:
            return await self._signalling.goodbye(location) if location and self._signalling else 0
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Close the connection without telling the API: the host sees the peer's own goodbye only."""
        self.mouth.stop()
        if self._pc is not None:
            pc, self._pc = self._pc, None
            await pc.close()
        if self._signalling is not None:
            signalling, self._signalling = self._signalling, None
            await signalling.aclose()
        self._waits.end()

    # --- what arrives ------------------------------------------------------------------------------------------

    def _on_rtp(self, packet: RtpAudio) -> None:
        self.heard.hear(packet, pcmu=self.mouth.codec is PCMU)

    def _on_message(self, message: str | bytes) -> None:
        raw = json.loads(message)
        event = ReceivedEvent(time.monotonic(), raw.get("type", ""), raw.get("data") or {}, raw)
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)
        self._waits.check(time.monotonic())

    def _on_connection_state(self) -> None:
        if self._pc is not None and self._pc.connectionState in {"failed", "closed"}:
            self.mouth.stop()  # nobody takes its packets any more: who waits for their end must not wait for ever
            self._waits.end()
        self._waits.check(time.monotonic())

    # --- waiting ------------------------------------------------------------------------------------

    def _summary(self) -> str:
        said = "; ".join(f"{line.role}: {line.text}" for line in self.transcript[-6:])
        kinds = ", ".join(event.type for event in self.events[-12:])
        return f"{super()._summary()}; {said}; events: {kinds}"

    async def wait_event(
        self,
        kind: str,
        predicate: Callable[[Mapping[str, Any]], bool] = lambda _: True,
        timeout_s: float = 10.0,
        *,
        after: float = 0.0,
    ) -> ReceivedEvent:
        """The first event of this type whose data satisfies ``predicate``, among those come after ``after``."""
        seen = 0

        def found(_: float) -> ReceivedEvent | None:
            nonlocal seen  # each is judged once: this is asked 50 times a second, and a long call has thousands
            while seen < len(self.events):
                event = self.events[seen]
                seen += 1
                if event.type == kind and event.arrived_at >= after and predicate(event.data):
                    return event
            return None

        return await self._waits.until(found, timeout_s, f"event {kind}")

    # --- what a caller does ------------------------------------------------------------------------------------------

    def start_saying(self, speech: Speech | bytes) -> Utterance:
        """As Party.start_saying."""
        return self.mouth.say(Speech(speech) if isinstance(speech, bytes) else speech)

    def send(self, kind: str, **data: Any) -> None:
        """Send a command on the data channel, such as ``send("text", text="Hello")``."""
        if self._channel is None or self.over:
            raise CallEndedError("no call to send a command to")
        self._channel.send(json.dumps({"type": kind, **data}))

    @property
    def transcript(self) -> list[Line]:
        """What was said, by the host's final ``call.transcript`` events."""
        lines: list[Line] = []
        for event in self.events:
            if event.type != "call.transcript" or not event.data.get("final", True):
                continue
            line = Line(event.data["role"], event.data["text"], bool(event.data.get("cut")))
            if line.cut and not line.text:
                at = max((n for n, each in enumerate(lines) if each.role == line.role), default=None)
                if at is not None:
                    lines[at] = replace(lines[at], cut=True)  # it was interrupted behind that
                continue
            lines.append(line)
        return lines

    def words_of(self, role: Literal["user", "agent"]) -> str:
        """All that one side has said so far, in lower case."""
        return " ".join(line.text for line in self.transcript if line.role == role).lower()


def _offer_only_pcmu(pc: RTCPeerConnection) -> None:
    capabilities = RTCRtpReceiver.getCapabilities("audio")
    pcmu = [codec for codec in capabilities.codecs if codec.mimeType == "audio/PCMU"] if capabilities else []
    for transceiver in pc.getTransceivers():
        transceiver.setCodecPreferences(pcmu)


@asynccontextmanager
async def calls(url: str, count: int, **options: Any) -> AsyncIterator[list[Caller]]:
    """``count`` callers at once, all hung up on exit."""
    callers = [Caller(url, name=f"caller {n + 1}", **options) for n in range(count)]
    try:
        async with asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(caller.dial())
        yield callers
    finally:
        await asyncio.gather(*(caller.hang_up() for caller in callers), return_exceptions=True)
