"""What agents with OpenAI's chat completions share: streamed answers, tools between, and a call told as messages."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any

from openclaw_actors.engines.agent.call_tools import CallTools, ToolCall, Used
from openclaw_actors.engines.openai_service import OpenAiServer, faults, stream_events
from openclaw_actors.engines.protocols import CallControl, EndCall, TransferCall
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.messages import Line
from openclaw_actors.observability.engine_meter import EngineMeter
from openclaw_actors.observability.traces import TRACEPARENT

TELL_USAGE = {"stream_options": {"include_usage": True}}
"""Of a request's body: tell what the answer has cost, in a last chunk."""

ROUNDS = 4
"""Requests for one answer: a model that still calls tools then must answer without. Each is a wait of the caller's."""

_WANTED = 8
"""Calls of tools in one answer; more are a model that runs in circles."""


async def converse(
    server: OpenAiServer, who: str, request: Mapping[str, Any], tools: CallTools, meter: EngineMeter
) -> AsyncGenerator[str | CallControl, None]:
    """Ask, do what the model calls tools for, tell it what came of that, and so on until it has answered.

    Args:
        server: whom to ask.
        who: begins the text of every error.
        request: the body, without ``stream`` and ``tools``; extra headers under ``extra_headers``.
        tools: what is offered.
        meter: told the tokens, where the server tells them.

    Raises:
        EngineError: by kind; transient if the answer is empty.
    """
    body = dict(request) | ({"tools": tools.specifications()} if tools else {})
    said, wanted, controls = False, 0, 0
    for number in range(1, ROUNDS + 1):
        if number == ROUNDS and tools:
            body["tool_choice"] = "none"
        text, calls = "", list[ToolCall]()
        async with contextlib.aclosing(stream_answer(server, who, body, meter)) as answer:
            async for piece in answer:
                if isinstance(piece, ToolCall):
                    calls.append(piece)
                    continue
                # What was said before a tool was called and what is said after it are sentences of their own.
                yield f"\n{piece}" if said and not text else piece
                text += piece
        said = said or bool(text)
        if not calls:
            break
        used = [tools.use(call) for call in calls[: _WANTED - wanted]]
        wanted += len(used)
        for control in (each.control for each in used if each.control is not None):
            controls += 1
            yield control
        if said and all(isinstance(each.control, EndCall | TransferCall) for each in used):
            return  # an agent that has said goodbye has nothing to add: a round less to wait for
        body["messages"] = [*body["messages"], *_round(text, calls, used)]
    if not (said or controls):
        raise TransientEngineError(f"{who} gave an empty answer")


def _round(text: str, calls: Sequence[ToolCall], used: Sequence[Used]) -> list[dict[str, Any]]:
    """What the model did, and what came of it. Every call must have its result, or servers refuse the next request."""
    results = [each.result for each in used]
    results += ["Error: too many calls in one answer. Nothing was done."] * (len(calls) - len(used))
    functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
    return [
        {
            "role": "assistant",
            "content": text,
            "tool_calls": [
                {"id": call.id, "type": "function", "function": function}
                for call, function in zip(calls, functions, strict=True)
            ],
        },
        *(
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(calls, results, strict=True)
        ),
    ]


async def stream_answer(
    server: OpenAiServer, who: str, request: Mapping[str, Any], meter: EngineMeter
) -> AsyncGenerator[str | ToolCall, None]:
    """Ask once; yield the answer's text as it comes, then the tools it calls.

    Closing it closes the HTTP stream, which cancels the answer. Arguments are those of `converse`.

    Raises:
        EngineError: by kind.
    """
    calls = _Calls()
    body = {**request, "stream": True}
    headers = dict(body.pop("extra_headers", {}))
    if traceparent := TRACEPARENT.get():
        headers["traceparent"] = traceparent
    with faults(who):
        asked = server.post_json("/chat/completions", body, headers)
        async with asked as response, contextlib.aclosing(stream_events(response)) as chunks:
            async for chunk in chunks:
                # The last one has no choices: it tells the usage, if that was asked for (and of some servers, if not).
                if usage := chunk.get("usage"):
                    _count(usage, meter)
                for choice in (chunk.get("choices") or ())[:1]:
                    delta = choice.get("delta") or {}
                    calls.take(delta.get("tool_calls") or ())
                    if content := delta.get("content"):
                        yield _text(content)
    for call in calls.whole():
        yield call


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise TypeError(f"content that is no text: {str(content)[:100]}")
    return content


