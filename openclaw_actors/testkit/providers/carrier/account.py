"""A carrier's REST API over one account, as far as all are alike: calls, faults, waiting. What it says is a subclass's.

A host reaches it by the carrier's ``api_base_url``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from aiohttp import web

from openclaw_actors.testkit.providers.carrier.dialled import DialledCall
from openclaw_actors.testkit.providers.carrier.exchange import Exchange
from openclaw_actors.testkit.providers.carrier.script import RestFault, Script
from openclaw_actors.testkit.waiting import Waits

PUBLIC_URL = "https://voice.example.test"
"""What a host under test has for ``server.public_url``: nobody resolves it, the exchange knows where it leads."""
NUMBER = "+15550100002"
"""The account's."""

E = TypeVar("E", bound=Exchange)
C = TypeVar("C", bound=DialledCall)


class FakeCarrier(Generic[E, C]):
    """An account and its people; an async context.

    Set ``exchange.reach`` to where the host listens before anything is called: the host must know ``api_base_url``,
    so this starts first.

    Args:
        exchange: its webhooks and streams.
    """

    name: str

    def __init__(self, exchange: E) -> None:
        self.exchange = exchange
        self.api_base_url = ""
        self.scripts: dict[str, Script] = {}
        """By number; a person answers at all others."""
        self.calls: list[C] = []
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request to the REST API."""
        self._faults: deque[RestFault] = deque()
        self._waits = Waits(lambda: f"{len(self.calls)} calls, {len(self.requests)} requests")
        self._runner: web.AppRunner | None = None
        self._held = asyncio.Event()
        self._held.set()

    async def __aenter__(self) -> Self:
        await self.exchange.__aenter__()

        @web.middleware
        async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[guarded])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.api_base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.set()
        await asyncio.gather(*(call.aclose() for call in self.calls))
        if self._runner is not None:
            await self._runner.cleanup()
        await self.exchange.__aexit__(kind, error, trace)

    # --- how the carrier says it ------------------------------------------------------------------

    def routes(self) -> Sequence[web.RouteDef]:
        """What it answers."""
        raise NotImplementedError

    def refuse(self, request: web.Request) -> web.Response | None:
        """The answer to somebody who is not the account; None: they are."""
        raise NotImplementedError

    def fault(self, fault: RestFault) -> web.Response:
        """An error."""
        raise NotImplementedError

    # --- for tests --------------------------------------------------------------------------------

    def fail(self, *faults: RestFault) -> None:
        """Let the next requests go wrong, one fault each."""
        self._faults.extend(faults)

    def hold(self) -> Callable[[], None]:
        """Answer no request until what is returned is called; what it asks for is done at once."""
        self._held.clear()
        return self._held.set

    async def placed(self, number: int = 1, timeout_s: float = 10.0) -> C:
        """The call that was placed as the ``number``-th."""
        await self._waits.until(lambda _: len(self.calls) >= number, timeout_s, f"call number {number}")
        return self.calls[number - 1]

    async def asked(self, requests: int, timeout_s: float = 10.0) -> None:
        """Return when so many requests have come to the REST API."""
        await self._waits.until(lambda _: len(self.requests) >= requests, timeout_s, f"request number {requests}")

    def forget(self) -> None:
        """Begin anew: no calls, no scripts, no faults."""
        self.calls.clear()
        self.requests.clear()
        self.scripts.clear()
        self._faults.clear()

    # --- for subclasses ---------------------------------------------------------------------------

    def dial(self, call: C) -> None:
        """Begin a call that was asked for."""
        self.calls.append(call)
        self._waits.check(0.0)
        call.begin()

    def find(self, sid: str) -> C | None:
        """The call that was placed and has this name."""
        return next((call for call in self.calls if call.sid == sid), None)

    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self._waits.check(0.0)
        refused = self.refuse(request)
        if refused is not None:
            return refused
        fault = self._faults.popleft() if self._faults else None
        if fault is not None and fault.hangs:
            await asyncio.Event().wait()
        if fault is None or fault.done:
            response: web.StreamResponse = await handler(request)
            await self._held.wait()
        if fault is None:
            return response
        if not fault.status:
            assert request.transport is not None  # noqa: S101 - it has just asked
            request.transport.close()
            return web.Response()
        return self.fault(fault)
