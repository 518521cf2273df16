"""A carrier's side of HTTP: what it sends is signed as the carrier signs, and reaches a host of ours by a tunnel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from openclaw_actors.testkit.providers.carrier.clock import LineClock
from openclaw_actors.testkit.providers.carrier.socket import StreamSocket
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Record, Verb

if TYPE_CHECKING:
    from openclaw_actors.testkit.providers.carrier.line import Line
    from openclaw_actors.testkit.providers.carrier.stream import StreamClient


@dataclass(frozen=True, slots=True)
class Reply:
    """What a webhook was answered."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """An account's webhooks and streams; an async context. A carrier's own ways are in a subclass.

    Args:
        public_url: ``server.public_url`` of the host.
        reach: where the host really listens, such as ``http://127.0.0.1:8080``: a tunnel leads there.
        headers: that the tunnel adds.
    """

    def __init__(self, public_url: str, reach: str, headers: Mapping[str, str] | None = None) -> None:
        self.public_url = public_url.rstrip("/")
        self.reach = reach.rstrip("/")
        self.headers = dict(headers or {})
        self.connecting: Mapping[str, Any] = {}
        """More for ``picows.ws_connect``, where a stream's way to the host is a special one."""
        self.lines: dict[str, Line] = {}
        """The phones that call, by the carrier's name for the call."""
        self._client: aiohttp.ClientSession | None = None
        self._clock: LineClock | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._clock = LineClock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._clock is not None:
            await self._clock.aclose()
        if self._client is not None:
            await self._client.close()

    # --- a carrier's own ways ---------------------------------------------------------------------

    def new_call_id(self) -> str:
        """A name for a call."""
        raise NotImplementedError

    async def ring(self, line: Line) -> list[Verb]:
        """Tell the host that somebody calls; what it wants done.

        Raises:
            CallEndedError: it wants nothing that can be done.
        """
        raise NotImplementedError

    async def again(self, line: Line, action: str) -> list[Verb]:
        """Ask the host what follows when a stream has ended; only of a carrier that does."""
        raise NotImplementedError

    async def over(self, line: Line) -> None:
        """Tell the host that a call that came in has ended, where the carrier does."""

    async def record(self, line: Line, verb: Record) -> None:
        """Record what the person says, and tell the host; only of a carrier that does."""
        raise NotImplementedError

    def new_stream(self, line: Line, verb: ConnectStream) -> StreamClient:
        """The stream that a verb asks for."""
        raise NotImplementedError

    def upgrade_headers(self, url: str) -> Mapping[str, str]:
        """With which the carrier opens a stream."""
        raise NotImplementedError

    # --- HTTP -------------------------------------------------------------------------------------

    async def send(self, url: str, body: bytes, content_type: str, headers: Mapping[str, str]) -> Reply:
        """Send a webhook."""
        sent = {**self.headers, "Content-Type": content_type, **headers}
        async with self._http.post(self._local(url), data=body, headers=sent) as response:
            return Reply(response.status, await response.text(), dict(response.headers))

    async def open(self, url: str, take: Callable[[str], bool]) -> StreamSocket:
        """Open a media stream.

        Args:
            url: what the host has asked to be connected with.
            take: as of StreamSocket.

        Raises:
            picows.WSHandshakeError: it was refused; Twilio calls that 31920.
        """
        return await StreamSocket.open(*self.upgrade(url), take, **self.connecting)

    def upgrade(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Where a media stream's URL leads, and the headers with which it is opened."""
        return "ws" + self._local(url).removeprefix("http"), {**self.headers, **self.upgrade_headers(url)}

    def _local(self, url: str) -> str:
        scheme, _, rest = url.partition("://")
        public = self.public_url.partition("://")[2]
        if scheme not in {"http", "https", "ws", "wss"} or not rest.startswith(public):
            raise ValueError(f"{url} is not under {self.public_url}: the carrier would call somebody else")
        return self.reach + rest[len(public) :]

    @property
    def clock(self) -> LineClock:
        """The time of its lines."""
        if self._clock is None:
            raise RuntimeError("the exchange is not open")
        return self._clock

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            raise RuntimeError("the exchange is not open")
        return self._client
