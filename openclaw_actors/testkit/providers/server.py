"""What fake providers share: an aiohttp application on a port of this machine, that can vanish and come back."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

_UPLOAD = 32 * 1024 * 1024
"""Bytes of a request: a quarter of an hour of an utterance, as OpenAI takes 25 MB."""


class FakeServer:
    """A server on 127.0.0.1; an async context.

    Args:
        port: 0: any free one. It is kept, so that ``start`` after ``stop`` is the same provider come back.
    """

    def __init__(self, port: int = 0) -> None:
        self.address = ""
        """Host and port, from its first start on."""
        self._port = port
        self._runner: web.AppRunner | None = None

    def routes(self) -> Sequence[web.RouteDef]:
        """What it answers."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serve."""
        app = web.Application(client_max_size=_UPLOAD)
        app.add_routes(self.routes())
        # Without handler_cancellation aiohttp lets a handler sleep on after its client has gone, and a cancelled
        # request would count as answered.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.address = f"127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Stop serving: connections are refused from now on, as when a provider disappears."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
