"""An OpenClaw Gateway's chat completions as its docs describe them, over a real socket, with faults to order."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

TOKEN = "gwtoken"


@dataclass
class Run:
    """One request, and what became of it."""

    body: dict[str, Any]
    headers: dict[str, str]
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


class FakeGateway:
    """Args:
    answer: what the agent says, piece by piece.
    """

    def __init__(self, *answer: str) -> None:
        self.answer: list[str] = list(answer) or ["It ", "is ", "sunny."]
        self.error_after: int | None = None
        self.error_type = "api_error"
        self.hang_after: int | None = None
        self.enabled = True
        self.runs: list[Run] = []
        self.asked = asyncio.Event()
        self.base_url = ""
        self._port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{self._port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def _refusal(self, request: web.Request) -> web.Response | None:
        if not self.enabled:
            return web.Response(status=404, text="Not Found")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": {"message": "Unauthorized", "type": "unauthorized"}}, status=401)
        return None

    async def _models(self, request: web.Request) -> web.Response:
        models = {"object": "list", "data": [{"id": "openclaw/default", "object": "model"}]}
        return self._refusal(request) or web.json_response(models)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        run = Run(await request.json(), {name.lower(): value for name, value in request.headers.items()})
        self.runs.append(run)
        self.asked.set()
        if not run.body["model"].startswith("openclaw/") or run.body["model"] == "openclaw/":
            text = "Invalid `model`. Use `openclaw` or `openclaw/<agentId>`."
            return web.json_response({"error": {"message": text, "type": "invalid_request_error"}}, status=400)
        try:
            return await self._run(request)
        except (asyncio.CancelledError, ConnectionError):
            run.cancelled.set()
            raise

    async def _run(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        await self._event(response, {"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        for number, word in enumerate(self.answer):
            if number == self.hang_after:
                await asyncio.Event().wait()
            if number == self.error_after:
                await self._event(response, {"error": {"message": "internal error", "type": self.error_type}})
                break
            await self._event(response, {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
        else:
            await self._event(response, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            await self._event(response, {"choices": [], "usage": {"total_tokens": 3}})
        await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    async def _event(response: web.StreamResponse, data: dict[str, Any]) -> None:
        head = {"id": "chatcmpl_1", "object": "chat.completion.chunk", "created": 1, "model": "openclaw/default"}
        await response.write(f"data: {json.dumps((head if 'choices' in data else {}) | data)}\n\n".encode())
