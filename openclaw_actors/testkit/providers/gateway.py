"""A fake of an OpenClaw Gateway's chat completions as its docs have them, on a real socket, with faults to order."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from openclaw_actors.testkit.providers.plan import Fault
from openclaw_actors.testkit.providers.server import FakeServer

TOKEN = "gwtoken"  # noqa: S105 - guards a fake on this machine


@dataclass
class Run:
    """One request, and what became of it."""

    body: dict[str, Any]
    headers: dict[str, str]
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    """The client went away before the answer was whole: a Gateway cancels the run."""


class FakeGateway(FakeServer):
    """The Gateway; an async context.

    Args:
        answer: what its agent says, piece by piece.
    """

    def __init__(self, *answer: str) -> None:
        super().__init__()
        self.answer: list[str] = list(answer) or ["It ", "is ", "sunny."]
        self.enabled = True
        """gateway.http.endpoints.chatCompletions.enabled: without it there is no such path."""
        self.runs: list[Run] = []
        self.asked = asyncio.Event()
        self._faults: deque[Fault | None] = deque()

    @property
    def base_url(self) -> str:
        """Ends in ``/v1``."""
        return f"http://{self.address}/v1"

    def routes(self) -> Sequence[web.RouteDef]:
        """Those of the endpoint."""
        return (web.get("/v1/models", self._models), web.post("/v1/chat/completions", self._chat))

    def fail(self, *faults: Fault | None) -> None:
        """Let the next runs go wrong, one fault each in this order; None: that one is well."""
        self._faults.extend(faults)

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
        fault = self._faults.popleft() if self._faults else None
        if fault and fault.kind == "status":
            return web.json_response({"error": {"message": "internal error", "type": "api_error"}}, status=fault.status)
        try:
            return await self._run(request, fault)
        except (asyncio.CancelledError, ConnectionError):
            run.cancelled.set()
            raise

    async def _run(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if fault and fault.kind == "garbage":
            await response.write(b"data: {not json\n\n")
            return response
        await self._event(response, {"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        for number, word in enumerate([] if fault and fault.kind == "empty" else self.answer):
            if fault and number == fault.after:
                if fault.kind == "error":
                    await self._event(response, {"error": {"message": "internal error", "type": fault.error}})
                    break
                if fault.kind == "drop" and request.transport is not None:
                    request.transport.abort()
                await asyncio.Event().wait()
            await self._event(response, {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
        else:
            await self._event(response, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            if self.runs[-1].body.get("stream_options", {}).get("include_usage"):
                words = len(self.answer)
                spent = {"prompt_tokens": 40, "completion_tokens": words, "total_tokens": 40 + words}
                await self._event(response, {"choices": [], "usage": spent})
        await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    async def _event(response: web.StreamResponse, data: dict[str, Any]) -> None:
        head = {"id": "chatcmpl_1", "object": "chat.completion.chunk", "created": 1, "model": "openclaw/default"}
        await response.write(f"data: {json.dumps((head if 'choices' in data else {}) | data)}\n\n".encode())
