"""Twilio's end of a bidirectional media stream: what it sends, and the buffer from which it plays what it is sent.

After twilio.com/docs/voice/media-streams/websocket-messages. What it would refuse (31924) is an error here too.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import aiohttp

from openclaw_actors.media.codecs import PCMU
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import PACKET_S, Pacing, Utterance
from openclaw_actors.testkit.providers.twilio.exchange import Exchange, new_sid
from openclaw_actors.testkit.providers.twilio.twiml import ConnectStream
from openclaw_actors.testkit.speakers import Speech

_PACKET = 160
"""Bytes in 20 ms; nothing says that pieces must be so long, but they are."""


class StreamClient:
    """One stream.

    Args:
        exchange: the account's.
        call_sid: the call's.
        verb: what asked for it.
        ear: hears what is played.
        on_tick: called after each 20 ms with the monotonic time.
    """

    def __init__(
        self, exchange: Exchange, call_sid: str, verb: ConnectStream, ear: Ear, on_tick: Callable[[float], None]
    ) -> None:
        self.stream_sid = new_sid("MZ")
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
        """Twilio's error code: 31920 no handshake, 31924 a message that is not understood."""
        self.close_code = 0
        self.close_reason = ""
        self._exchange = exchange
        self._call_sid = call_sid
        self._verb = verb
        self._ear = ear
        self._on_tick = on_tick
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._sequence = 0
        self._chunk = 0
        self._said: deque[Utterance] = deque()
        self._buffer = bytearray()
        self._received = 0
        self._pending: deque[tuple[int, str]] = deque()
        self._outbox: deque[tuple[str, dict[str, Any]]] = deque()
        self._dry_since = 0.0

    # --- life ---------------------------------------------------------------------------------------

    async def run(self, started: asyncio.Event) -> None:
        """Carry the call until the host closes the socket; cancelled, the call ends and so does the stream."""
        try:
            self._socket = await self._exchange.open(self._verb.url)
        except aiohttp.WSServerHandshakeError:
            self.error = 31920
            started.set()
            return
        clock = None
        try:
            await self._send_raw({"event": "connected", "protocol": "Call", "version": "1.0.0"})
            await self._send("start", start=self._start())
            started.set()
            clock = asyncio.create_task(self._tick())
            await self._listen(self._socket)
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError):
                await self._send("stop", stop={"accountSid": self._exchange.account_sid, "callSid": self._call_sid})
            raise
        finally:
            if clock is not None:
                clock.cancel()
                await asyncio.gather(clock, return_exceptions=True)
            await self._socket.close()

    def _start(self) -> dict[str, Any]:
        return {
            "accountSid": self._exchange.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self._call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(self._verb.parameters),
        }

    async def report(self) -> None:
        """Tell the stream's status callback how it went."""
        event = "stream-error" if self.error else "stream-stopped"
        form = {
            "AccountSid": self._exchange.account_sid,
            "CallSid": self._call_sid,
            "StreamSid": self.stream_sid,
            "StreamName": self.stream_sid,
            "StreamEvent": event,
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if self.error:
            form["StreamError"] = str(self.error)
        await self._exchange.post(self._verb.status_callback, form)

    # --- what the host says ---------------------------------------------------------------------------

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT and self._understood(message.data):
                continue
            if message.type is aiohttp.WSMsgType.CLOSE:
                self.close_code, self.close_reason = int(message.data), str(message.extra or "")
            elif message.type not in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}:
                self.error = 31924
            return

    def _understood(self, text: str) -> bool:
        """Do what a message says; whether it is one of the three that may come."""
        now = time.monotonic()
        try:
            message = json.loads(text)
            kind = message["event"]
            if message["streamSid"] != self.stream_sid:
                return False
            if kind == "media":
                self._take(base64.b64decode(message["media"]["payload"], validate=True), now)
            elif kind == "mark":
                self._mark(str(message["mark"]["name"]))
            elif kind == "clear":
                self._clear(now)
            else:
                return False
        except (ValueError, KeyError, TypeError, binascii.Error):
            return False
        return True

    def _take(self, sound: bytes, now: float) -> None:
        if self._dry_since:
            self.gaps.append(now - self._dry_since)
            self._dry_since = 0.0
        self.arrivals.append(now)
        self._buffer += sound
        self._received += len(sound)
        self.longest_lead_s = max(self.longest_lead_s, len(self._buffer) / PCMU.clock_rate)

    def _mark(self, name: str) -> None:
        self.marks.append(name)
        self._pending.append((self._received, name))

    def _clear(self, now: float) -> None:
        self.clears.append(now)
        self._buffer.clear()
        self._dry_since = 0.0
        while self._pending:
            self._echo(played=False)

    def _echo(self, *, played: bool) -> None:
        _, name = self._pending.popleft()
        self.echoes.append((name, played))
        self._outbox.append(("mark", {"mark": {"name": name}}))

    # --- 20 ms at a time ----------------------------------------------------------------------------

    async def _tick(self) -> None:
        began, ticks = time.monotonic(), 0
        with contextlib.suppress(ConnectionError):
            while True:
                due = began + ticks * PACKET_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                now = time.monotonic()
                self.pacing.lags.append(now - due)
                await self._speak(now, ticks)
                self._play(now, ticks)
                await self._send_echoes()
                ticks += 1
                self._on_tick(now)

    async def _speak(self, now: float, ticks: int) -> None:
        while self._said and not self._said[0].packets:
            done = self._said.popleft().done
            if not done.done():
                done.set_result(None)
        sound = self._said[0].next_packet(now) if self._said else PCMU.silence
        self._chunk += 1
        # As a text at once: a hundred lines of one benchmark send 5,000 a second.
        self._sequence += 1
        await self._send_text(
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"inbound","chunk":"{self._chunk}",'
            f'"timestamp":"{round(ticks * PACKET_S * 1000)}","payload":"{base64.b64encode(sound).decode()}"}},'
            f'"streamSid":"{self.stream_sid}"}}'
        )

    def _play(self, now: float, ticks: int) -> None:
        # What was taken out 20 ms ago has been played by now.
        while self._pending and self._pending[0][0] <= self._received - len(self._buffer):
            self._echo(played=True)
        sound = bytes(self._buffer[:_PACKET])
        del self._buffer[:_PACKET]
        self.sound_played += len(sound)
        if sound and not self._buffer:
            self._dry_since = now + len(sound) / PCMU.clock_rate
        sound = sound.ljust(_PACKET, b"\xff")
        self._ear.hear(RtpAudio(ticks & 0xFFFF, ticks * _PACKET & 0xFFFF_FFFF, sound, now), pcmu=True)

    # --- the person ---------------------------------------------------------------------------------

    def say(self, speech: Speech) -> Utterance:
        """Queue it; its ``done`` is set when the last packet has left."""
        utterance = Utterance.of(speech, speech.pcmu_packets)
        self._said.append(utterance)
        return utterance

    async def press(self, key: str) -> None:
        """Press one key."""
        await self._send("dtmf", dtmf={"track": "inbound_track", "digit": key})

    def vanish(self) -> None:
        """Cut the connection off, without a word."""
        if self._socket is not None and (connection := self._socket._response.connection) is not None:  # noqa: SLF001 - aiohttp has no other way
            connection.close()

    def hush(self, error: Exception) -> None:
        """Nothing more is said; who waits for it gets ``error``."""
        while self._said:
            done = self._said.popleft().done
            if not done.done():
                done.set_exception(error)
                done.exception()  # seen: nobody need be waiting for it

    # --- messages -----------------------------------------------------------------------------------

    async def _send_echoes(self) -> None:
        while self._outbox:
            kind, body = self._outbox.popleft()
            await self._send(kind, **body)

    async def _send(self, event: str, **body: Any) -> None:
        self._sequence += 1
        await self._send_raw(
            {"event": event, "sequenceNumber": str(self._sequence), **body, "streamSid": self.stream_sid}
        )

    async def _send_raw(self, message: dict[str, Any]) -> None:
        await self._send_text(json.dumps(message))

    async def _send_text(self, text: str) -> None:
        if self._socket is None or self._socket.closed:
            raise ConnectionResetError("the stream is closed")
        await self._socket.send_str(text)
