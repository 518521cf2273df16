"""A stand-in for OpenAI's Realtime transcription that speaks its protocol over a real WebSocket, with faults to order.

Events after the API reference (realtime, client and server events, the generally available shapes): transcription
sessions only, no turn detection. Answers come by script or by a recogniser.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import WSMsgType, web

RATE = 24_000
"""Hz of the PCM that it takes."""

_SHORTEST = RATE // 10 * 2
"""Bytes: 100 ms, the least that can be committed."""

_ITEM = "conversation.item.input_audio_transcription."

Hear = Callable[[bytes], Awaitable[str]]
"""Takes 24 kHz mono s16, gives its words."""

RealtimeFaultKind = Literal["status", "refuse", "drop", "hang", "garbage", "empty", "failed", "expire"]


@dataclass(frozen=True, slots=True)
class RealtimeFault:
    """One thing that goes wrong with one connection.

    Args:
        kind: ``status`` refuses the upgrade; ``refuse`` answers the configuration with an error and closes; all others
            wait for the ``after``-th event of kind ``at``, and then: ``drop`` cuts the connection, ``hang`` says
            nothing more, ``garbage`` sends what is no event, ``empty`` hears nothing, ``failed`` fails that
            transcription, ``expire`` ends the session as after its 60 minutes.
        status: for ``status``.
        code: of the error, for ``status``, ``refuse`` and ``failed``.
        error_type: likewise.
        at: the client's event.
        after: how many of those go well before.
    """

    kind: RealtimeFaultKind
    status: int = 500
    code: str = "server_error"
    error_type: str = "server_error"
    at: Literal["append", "commit"] = "commit"
    after: int = 0


@dataclass
class RealtimeConnection:
    """One connection as the stand-in saw it."""

    query: dict[str, str]
    headers: dict[str, str]
    session: dict[str, Any] = field(default_factory=dict)
    """What ``session.update`` asked for."""
    events: list[str] = field(default_factory=list)
    """The types of the client's events."""
    items: list[bytes] = field(default_factory=list)
    """The sound of each commit, 24 kHz mono s16."""
    appended: int = 0
    """Bytes of sound since the connection began."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """``session.updated`` has been sent."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Something has come."""

    async def until(self, found: Callable[[RealtimeConnection], bool], timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Return when ``found`` holds of what has come."""
        async with asyncio.timeout(timeout):
            while not found(self):
                self.moved.clear()
                await self.moved.wait()


class RealtimeStub:
    """The server; an async context. ``base_url`` ends in ``/v1``.

    Args:
        hear: what each item says: always the same, or by a recogniser.
        delay_s: between a commit and its first word.
        streams: words come while the sound does, one each 300 ms, as from the models that stream.
        api_key: when set, any other is refused, as OpenAI does it: after the upgrade.
    """

    def __init__(
        self, hear: str | Hear = "Hello there.", *, delay_s: float = 0.0, streams: bool = False, api_key: str = ""
    ) -> None:
        self.hear = hear
        self.delay_s = delay_s
        self.streams = streams
        self.api_key = api_key
        self.connections: list[RealtimeConnection] = []
        self.base_url = ""
        self._port = 0
        self._faults: deque[RealtimeFault | None] = deque()
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serve, on the same port as before if there was one."""
        app = web.Application()
        app.router.add_get("/v1/realtime", self._connection)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{self._port}/v1"

    async def stop(self) -> None:
        """Stop serving: connections break, and are refused from now on."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def fail(self, *faults: RealtimeFault | None) -> None:
        """Let the next connections go wrong, one fault each in this order; None: that one is well."""
        self._faults.extend(faults)

    async def wait_connection(self, count: int = 1, timeout: float = 10.0) -> RealtimeConnection:  # noqa: ASYNC109
        """The ``count``-th connection, as soon as its session is ready."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.connections) >= count)
            connection = self.connections[count - 1]
        async with asyncio.timeout(timeout):
            await connection.ready.wait()
        return connection

    async def _connection(self, request: web.Request) -> web.StreamResponse:
        entry = RealtimeConnection(dict(request.query), dict(request.headers))
        fault = self._faults.popleft() if self._faults else None
        async with self._changed:
            self.connections.append(entry)
            self._changed.notify_all()
        try:
            if fault and fault.kind == "status":
                said = {"message": "the stand-in was told to refuse", "type": fault.error_type, "code": fault.code}
                return web.json_response({"error": said}, status=fault.status)
            socket = web.WebSocketResponse(max_msg_size=16 << 20)
            await socket.prepare(request)
            async with asyncio.TaskGroup() as work:
                talk = _Talk(self, entry, socket, request, fault, work)
                await talk.run()
                talk.end()
            return socket
        finally:
            entry.closed.set()


class _Talk:
    """One session."""

    def __init__(
        self,
        stub: RealtimeStub,
        entry: RealtimeConnection,
        socket: web.WebSocketResponse,
        request: web.Request,
        fault: RealtimeFault | None,
        work: asyncio.TaskGroup,
    ) -> None:
        self._stub, self._entry, self._socket, self._request = stub, entry, socket, request
        self._fault = fault
        self._work = work
        self._tasks: list[asyncio.Task[None]] = []
        self._id = f"sess_{secrets.token_hex(8)}"
        self._buffer = bytearray()
        self._item = ""
        self._told = 0
        self._previous: str | None = None
        self._seen = {"append": 0, "commit": 0}

    async def run(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._send("session.created", session=self._session({}))
            if self._stub.api_key and self._request.headers.get("Authorization") != f"Bearer {self._stub.api_key}":
                await self._refuse("Incorrect API key provided.", "invalid_request_error", "invalid_api_key", 3000)
                return
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    return
                event = json.loads(message.data)
                self._entry.events.append(event["type"])
                self._entry.moved.set()
                await self._take(event)
                self._entry.moved.set()

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                await self._update(event)
            case "input_audio_buffer.append":
                await self._append(event)
            case "input_audio_buffer.commit":
                await self._commit(event)
            case "input_audio_buffer.clear":
                self._buffer.clear()
                self._item = ""
                await self._send("input_audio_buffer.cleared")
            case other:
                await self._error(f"Invalid value: '{other}'.", "invalid_request_error", "invalid_value", event)

    # --- the client's events ----------------------------------------------------------------------

    async def _update(self, event: dict[str, Any]) -> None:
        if self._fault and self._fault.kind == "refuse":
            await self._refuse("told to refuse", self._fault.error_type, self._fault.code, 1008)
            return
        asked = event["session"]
        sound = asked.get("audio", {}).get("input", {})
        if asked.get("type") != "transcription" or "model" not in sound.get("transcription", {}):
            await self._error("Missing: session", "invalid_request_error", "missing_required_parameter", event)
        elif sound.get("format") != {"type": "audio/pcm", "rate": RATE}:
            await self._error("Invalid format", "invalid_request_error", "invalid_value", event)
        elif sound.get("turn_detection", "absent") is not None:
            await self._error("The stand-in detects no turns", "invalid_request_error", "invalid_value", event)
        else:
            self._entry.session = asked
            await self._send("session.updated", session=self._session(asked))
            self._entry.ready.set()

    async def _append(self, event: dict[str, Any]) -> None:
        await self._misbehave("append")
        try:
            pcm = base64.b64decode(event["audio"], validate=True)
        except (KeyError, binascii.Error):
            await self._error("Invalid 'audio'", "invalid_request_error", "invalid_value", event)
            return
        self._buffer += pcm
        self._entry.appended += len(pcm)
        if self._stub.streams and isinstance(self._stub.hear, str):
            self._item = self._item or _item_id()
            words = self._stub.hear.split(" ")
            while self._told < min(len(words) - 1, len(self._buffer) // (RATE * 2 * 3 // 10)):
                await self._delta(self._item, words[self._told], first=not self._told)
                self._told += 1

    async def _commit(self, event: dict[str, Any]) -> None:
        await self._misbehave("commit")
        if len(self._buffer) < _SHORTEST:
            held = len(self._buffer) / RATE / 2 * 1000
            text = (
                "Error committing input audio buffer: buffer too small. "
                f"Expected at least 100ms of audio, but buffer only has {held:.2f}ms of audio."
            )
            await self._error(text, "invalid_request_error", "input_audio_buffer_commit_empty", event)
            return
        item, pcm, told = self._item or _item_id(), bytes(self._buffer), self._told
        self._item, self._told = "", 0
        self._buffer.clear()
        self._entry.items.append(pcm)
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=self._previous)
        shown = {"id": item, "type": "message", "status": "completed", "role": "user"}
        shown["content"] = [{"type": "input_audio", "transcript": None}]  # type: ignore[assignment]  # JSON
        await self._send("conversation.item.added", item=shown, previous_item_id=self._previous)
        self._previous = item
        number = self._seen["commit"]
        self._tasks.append(self._work.create_task(self._transcribe(item, pcm, told, number)))

    async def _transcribe(self, item: str, pcm: bytes, told: int, number: int) -> None:
        with contextlib.suppress(ConnectionError):
            await asyncio.sleep(self._stub.delay_s)
            fault = self._fault if self._fault and number == self._fault.after + 1 else None
            if fault and fault.kind == "failed":
                error = {"type": fault.error_type, "code": fault.code, "message": "told to fail", "param": None}
                await self._send(_ITEM + "failed", item_id=item, content_index=0, error=error)
                return
            hear = self._stub.hear
            text = hear if isinstance(hear, str) else await hear(pcm)
            if fault and fault.kind == "empty":
                text = ""
            for number_of, word in enumerate(text.split(" ")[told:] if text else [], told):
                await self._delta(item, word, first=not number_of)
            usage = {"type": "duration", "seconds": round(len(pcm) / 2 / RATE, 2)}
            await self._send(_ITEM + "completed", item_id=item, content_index=0, transcript=text, usage=usage)

    # --- the server's events ----------------------------------------------------------------------

    async def _delta(self, item: str, word: str, *, first: bool) -> None:
        await self._send(_ITEM + "delta", item_id=item, content_index=0, delta=word if first else f" {word}")

    async def _send(self, kind: str, **data: Any) -> None:
        await self._socket.send_json({"type": kind, "event_id": f"event_{secrets.token_hex(8)}", **data})

    async def _error(self, message: str, kind: str, code: str, cause: dict[str, Any]) -> None:
        said = {"type": kind, "code": code, "message": message, "param": None, "event_id": cause.get("event_id")}
        await self._send("error", error=said)

    async def _refuse(self, message: str, kind: str, code: str, close: int) -> None:
        await self._error(message, kind, code, {})
        await self._socket.close(code=close, message=f"{kind}.{code}".encode())

    async def _misbehave(self, at: Literal["append", "commit"]) -> None:
        self._seen[at] += 1
        fault = self._fault
        if fault is None or fault.at != at or self._seen[at] != fault.after + 1:
            return
        if fault.kind == "drop" and self._request.transport is not None:
            self._request.transport.abort()
        if fault.kind in {"drop", "hang"}:
            await asyncio.Event().wait()  # ends by cancellation, when the client has gone
        if fault.kind == "garbage":
            await self._socket.send_str("\x00 no event {")
        elif fault.kind == "expire":
            text = "Your session hit the maximum duration of 60 minutes."
            await self._error(text, "invalid_request_error", "session_expired", {})
            await self._socket.close(code=1001, message=text.encode())

    def _session(self, asked: dict[str, Any]) -> dict[str, Any]:
        head = {"id": self._id, "object": "realtime.transcription_session", "type": "transcription"}
        return {**asked, **head, "expires_at": int(time.time()) + 3600}


def _item_id() -> str:
    return f"item_{secrets.token_hex(8)}"
