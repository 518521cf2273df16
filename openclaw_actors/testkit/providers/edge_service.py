"""A fake of edge-tts-as-a-service over real HTTP: its routes and answers, with faults to order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

from aiohttp import web

from openclaw_actors.testkit.providers.edge import to_mp3
from openclaw_actors.testkit.providers.openai import buzz
from openclaw_actors.testkit.providers.server import FakeServer

ServiceFault = Literal["error", "refused", "bad_request", "silence", "drop", "hang", "garbage", "html"]
"""``error`` answers 500, ``refused`` 403, ``bad_request`` 400, ``html`` a proxy's page; ``silence`` ends after the
headers, as the service does when Microsoft fails it; ``drop`` and ``hang`` come in the middle of the sound."""

VOICES = ("en-US-EmmaMultilingualNeural", "de-DE-KatjaNeural", "zh-CN-YunxiNeural")
_BYTES_A_PIECE = 720
"""120 ms."""


class FakeEdgeService(FakeServer):
    """The server; an async context.

    Args:
        voice: takes the text, gives 24 kHz mono s16.
    """

    def __init__(self, voice: Callable[[str], bytes] = buzz) -> None:
        super().__init__()
        self.requests: list[dict[str, Any]] = []
        self.abandoned = asyncio.Event()
        """A client has gone in the middle of its sound."""
        self._voice = voice
        self._faults: deque[ServiceFault] = deque()

    @property
    def base_url(self) -> str:
        """Where it serves."""
        return f"http://{self.address}"

    def routes(self) -> Sequence[web.RouteDef]:
        """As FakeServer.routes."""
        return [web.get("/voices", self._voices), web.post("/tts/stream", self._stream)]

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
