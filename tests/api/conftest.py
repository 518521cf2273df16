"""A served API over a real socket, with a small board of its own in place of the Switchboard."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from openclaw_actors.actors.archive import Archive
from openclaw_actors.actors.board import Admission, StartedCall
from openclaw_actors.actors.events import EventHub
from openclaw_actors.api.app import build_app
from openclaw_actors.api.server import Listener, listen
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.settings.sections import Server, Settings, StoreSettings
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.phone import Phone
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


def record_of(call_id: str, **values: object) -> dict[str, object]:
    """As a live call describes itself."""
    return {
        "id": call_id,
        "status": "in-progress",
        "media_state": "connected",
        "transport": "webrtc",
        "direction": "inbound",
        "from": "127.0.0.1",
        "to": "",
        "engines": {"stt": "pocketsphinx", "agent": "parrot", "tts": "espeak-ng"},
        "started_at": "2026-01-02T03:04:05.678Z",
        "answered_at": "",
        "ended_at": "",
        "end_reason": "",
        "restarts": {},
        "latency": {},
        "metadata": {},
        "muted": False,
        "held": False,
        "stages": {"stt": {"state": "ready", "engine": "pocketsphinx", "restarts": 0}},
        **values,
    }


class SmallBoard:
    """Keeps calls in a dictionary; as strict about places as the real one."""

    def __init__(self) -> None:
        self.limit = 100
        self.draining = False
        self.places: set[int] = set()
        self.calls: dict[str, object] = {}
        self.started: list[dict[str, object]] = []
        self.hung_up: list[tuple[str, str]] = []
        self.told: list[tuple[str, object]] = []
        self.records: dict[str, dict[str, object]] = {}
        self.ending: set[str] = set()
        self.forgotten: list[str] = []
        self.start_fails: Exception | None = None
        self.starting = asyncio.Event()
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

    async def start(self, admission, peer, *, caller, metadata, resume="", **more) -> StartedCall:
        self.starting.set()
        await self.holds_start.wait()
        if self.start_fails:
            raise self.start_fails
        if resume and resume not in self.calls:
            raise RefusalError(410, "resume_expired", "too late")
        self.places.remove(admission.number)
        call_id = resume or f"call_{admission.number}"
        self.calls[call_id] = peer
        self.started.append({"call_id": call_id, "caller": caller, "metadata": metadata, **more})
        return StartedCall(call_id, f"resume-{call_id}")

    def release(self, admission: Admission) -> None:
        self.places.discard(admission.number)

    async def hang_up(self, call_id: str, reason: str) -> bool:
        self.hung_up.append((call_id, reason))
        return self.calls.pop(call_id, None) is not None

    async def tell(self, call_id: str, message: object) -> bool:
        if call_id not in self.calls or call_id in self.ending:
            return False
        self.told.append((call_id, message))
        return True

    async def describe_call(self, call_id: str) -> dict[str, object] | None:
        return self.records.get(call_id, record_of(call_id)) if call_id in self.calls else None

    def live_calls(self) -> list[str]:
        return sorted(self.calls)

    def drain(self, on: bool) -> None:
        self.draining = on

    async def forget(self, call_id):
        self.forgotten.append(call_id)

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
        self.trickled: list[tuple[str, str]] = []

    async def trickle(self, candidates) -> None:
        self.trickled += candidates

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
    store: Store
    hub: EventHub
    clock: list[float]
    readiness: list[object]
    archive: Archive
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


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """A database with its tables made: migrating takes longer than most of these tests."""
    path = tmp_path_factory.mktemp("records") / "calls.db"

    async def make() -> None:
        await (await Store.open(StoreSettings(url=f"sqlite:///{path}"))).aclose()

    asyncio.run(make())
    return path


@pytest.fixture
def serve(tmp_path, empty_database) -> Callable[..., object]:
    """Serve an application with these settings: ``async with serve(auth=Auth(...)) as api``."""

    @asynccontextmanager
    async def serving(*, real_peers: bool = False, ssl_context=None, **sections) -> AsyncIterator[Api]:
        settings = settings_of(**sections)
        board, hub = SmallBoard(), EventHub()
        database = tmp_path / "calls.db"
        if not database.exists():
            shutil.copy(empty_database, database)
        store = await Store.open(StoreSettings(url=f"sqlite:///{database}"))
        clock, readiness = [0.0], [True, {"engines": ENGINES}]

        def new_peer() -> AnsweringPeer:
            peer = AnsweringPeer(api.peers_may_answer, api.peer_fails)
            api.peers.append(peer)
            api.made.put_nowait(peer)
            return peer

        archive = Archive(settings.recordings, tmp_path / "recordings", store)
        phone = Phone(settings, board, hub, store) if settings.carriers else None
        for carrier in phone.carriers.values() if phone is not None else ():
            if carrier.name != "twilio":  # it takes 0.4 s to import, and is told nothing here
                await carrier.open()
        app = build_app(
            settings,
            board,
            store,
            hub,
            phone=phone,
            archive=archive,
            ready=lambda: (readiness[0], readiness[1]),
            new_peer=None if real_peers else new_peer,
            clock=lambda: clock[0],
        )
        listener = await listen(app, settings.server, ssl_context)
        connector = aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=connector) as client:
            api = Api(listener, client, board, store, hub, clock, readiness, archive)
            api.peers_may_answer.set()
            try:
                yield api
            finally:
                await listener.aclose()
                if phone is not None:
                    await phone.aclose()
                await archive.aclose()
                await store.aclose()

    return serving


@pytest.fixture
async def api(serve) -> AsyncIterator[Api]:
    """One served with the defaults."""
    async with serve() as served:
        yield served