def _count(usage: Mapping[str, Any], meter: EngineMeter) -> None:
    """Servers leave out what they do not know, and then the field is not even there."""
    for counter, field in ((meter.tokens_in, "prompt_tokens"), (meter.tokens_out, "completion_tokens")):
        tokens = usage.get(field)
        if isinstance(tokens, int) and tokens > 0:
            counter.inc(tokens)


class _Calls:
    """Tool calls as they stream: each has an index, an id and a name at first, and its arguments come in pieces."""

    def __init__(self) -> None:
        self._parts: list[dict[str, str]] = []
        self._at: dict[int, dict[str, str]] = {}

    def take(self, deltas: Iterable[Mapping[str, Any]]) -> None:
        """The next pieces."""
        for delta in deltas:
            index, own_id = delta.get("index") or 0, delta.get("id") or ""
            part = self._at.get(index)
            # Ollama gives every call the index 0, and each an id of its own.
            if part is None or (own_id and part["id"] and own_id != part["id"]):
                part = self._at[index] = {"id": "", "name": "", "arguments": ""}
                self._parts.append(part)
            part["id"] = part["id"] or own_id
            function = delta.get("function") or {}
            part["name"] = part["name"] or function.get("name") or ""
            part["arguments"] += function.get("arguments") or ""

    def whole(self) -> list[ToolCall]:
        """All of them, once the stream is over; one that came without an id is given one."""
        return [
            ToolCall(part["id"] or f"call_{number}", part["name"], part["arguments"])
            for number, part in enumerate(self._parts)
        ]


def as_messages(lines: Sequence[Line]) -> list[dict[str, str]]:
    """The conversation as messages that alternate, as many models' templates demand it.

    What the agent said before any word of the caller's is in ``said_first`` instead. An answer that was cut ends in a
    dash, as it would in a play.
    """
    messages = [
        {
            "role": "user" if role == "user" else "assistant",
            "content": " ".join(f"{line.text} —" if line.cut else line.text for line in run),
        }
        for role, run in itertools.groupby(lines, key=lambda line: line.role)
    ]
    return messages[1:] if messages and messages[0]["role"] == "assistant" else messages


def said_first(lines: Sequence[Line]) -> str:
    """The line of the system prompt that tells how the agent opened the call; empty if it did not."""
    opening = " ".join(line.text for line in itertools.takewhile(lambda line: line.role == "agent", lines))
    return f"You opened the call with: «{opening}»" if opening else ""


def last_answer(lines: Sequence[Line]) -> tuple[str, bool]:
    """What the caller heard of the agent's last answer, and whether it was cut off."""
    answer: list[Line] = []
    for line in reversed(lines):
        if line.role == "agent":
            answer.insert(0, line)
        elif answer:
            break
    return " ".join(line.text for line in answer), any(line.cut for line in answer)


def go_on_after(words: str) -> str:
    """The line of the system prompt that has a broken-off answer continued; empty if none broke off."""
    if not words:
        return ""
    return (
        f"Your answer to the last message broke off after these words, which were spoken already: «{words}» "
        "Continue right after them. Do not repeat them, and do not mention the break."
    )


def paragraphs(*parts: str) -> str:
    """The parts that are not empty, one paragraph each."""
    return "\n\n".join(part for part in parts if part)
