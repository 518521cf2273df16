"""A carrier's end of a bidirectional media stream: it sends sound, and plays what it is sent from a buffer.

How a carrier says it is in a subclass; what the carrier would refuse is an error here too.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import picows

from openclaw_actors.media.codecs import PCMU
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import PACKET_S, Pacing, Utterance
from openclaw_actors.testkit.providers.carrier.exchange import Exchange
from openclaw_actors.testkit.providers.carrier.socket import StreamSocket
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream
from openclaw_actors.testkit.speakers import Speech

Message = dict[str, Any]

_PACKET = 160
"""Bytes in 20 ms; nothing says that pieces must be so long, but they are."""

_SILENCE = base64.b64encode(PCMU.silence).decode()


class StreamClient:
    """One stream.

    Args:
        exchange: the account's.
        call_id: the carrier's name for the call.
        verb: what asked for it.
        ear: hears what is played.
        on_tick: called after each 20 ms with the monotonic time.
    """

    def __init__(
        self, exchange: Exchange, call_id: str, verb: ConnectStream, ear: Ear, on_tick: Callable[[float], None]
    ) -> None:
        self.stream_id = self.new_id()
        self.pacing = Pacing()
        self.arrivals: list[float] = []
        """When each of the host's media messages came."""
        self.clears: list[float] = []
        """When it said clear."""
        self.marks: list[str] = []
        """Names of its marks, in the order in which they came."""
        self.echoes: list[tuple[str, bool]] = []
        """Marks as they were echoed, and whether their sound had been played (it was thrown away otherwise)."""
        self.sound_played = 0
        """Bytes."""
        self.longest_lead_s = 0.0
        """Sound in the buffer, at most."""
        self.gaps: list[float] = []
        """Seconds for which the buffer was empty before more came: heard as a stutter if they are short."""
        self.error = 0
        """As Twilio numbers them: 31920 no handshake, 31924 a message that is not understood."""
        self.close_code = 0
        self.close_reason = ""
        self.exchange = exchange
        self.call_id = call_id
        self.verb = verb
        self._ear = ear
        self._on_tick = on_tick
        self._socket: StreamSocket | None = None
        self._sequence = 0
        self._chunk = 0
        self._said: deque[Utterance] = deque()
        self._buffer = bytearray()
        self._received = 0
        self._pending: deque[tuple[int, str]] = deque()
        self._outbox: deque[Message] = deque()
        self._dry_since = 0.0
        self._ticks = 0

    # --- life ---------------------------------------------------------------------------------------

    async def run(self, started: asyncio.Event) -> None:
        """Carry the call until the host closes the socket; cancelled, the call ends and so does the stream."""
        try:
            socket = self._socket = await self.exchange.open(self.verb.url, self._understood)
        except picows.WSHandshakeError:
            self.error = 31920
            started.set()
            return
        ticking = None
        try:
            for message in self.opening():
                self._send(message)
            started.set()
            ticking = self.exchange.clock.begin(self._tick)
            await socket.over.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError):
                for message in self.closing():
                    self._send(message)
            raise
        finally:
            if ticking is not None:
                ticking.stop()
            self.close_code, self.close_reason = socket.close_code, socket.close_reason
            if socket.misunderstood:
                self.error = 31924
            await socket.close()

    # --- how a carrier says it ------------------------------------------------------------------------

    def new_id(self) -> str:
        """Of a stream."""
        raise NotImplementedError

    def opening(self) -> Sequence[Message]:
        """What comes first."""
        raise NotImplementedError

    def speech(self, sound: str, at_ms: int) -> Sequence[str]:
        """20 ms of the person, in base64: texts, as a hundred lines of one benchmark send 5,000 a second."""
        raise NotImplementedError

    def key(self, digit: str) -> Message:
        """A key is pressed."""
        raise NotImplementedError

    def echo(self, name: str, *, played: bool) -> Message | None:
        """A mark's sound was played, or thrown away."""
        raise NotImplementedError

    def cleared(self) -> Message | None:
        """The buffer was thrown away."""
        return None

    def closing(self) -> Sequence[Message]:
        """What comes last, when the person hangs up."""
        return ()

    def understand(self, message: Message) -> bool:
        """Take what the host says (``take``, ``mark``, ``clear``); False: it is none of what may come.

        Raises:
            KeyError, TypeError, ValueError: nor is that.
        """
        raise NotImplementedError

    async def report(self) -> None:
        """Tell the host how it went, beside the stream."""

    def numbered(self) -> int:
        """The number of the message that is sent next."""
        self._sequence += 1
        return self._sequence

    def next_chunk(self) -> int:
        """The number of the piece of sound that is sent next."""
        self._chunk += 1
        return self._chunk

    # --- what the host says ---------------------------------------------------------------------------

    def _understood(self, text: str) -> bool:
        """Do what a message says; whether it is one that may come."""
        try:
            return self.understand(json.loads(text))
        except (ValueError, KeyError, TypeError, binascii.Error):
            return False

    def take(self, payload: str) -> None:
        """Sound to be played, in base64."""
        sound, now = base64.b64decode(payload, validate=True), time.monotonic()
        if self._dry_since:
            if now > self._dry_since:  # else the last of it is still being played
                self.gaps.append(now - self._dry_since)
            self._dry_since = 0.0
        self.arrivals.append(now)
        self._buffer += sound
        self._received += len(sound)
        self.longest_lead_s = max(self.longest_lead_s, len(self._buffer) / PCMU.clock_rate)

    def mark(self, name: str) -> None:
        """To be echoed when all before it was played."""
        self.marks.append(name)
        self._pending.append((self._received, name))

    def clear(self) -> None:
        """Throw away what is not played yet."""
        self.clears.append(time.monotonic())
        self._buffer.clear()
        self._dry_since = 0.0
        while self._pending:
            self._echo(played=False)
        cleared = self.cleared()
        if cleared is not None:
            self._outbox.append(cleared)

    def _echo(self, *, played: bool) -> None:
        _, name = self._pending.popleft()
        message = self.echo(name, played=played)
        if message is not None:
            self.echoes.append((name, played))
            self._outbox.append(message)

    # --- 20 ms at a time ----------------------------------------------------------------------------

    def _tick(self, due: float) -> None:
        now, ticks = time.monotonic(), self._ticks
        self.pacing.lags.append(now - due)
        self._ticks += 1
        self._speak(now, ticks)
        self._play(now, ticks)
        while self._outbox:
            self._send(self._outbox.popleft())
        self._on_tick(now)

    def _speak(self, now: float, ticks: int) -> None:
        while self._said and not self._said[0].packets:
            done = self._said.popleft().done
            if not done.done():
                done.set_result(None)
        sound = base64.b64encode(self._said[0].next_packet(now)).decode() if self._said else _SILENCE
        for text in self.speech(sound, round(ticks * PACKET_S * 1000)):
            self._send_text(text)

    def _play(self, now: float, ticks: int) -> None:
        # What was taken out 20 ms ago has been played by now.
        while self._pending and self._pending[0][0] <= self._received - len(self._buffer):
            self._echo(played=True)
        sound = self._take_out(now) if self._buffer else PCMU.silence
        self._ear.hear(RtpAudio(ticks & 0xFFFF, ticks * _PACKET & 0xFFFF_FFFF, sound, now), pcmu=True)

    def _take_out(self, now: float) -> bytes:
        sound = bytes(self._buffer[:_PACKET])
        del self._buffer[:_PACKET]
        self.sound_played += len(sound)
        if not self._buffer:
            self._dry_since = now + len(sound) / PCMU.clock_rate
        return sound.ljust(_PACKET, PCMU.silence[:1])

    # --- the person ---------------------------------------------------------------------------------

    def say(self, speech: Speech) -> Utterance:
        """Queue it; its ``done`` is set when the last packet has left."""
        utterance = Utterance.of(speech, speech.pcmu_packets)
        self._said.append(utterance)
        return utterance

    def press(self, key: str) -> None:
        """Press one key."""
        self._send(self.key(key))

    def vanish(self) -> None:
        """Cut the connection off, without a word."""
        if self._socket is not None:
            self._socket.vanish()

    def hush(self, error: Exception) -> None:
        """Nothing more is said; who waits for it gets ``error``."""
        while self._said:
            done = self._said.popleft().done
            if not done.done():
                done.set_exception(error)
                done.exception()  # seen: nobody need be waiting for it

    # --- messages -----------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        self._send_text(json.dumps(message))

    def _send_text(self, text: str) -> None:
        if self._socket is None:
            raise ConnectionResetError("there is no stream yet")
        self._socket.send(text)
