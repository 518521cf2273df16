"""A served API over a real socket, with a small board of its own in place of the Switchboard."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from openclaw_actors.actors.board import Admission, StartedCall
from openclaw_actors.api.app import build_app
from openclaw_actors.api.server import Listener, listen
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.settings.sections import Server, Settings
from tests.api.sdp import OFFER

ENGINES = {
    "stt": {
        "serving": "pocketsphinx",
        "engines": [
            {"engine": "faster-whisper", "state": "downloading", "reason": "its model is fetched", "progress": 0.25},
            {"engine": "pocketsphinx", "state": "serving", "reason": "", "progress": None},
        ],
    }
}
"""As Catalogue.describe of engines/catalogue.py puts them."""


class SmallBoard:
    """Keeps calls in a dictionary; as strict about places as the real one."""

    def __init__(self) -> None:
        self.limit = 100
        self.draining = False
        self.places: set[int] = set()
        self.calls: dict[str, object] = {}
        self.started: list[dict[str, object]] = []
        self.hung_up: list[tuple[str, str]] = []
        self.start_fails: Exception | None = None
        self.holds_start = asyncio.Event()
        self.holds_start.set()
        self._numbers = itertools.count(1)

    def admit(self, transport: str, direction: str, *, resume: str = "") -> Admission:
        if self.draining or len(self.places) + len(self.calls) >= self.limit:
            code = "draining" if self.draining else "full"
            raise RefusalError(503, code, "no place", {"Retry-After": "10"})
        admission = Admission(next(self._numbers), transport, direction)
        self.places.add(admission.number)
        return admission

    async def start(self, admission, peer, *, caller, metadata, resume) -> StartedCall:
        await self.holds_start.wait()
        if self.start_fails:
            raise self.start_fails
        if resume and resume not in self.calls:
            raise RefusalError(410, "resume_expired", "too late")
        self.places.remove(admission.number)
        call_id = resume or f"call_{admission.number}"
        self.calls[call_id] = peer
        self.started.append({"call_id": call_id, "caller": caller, "metadata": metadata})
        return StartedCall(call_id, f"resume-{call_id}")

    def release(self, admission: Admission) -> None:
        self.places.discard(admission.number)

    async def hang_up(self, call_id: str, reason: str) -> bool:
        self.hung_up.append((call_id, reason))
        return self.calls.pop(call_id, None) is not None

    def knows(self, call_id: str) -> bool:
        return call_id in self.calls

    def describe(self) -> dict[str, object]:
        return {"calls": len(self.calls), "limit": self.limit, "draining": self.draining, "engines": ENGINES}


class AnsweringPeer:
    """A connection that answers at once, or when it is let to, and notes that it was closed."""

    transport = "webrtc"
    codec = OPUS

    def __init__(self, may_answer: asyncio.Event, fails: Exception | None) -> None:
        self._may_answer = may_answer
        self._fails = fails
        self.offer = None
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def accept(self, offer) -> str:
        self.offer = offer
        self.asked.set()
        await self._may_answer.wait()
        if self._fails:
            raise self._fails
        return "v=0\r\n"

    def attach(self, source, listener, start=0) -> None: ...

    def send_event(self, event) -> None: ...

    async def aclose(self) -> None:
        self.closed.set()


@dataclass
class Api:
    """A client on a served API, and what stands behind it."""

    listener: Listener
    client: aiohttp.ClientSession
    board: SmallBoard
    clock: list[float]
    readiness: list[object]
    peers: list[AnsweringPeer] = field(default_factory=list)
    peer_fails: Exception | None = None
    peers_may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    made: asyncio.Queue[AnsweringPeer] = field(default_factory=asyncio.Queue)

    async def asked_peer(self) -> AnsweringPeer:
        """The next connection that was made, once it has been asked to answer."""
        async with asyncio.timeout(5):
            peer = await self.made.get()
            await peer.asked.wait()
        return peer

    @property
    def port(self) -> int:
        return self.listener.port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def request(self, method: str, path: str, **more):
        return self.client.request(method, self.listener.url + path, allow_redirects=False, **more)

    def offer(self, body: object = None, **more):
        return self.request("POST", "/webrtc/offer", json=body or {"sdp": OFFER, "type": "offer"}, **more)

    async def problem(self, response: aiohttp.ClientResponse, status: int, code: str) -> dict:
        """The response's problem, after checking that it is one of RFC 9457's shape."""
        text = await response.text()
        assert (response.status, response.content_type) == (status, "application/problem+json"), text
        body = await response.json(content_type=None)
        assert body["code"] == code
        assert body["status"] == status
        assert body["detail"]
        assert body["title"]
        assert body["type"] == "about:blank"
        assert body["request_id"] == response.headers["X-Request-Id"]
        return body

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A bare connection, for what no HTTP library sends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            await writer.wait_closed()


def settings_of(**sections) -> Settings:
    return Settings(**{"server": Server(port=0), **sections})


@pytest.fixture
def serve() -> Callable[..., object]:
    """Serve an application with these settings: ``async with serve(auth=Auth(...)) as api``."""

    @asynccontextmanager
    async def serving(*, real_peers: bool = False, ssl_context=None, **sections) -> AsyncIterator[Api]:
        settings = settings_of(**sections)
        board = SmallBoard()
        clock, readiness = [0.0], [True, {"engines": ENGINES}]

        def new_peer() -> AnsweringPeer:
            peer = AnsweringPeer(api.peers_may_answer, api.peer_fails)
            api.peers.append(peer)
            api.made.put_nowait(peer)
            return peer

        app = build_app(
            settings,
            board,
            ready=lambda: (readiness[0], readiness[1]),
            new_peer=None if real_peers else new_peer,
            clock=lambda: clock[0],
        )
        listener = await listen(app, settings.server, ssl_context)
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=connector) as client:
            api = Api(listener, client, board, clock, readiness)
            api.peers_may_answer.set()
            try:
                yield api
            finally:
                await listener.aclose()

    return serving


@pytest.fixture
async def api(serve) -> AsyncIterator[Api]:
    """One served with the defaults."""
    async with serve() as served:
        yield served
