"""A stub of an OpenAI-compatible provider: transcriptions, chat completions (streamed or not), speech, models.

Shapes after OpenAI's API reference (audio/createTranscription, chat/create, audio/createSpeech, models/list). Run it
as a process of its own for benchmarks: ``python -m openclaw_actors.testkit.providers.openai --port 0``.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
from aiohttp import BodyPartReader, web

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.testkit.providers.plan import Answer, Fault, Route, StubPlan, always_elsewhere
from openclaw_actors.testkit.providers.server import FakeServer

SPEECH_RATE = 24_000
"""Hz of ``response_format=pcm``."""

_CALL_NUMBERS = itertools.count(1)

_CHUNK = 9_600
"""Bytes a chunk of speech: 200 ms."""

Outcome = Literal["pending", "answered", "cancelled", "fault"]


@dataclass
class StubRequest:
    """One request as the stub saw it."""

    route: Route
    at: float
    body: dict[str, Any]
    audio: bytes = b""
    """The uploaded file, for transcriptions."""
    peer: int = 0
    """The client's port: requests on one connection have the same."""
    headers: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome = "pending"
    """``cancelled``: the client went away before the answer was whole."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)


def buzz(text: str) -> bytes:
    """A steady voice-like sound, 24 kHz mono s16, 70 ms a character: twelve harmonics of 120 Hz, falling.

    Steady on purpose: what ends it can only be an interruption or its end, never a pause between words.
    """
    return np.resize(_syllable(), int(SPEECH_RATE * 0.07 * max(1, len(text)))).tobytes()


@cache
def _syllable() -> npt.NDArray[np.int16]:
    """What a buzz repeats, one of four syllables a second, 30 waves of 120 Hz.

    To compute all of a phrase's harmonics took 15 to 27 ms of the stub's loop, while others waited for their words.
    """
    t = np.arange(SPEECH_RATE // 4) / SPEECH_RATE
    wave = sum(np.sin(2 * np.pi * 120 * n * t) / n for n in range(1, 13))
    envelope = 0.8 + 0.2 * np.sin(2 * np.pi * 4 * t)
    return (6_000 * wave * envelope).astype(np.int16)


class OpenAiStub(FakeServer):
    """The server; an async context.

    Args:
        plan: how it behaves; ``plan`` may be replaced while it runs.
        port: 0: any free one.
    """

    def __init__(self, plan: StubPlan | None = None, port: int = 0) -> None:
        super().__init__(port)
        self.plan = plan or StubPlan()
        self.requests: list[StubRequest] = []
        self._faults: dict[Route, deque[Fault | None]] = {}
        self._always: dict[Route, Fault] = {}
        self._changed = asyncio.Event()
        self.on_fault: Callable[[Route], None] | None = None
        """Is told of each fault when it strikes."""

    @property
    def base_url(self) -> str:
        """Ends in ``/v1``."""
        return f"http://{self.address}/v1"

    def routes(self) -> Sequence[web.RouteDef]:
        """As the API has them."""
        return (
            web.post("/v1/audio/transcriptions", self._transcriptions),
            web.post("/v1/chat/completions", self._chat),
            web.post("/v1/audio/speech", self._speech),
            web.get("/v1/models", self._models),
        )

    def fail(self, route: Route, *faults: Fault | None) -> None:
        """Let the next requests of ``route`` go wrong, one fault a request in this order; None: that one is well."""
        self._faults.setdefault(route, deque()).extend(faults)

    def fail_always(self, route: Route, fault: Fault | None) -> None:
        """Let every request of ``route`` go wrong until told None."""
        if fault is None:
            self._always.pop(route, None)
        else:
            self._always[route] = fault

    def of(self, route: Route) -> list[StubRequest]:
        """The requests of one route so far."""
        return [request for request in self.requests if request.route == route]

    async def wait_request(self, route: Route, count: int = 1, timeout: float = 10.0) -> StubRequest:  # noqa: ASYNC109
        """The ``count``-th request of ``route``, as soon as it has come."""
        async with asyncio.timeout(timeout):
            while len(self.of(route)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.of(route)[count - 1]

    # --- one request ---------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _request(
        self, route: Route, web_request: web.Request, body: dict[str, Any], audio: bytes = b""
    ) -> AsyncIterator[Fault | None]:
        """Record the request and its outcome; give its fault, once that fault's share before the answer is done."""
        entry = StubRequest(
            route, time.monotonic(), body, audio, peer=_port_of(web_request), headers=dict(web_request.headers)
        )
        self.requests.append(entry)
        self._changed.set()
        try:
            self._authorise(web_request)
            fault = self._next_fault(route)
            entry.outcome = "fault" if fault else "pending"
            if fault and self.on_fault is not None:
                self.on_fault(route)
            if fault and fault.kind == "status":
                raise _problem(fault.status, f"the stub was told to answer {fault.status}")
            if fault and fault.after == 0:
                await _strike(web_request, fault)
            yield None if fault and fault.kind == "slow" and not fault.after else fault
            if entry.outcome == "pending":
                entry.outcome = "answered"
        except (asyncio.CancelledError, ConnectionError):
            if entry.outcome == "pending":
                entry.outcome = "cancelled"
            raise
        finally:
            entry.finished.set()

    def _authorise(self, request: web.Request) -> None:
        if self.plan.api_key and request.headers.get("Authorization") != f"Bearer {self.plan.api_key}":
            raise _problem(401, "Incorrect API key provided.", "invalid_api_key")

    def _next_fault(self, route: Route) -> Fault | None:
        queue = self._faults.get(route)
        return queue.popleft() if queue else self._always.get(route)

    # --- routes ------------------------------------------------------------------------------------------------------

    async def _models(self, request: web.Request) -> web.StreamResponse:
        async with self._request("models", request, {}) as fault:
            if fault:
                return _nonsense(fault)
            models = [{"id": name, "object": "model", "owned_by": "stub"} for name in ("stub", "whisper-1")]
            return web.json_response({"object": "list", "data": models})

    async def _transcriptions(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, str] = {}
        audio: bytes | None = None
        # Part by part: request.post() would put the file into a temporary one, which a client that goes leaves open.
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise _problem(400, "a form within the form")
            if part.name == "file":
                audio = bytes(await part.read())
            else:
                fields[str(part.name)] = await part.text()
        if audio is None:
            raise _problem(400, "file: Field required")
        async with self._request("transcriptions", request, fields, audio) as fault:
            streamed = fields.get("stream") == "true"
            if streamed and self.plan.transcript_stream == "refused":
                raise _problem(400, "Unrecognized request argument supplied: stream", "unknown_parameter")
            if fault and (fault.kind in {"garbage", "empty"} or self.plan.transcript_stream == "ignored"):
                return _nonsense(fault)
            await asyncio.sleep(self.plan.stt_delay_s)
            said = self.plan.transcript
            heard = said if isinstance(said, str) else said(audio)
            text = heard if isinstance(heard, str) else await heard
            if streamed and self.plan.transcript_stream != "ignored":
                return await self._stream_transcript(request, text, fault)
            if fields.get("response_format") == "text":
                return web.Response(text=text)
            return web.json_response({"text": text})

    async def _stream_transcript(self, request: web.Request, text: str, fault: Fault | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        openai = self.plan.transcript_stream == "openai"
        for number, token in enumerate(_tokens(text)):
            if fault and number and number == fault.after:
                await _strike(request, fault)
            chunk = {"object": "transcription.chunk", "choices": [{"index": 0, "delta": {"content": token}}]}
            await _send_event(response, {"type": "transcript.text.delta", "delta": token} if openai else chunk)
        last = {"object": "transcription.chunk", "choices": [{"index": 0, "delta": {"content": ""}}]}
        await _send_event(response, {"type": "transcript.text.done", "text": text} if openai else last)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await _json(request)
        async with self._request("chat", request, body) as fault:
            if fault and fault.kind in {"garbage", "empty"} and not body.get("stream"):
                return _nonsense(fault)
            if "stream_options" in body and not self.plan.tells_usage:
                raise _problem(400, "Unrecognized request argument supplied: stream_options")
            if body.get("tools") and not self.plan.takes_tools:
                raise _problem(400, f"{body.get('model')} does not support tools")
            await asyncio.sleep(self.plan.first_token_s)
            think = self.plan.reply(body["messages"]) if callable(self.plan.reply) else self.plan.reply
            answer = Answer(think) if isinstance(think, str) else think
            if fault and fault.kind == "empty":
                answer = Answer()
            if not body.get("stream"):
                message: dict[str, Any] = {"role": "assistant", "content": answer.text}
                if answer.calls:
                    message["tool_calls"] = [_tool_call(*call) for call in answer.calls]
                choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
                return web.json_response(_completion("chat.completion", body) | {"choices": [choice]})
            return await self._stream_chat(request, body, answer, fault)

    async def _stream_chat(
        self, request: web.Request, body: dict[str, Any], answer: Answer, fault: Fault | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if fault and fault.kind == "garbage":
            await response.write(b"data: {not json\n\n")
            return response
        head = _completion("chat.completion.chunk", body)
        deltas: list[dict[str, Any]] = [{"content": token} for token in _tokens(answer.text)]
        for number, delta in enumerate([*deltas, *_call_deltas(answer)]):
            if fault and number and number == fault.after:
                await _strike(request, fault)
            if fault and number == fault.after and fault.kind == "error":
                await _send_event(response, {"error": {"message": "the stub broke off", "type": fault.error}})
                return response
            if number:
                await asyncio.sleep(self.plan.token_s)
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            await _send_event(response, head | {"choices": [choice]})
        last = {"index": 0, "delta": {}, "finish_reason": _finish(answer)}
        await _send_event(response, head | {"choices": [last]})
        if body.get("stream_options", {}).get("include_usage"):
            spent, said = sum(len(str(message)) for message in body["messages"]) // 4, len(_tokens(answer.text))
            usage = {"prompt_tokens": spent, "completion_tokens": said, "total_tokens": spent + said}
            await _send_event(response, head | {"choices": [], "usage": usage})
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        body = await _json(request)
        async with self._request("speech", request, body) as fault:
            if fault and fault.kind in {"garbage", "empty"}:
                return _nonsense(fault)
            await asyncio.sleep(self.plan.tts_delay_s)
            voice = (self.plan.voice or buzz)(str(body["input"]))
            sound = bytes(2 * int(SPEECH_RATE * self.plan.leading_silence_s)) + voice
            response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
            await response.prepare(request)
            for number, start in enumerate(range(0, len(sound), _CHUNK)):
                if fault and number and number == fault.after:
                    await _strike(request, fault)
                await response.write(sound[start : start + _CHUNK])
            return response


def _tokens(text: str) -> list[str]:
    """Words with the space before them, as a model's tokens mostly are."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if text else []


def _port_of(request: web.Request) -> int:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return int(peer[1]) if peer else 0


def _finish(answer: Answer) -> str:
    return "tool_calls" if answer.calls else "stop"


def _tool_call(name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": f"call_{next(_CALL_NUMBERS)}", "type": "function", "function": function}


def _call_deltas(answer: Answer) -> Iterator[dict[str, Any]]:
    """Each call's id and name first, then its arguments in pieces: parallel calls are told apart by their index."""
    calls = [_tool_call(*call) for call in answer.calls]
    for index, call in enumerate(calls):
        head = call | {"index": index, "function": call["function"] | {"arguments": ""}}
        yield {"tool_calls": [head]}
    for index, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        for start in range(0, len(arguments), 7):
            yield {"tool_calls": [{"index": index, "function": {"arguments": arguments[start : start + 7]}}]}


def _completion(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-stub", "object": kind, "created": int(time.time()), "model": body.get("model", "")}


async def _send_event(response: web.StreamResponse, data: dict[str, Any]) -> None:
    await response.write(f"data: {json.dumps(data)}\n\n".encode())


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise _problem(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise _problem(400, "The body must be a JSON object.")
    return body


def _problem(status: int, text: str, code: str = "stub") -> web.HTTPException:
    """An error in OpenAI's shape, with the status it is told."""
    body = json.dumps({"error": {"message": text, "type": "stub_error", "param": None, "code": code}})

    class _Problem(web.HTTPException):
        status_code = status

    return _Problem(text=body, content_type="application/json")


def _nonsense(fault: Fault) -> web.Response:
    return web.Response(body=b"" if fault.kind == "empty" else b"\x00\xffnonsense\xfe" * 7)


async def _strike(request: web.Request, fault: Fault) -> None:
    """Never answer, cut the connection off under the client (either way the handler ends by cancellation), or wait."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    if fault.kind not in {"drop", "hang"}:
        return
    if fault.kind == "drop" and request.transport is not None:
        request.transport.abort()
    await asyncio.Event().wait()


def main(argv: list[str] | None = None, out: Callable[[str], object] = sys.stdout.write) -> None:
    """Serve until standard input ends, so that a stub never outlives the benchmark that started it."""
    plan = StubPlan()
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    for name in ("stt-delay-s", "first-token-s", "token-s", "tts-delay-s", "leading-silence-s"):
        parser.add_argument(f"--{name}", type=float, default=getattr(plan, name.replace("-", "_")))
    parser.add_argument(
        "--fail", action="append", default=[], metavar="ROUTE:STATUS", help="such as chat:401: every such request fails"
    )
    options = vars(parser.parse_args(argv))
    port, fail = options.pop("port"), options.pop("fail")
    try:
        faults = {route: Fault("status", int(status)) for route, _, status in (each.partition(":") for each in fail)}
    except ValueError:
        parser.error("--fail is ROUTE:STATUS, such as chat:401")
    unknown = faults.keys() - set(get_args(Route))
    if unknown:
        parser.error(f"--fail: there is no route {', '.join(unknown)}; there are {', '.join(get_args(Route))}")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(StubPlan(**options, reply=always_elsewhere(str(plan.reply))), port, out, faults))


async def _serve(plan: StubPlan, port: int, out: Callable[[str], object], faults: Mapping[str, Fault]) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        async with OpenAiStub(plan, port) as stub:
            for route, fault in faults.items():
                stub.fail_always(cast("Route", route), fault)
            out(f"OpenAI stub: {stub.base_url}\n")
            sys.stdout.flush()
            while await reader.read(4096):
                pass
    finally:
        transport.close()


if __name__ == "__main__":
    main()
