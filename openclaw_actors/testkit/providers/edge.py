"""A fake of Microsoft's read-aloud service that speaks its protocol over a real WebSocket, with faults to order.

The protocol as edge-tts 7.3.1 speaks it: two text messages in (speech.config, ssml), text messages and framed MP3 out.
The token (Sec-MS-GEC) is not checked: nobody outside Microsoft knows how.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal
from xml.sax.saxutils import unescape

import av
from aiohttp import WSMessage, WSMsgType, web

from openclaw_actors.testkit.providers.openai import buzz
from openclaw_actors.testkit.providers.server import FakeServer

RATE = 24_000
FRAME_BYTES = 144
"""24 ms of ``audio-24khz-48kbitrate-mono-mp3``."""

_PATH = "/consumer/speech/synthesize/readaloud/edge/v1"
_FRAMES_A_MESSAGE = 5
_TICKS = 10_000_000

EdgeFaultKind = Literal["status", "no_audio", "drop", "hang", "garbage", "unknown_path"]


@dataclass(frozen=True, slots=True)
class EdgeFault:
    """One thing that goes wrong with one connection.

    Args:
        kind: ``status`` refuses the upgrade; ``no_audio`` ends the turn without sound; ``drop`` cuts the connection;
            ``hang`` falls silent; ``garbage`` sends noise in place of MP3; ``unknown_path`` a message of no known kind.
        status: for ``status``.
        after: for ``drop`` and ``hang``: audio messages that come first.
        clock_skew_s: for ``status`` 403: how far ahead the server's Date is, which the client is to learn.
    """

    kind: EdgeFaultKind
    status: int = 403
    after: int = 0
    clock_skew_s: float = 0.0


@dataclass
class EdgeRequest:
    """One connection as the fake saw it."""

    query: dict[str, str]
    headers: dict[str, str]
    config: dict[str, Any] = field(default_factory=dict)
    voice: str = ""
    text: str = ""
    prosody: dict[str, str] = field(default_factory=dict)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


class FakeEdge(FakeServer):
    """The service; an async context.

    Args:
        voice: takes the text, gives 24 kHz mono s16; a buzz of 70 ms a character unless given.
        first_audio_s: it thinks this long before its first sound.
        message_s: and waits this long before each further message of 120 ms.
    """

    def __init__(
        self, voice: Callable[[str], bytes] = buzz, *, first_audio_s: float = 0.0, message_s: float = 0.0
    ) -> None:
        super().__init__()
        self.requests: list[EdgeRequest] = []
        self._voice = voice
        self._first_audio_s = first_audio_s
        self._message_s = message_s
        self._faults: deque[EdgeFault | None] = deque()

    @property
    def endpoint(self) -> str:
        """What edge-tts calls its WSS_URL."""
        return f"ws://{self.address}{_PATH}?TrustedClientToken=FAKE"

    def routes(self) -> Sequence[web.RouteDef]:
        """The one of the service."""
        return (web.get(_PATH, self._connection),)

    def fail(self, *faults: EdgeFault | None) -> None:
        """Let the next connections go wrong, one fault each in this order; None: that one is well."""
        self._faults.extend(faults)

    async def _connection(self, request: web.Request) -> web.StreamResponse:
        entry = EdgeRequest(dict(request.query), dict(request.headers))
        self.requests.append(entry)
        fault = self._faults.popleft() if self._faults else None
        if fault and fault.kind == "status":
            date = formatdate(time.time() + fault.clock_skew_s, usegmt=True)
            return web.Response(status=fault.status, headers={"Date": date})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            with contextlib.suppress(ConnectionResetError):  # the client's doing, or a fault's
                async for message in socket:
                    if message.type == WSMsgType.TEXT:
                        await self._message(request, socket, entry, message, fault)
        finally:
            entry.closed.set()
        return socket

    async def _message(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        entry: EdgeRequest,
        message: WSMessage,
        fault: EdgeFault | None,
    ) -> None:
        head, _, body = message.data.partition("\r\n\r\n")
        headers = dict(line.split(":", 1) for line in head.split("\r\n"))
        if headers["Path"] == "speech.config":
            entry.config = json.loads(body)["context"]["synthesis"]["audio"]
            return
        _read_ssml(body, entry)
        turn = _Turn(socket, headers["X-RequestId"])
        await turn.text("turn.start", {"context": {"serviceTag": "fake"}})
        await turn.text("response", {"context": {"serviceTag": "fake"}, "audio": {"type": "inline", "streamId": "1"}})
        if fault and fault.kind == "unknown_path":
            await turn.text("surprise", {})
        if not fault or fault.kind != "no_audio":
            await self._speak(request, turn, entry, fault)
        await turn.text("turn.end", {})

    async def _speak(self, request: web.Request, turn: _Turn, entry: EdgeRequest, fault: EdgeFault | None) -> None:
        pcm = self._voice(entry.text)
        sound, seconds = to_mp3(pcm), len(pcm) / 2 / RATE
        if fault and fault.kind == "garbage":
            sound = bytes(range(256)) * 12
        await asyncio.sleep(self._first_audio_s)
        step = FRAME_BYTES * _FRAMES_A_MESSAGE
        for number, start in enumerate(range(0, len(sound), step)):
            if fault and fault.kind in {"drop", "hang"} and number == fault.after:
                if fault.kind == "hang":
                    await asyncio.Event().wait()
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError("the fake was told to drop the connection")
            if number:
                await asyncio.sleep(self._message_s)
            await turn.audio(sound[start : start + step])
            if number == 0:
                await turn.boundaries(entry, seconds)
        await turn.audio(b"")


class _Turn:
    """What the service sends about one request."""

    def __init__(self, socket: web.WebSocketResponse, request_id: str) -> None:
        self._socket = socket
        self._id = request_id

    async def text(self, path: str, body: dict[str, Any]) -> None:
        head = f"X-RequestId:{self._id}\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n\r\n"
        await self._socket.send_str(head + json.dumps(body))

    async def audio(self, data: bytes) -> None:
        """The last of a turn is empty and has no content type."""
        kind = "Content-Type:audio/mpeg\r\n" if data else ""
        head = f"X-RequestId:{self._id}\r\n{kind}X-StreamId:1\r\nPath:audio\r\n".encode()
        await self._socket.send_bytes(len(head).to_bytes(2, "big") + head + data)

    async def boundaries(self, entry: EdgeRequest, seconds: float) -> None:
        """When each word, or the sentence, is said, in ticks of 100 ns; each letter takes as long as another."""
        words = entry.config["metadataoptions"]["wordBoundaryEnabled"] == "true"
        kind = "WordBoundary" if words else "SentenceBoundary"
        tick = seconds * _TICKS / max(1, len(entry.text))
        for found in re.finditer(r"\w[\w']*" if words else r"(?s).+", entry.text):
            word = {"Text": found[0], "Length": len(found[0]), "BoundaryType": kind}
            data = {"Offset": int(found.start() * tick), "Duration": int(len(found[0]) * tick), "text": word}
            await self.text("audio.metadata", {"Metadata": [{"Type": kind, "Data": data}]})


def _read_ssml(ssml: str, entry: EdgeRequest) -> None:
    found = re.search(r"<voice name='(.*?)'>\s*<prosody (.*?)>(.*?)</prosody>", ssml, re.DOTALL)
    if found is None:
        raise ValueError(f"this is no SSML of edge-tts: {ssml}")
    entry.voice = found[1]
    entry.prosody = dict(re.findall(r"(\w+)='(.*?)'", found[2]))
    entry.text = unescape(found[3], {"&quot;": '"', "&apos;": "'"})


def to_mp3(pcm: bytes) -> bytes:
    """MP3 of 24 kHz mono s16, as the service makes it: 48 kbit/s, constant, without tags."""
    encoder = av.AudioCodecContext.create("libmp3lame", "w")
    encoder.sample_rate = RATE
    encoder.layout = "mono"
    encoder.format = "s16p"
    encoder.bit_rate = 48_000
    encoder.options = {"reservoir": "0"}  # each frame stands alone, so that a stream may be cut anywhere
    encoder.open()
    size = encoder.frame_size * 2
    packets: list[bytes] = []
    for start in range(0, len(pcm), size):
        piece = pcm[start : start + size].ljust(size, b"\0")
        frame = av.AudioFrame(format="s16p", layout="mono", samples=size // 2)
        frame.planes[0].update(piece)
        frame.sample_rate = RATE
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    return b"".join(packets)
