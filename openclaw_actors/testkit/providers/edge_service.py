"""A fake of edge-tts-as-a-service over real HTTP: its routes and answers, with faults to order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

from openclaw_actors.testkit.providers.edge import to_mp3
from openclaw_actors.testkit.providers.openai import buzz

ServiceFault = Literal["error", "refused", "bad_request", "silence", "drop", "hang", "garbage", "html"]
"""``error`` answers 500, ``refused`` 403, ``bad_request`` 400, ``html`` a proxy's page; ``silence`` ends after the
headers, as the service does when Microsoft fails it; ``drop`` and ``hang`` come in the middle of the sound."""

VOICES = ("en-US-EmmaMultilingualNeural", "de-DE-KatjaNeural", "zh-CN-YunxiNeural")
_BYTES_A_PIECE = 720
"""120 ms."""


class FakeEdgeService:
    """The server; an async context.

    Args:
        voice: takes the text, gives 24 kHz mono s16.
    """

    def __init__(self, voice: Callable[[str], bytes] = buzz) -> None:
        self.requests: list[dict[str, Any]] = []
        self.base_url = ""
        self.abandoned = asyncio.Event()
        """A client has gone in the middle of its sound."""
        self._voice = voice
        self._faults: deque[ServiceFault] = deque()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        """Serve; after a stop, at the same address as before."""
        app = web.Application()
        app.router.add_get("/voices", self._voices)
        app.router.add_post("/tts/stream", self._stream)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{self._port}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop serving: connections are refused from now on."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def fail(self, *faults: ServiceFault) -> None:
        """Let the next phrases go wrong, one fault each in this order."""
        self._faults.extend(faults)

    async def _voices(self, _: web.Request) -> web.Response:
        data = [{"ShortName": name, "Locale": name[:5], "Gender": "Female"} for name in VOICES]
        return web.json_response({"code": 200, "message": "OK", "data": data})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        fault = self._faults.popleft() if self._faults else None
        refusal = {"error": 500, "refused": 403, "bad_request": 400}.get(fault or "")
        if refusal or not body.get("text"):
            status = refusal or 400
            return web.json_response({"code": status, "message": "it was told to fail"}, status=status)
        if fault == "html":
            return web.Response(text="<!DOCTYPE html><p>Bad gateway", content_type="text/html")
        response = web.StreamResponse(headers={"Content-Type": "audio/mpeg"})
        await response.prepare(request)
        try:
            await self._send(response, request, body["text"], fault)
        except (ConnectionResetError, asyncio.CancelledError):
            self.abandoned.set()
            raise
        return response

    async def _send(
        self, response: web.StreamResponse, request: web.Request, text: str, fault: ServiceFault | None
    ) -> None:
        sound = b"" if fault == "silence" else to_mp3(self._voice(text))
        if fault == "garbage":
            sound = bytes(range(256)) * 12
        for number, start in enumerate(range(0, len(sound), _BYTES_A_PIECE)):
            if number == 2 and fault == "hang":
                await asyncio.Event().wait()
            if number == 2 and fault == "drop" and request.transport is not None:
                request.transport.abort()
                return
            await response.write(sound[start : start + _BYTES_A_PIECE])
            await asyncio.sleep(0)
