"""A stand-in for the Gateway that thinks with the same model as the real one, under the same session rules."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import openai
from aiohttp import web

from openclaw_actors.testkit.providers.gateway import FakeGateway
from openclaw_actors.testkit.providers.plan import Fault

RESERVED = ("subagent:", "cron:", "acp:")


class StandInGateway(FakeGateway):
    """Args:
    model_port: where its model listens.
    """

    def __init__(self, model_port: int) -> None:
        super().__init__()
        self.sessions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._model = openai.AsyncOpenAI(
            base_url=f"http://127.0.0.1:{model_port}/v1", api_key="x", max_retries=0, timeout=30
        )

    async def stop(self) -> None:
        await self._model.close()
        await super().stop()

    async def _run(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        run = self.runs[-1]
        body, key = run.body, self._session_key(run.body, run.headers)
        if body["model"] not in {"openclaw/default", "openclaw/main"}:
            return _invalid(f"Invalid `model`: there is no agent {body['model'].partition('/')[2]!r}.")
        if key.startswith(RESERVED):
            return _invalid(f"Session key {key!r} is reserved.")
        system = "\n\n".join(message["content"] for message in body["messages"] if message["role"] == "system")
        session = self.sessions[key]
        session.append({"role": "user", "content": _turn(body["messages"])})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        await self._event(response, {"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        try:
            await self._think(response, session, [{"role": "system", "content": system}, *session], body)
        except openai.APIError:
            await self._event(response, {"error": {"message": "internal error", "type": "api_error"}})
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _think(
        self, response: web.StreamResponse, session: list[dict[str, Any]], messages: list[dict[str, Any]], body: Any
    ) -> None:
        said, calls = "", list[dict[str, str]]()
        stream = await self._model.chat.completions.create(model="m", messages=messages, stream=True)
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(stream.close)
            async for chunk in stream:
                delta = chunk.choices[0].delta
                for piece in delta.tool_calls or ():
                    if piece.id:
                        calls.append({"id": piece.id, "name": piece.function.name, "arguments": ""})
                    calls[-1]["arguments"] += piece.function.arguments or ""
                if delta.content:
                    said += delta.content
                    await self._content(response, delta.content)
        session.append({"role": "assistant", "content": said})
        wanted = list(_client_calls(calls, body.get("tools", ())))
        if not said and not wanted:
            await self._content(response, "No response from OpenClaw.")
        for index, call in enumerate(wanted):
            head = {"index": index, "id": call["id"], "type": "function"}
            await self._delta(response, {"tool_calls": [head | {"function": {"name": call["name"], "arguments": ""}}]})
            rest = {"index": index, "function": {"arguments": call["arguments"]}}
            await self._delta(response, {"tool_calls": [rest]})
        finish = "tool_calls" if wanted else "stop"
        await self._event(response, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})

    async def _content(self, response: web.StreamResponse, text: str) -> None:
        await self._delta(response, {"content": text})

    async def _delta(self, response: web.StreamResponse, delta: dict[str, Any]) -> None:
        await self._event(response, {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    @staticmethod
    def _session_key(body: dict[str, Any], headers: dict[str, str]) -> str:
        if key := headers.get("x-openclaw-session-key"):
            return key
        if user := body.get("user"):
            return f"agent:main:openai-user:{user}"
        return f"agent:main:openai:{id(body)}"


def _turn(messages: list[dict[str, Any]]) -> str:
    """The last message of the user's or a tool's; what stands before it is pasted in front as text."""
    told = []
    for message in messages:
        if message["role"] == "system":
            continue
        calls = [f"tool_call {call['id']} {call['function']['name']}" for call in message.get("tool_calls", ())]
        told.append(" ".join([message["role"], message.get("content") or "", *calls]))
    if len(told) == 1:
        return messages[-1]["content"]
    return f"[Chat messages since your last reply - for context]\n{told[:-1]}\n[Current message]\n{told[-1]}"


def _client_calls(calls: list[dict[str, str]], tools: Any) -> Iterator[dict[str, str]]:
    """The model reaches its clients' tools through ``tool_call``, whose ``id`` is their name."""
    names = {tool["function"]["name"] for tool in tools}
    for call in calls:
        given = json.loads(call["arguments"])
        if call["name"] == "tool_call" and given["id"] in names:
            yield {"id": call["id"], "name": given["id"], "arguments": json.dumps(given.get("args", {}))}


def _invalid(text: str) -> web.Response:
    return web.json_response({"error": {"message": text, "type": "invalid_request_error"}}, status=400)
