"""What agents with OpenAI's chat completions share: one streamed answer, and how a call is told as messages."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import openai

from openclaw_actors.engines.openai_service import faults
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.messages import Line


async def stream_answer(client: openai.AsyncOpenAI, who: str, request: dict[str, Any]) -> AsyncGenerator[str, None]:
    """Ask, and yield the answer's text as it comes. Closing it closes the HTTP stream, which cancels the answer.

    Args:
        client: whom to ask.
        who: begins the text of every error.
        request: the body, without ``stream``; extra headers under ``extra_headers``.

    Raises:
        EngineError: by kind; transient if the answer is empty.
    """
    said = False
    with faults(who):
        stream = await client.chat.completions.create(stream=True, **request)
        try:
            async for chunk in stream:
                # Some servers send a last chunk that has usage and no choices.
                text = chunk.choices[0].delta.content if chunk.choices else None
                if text:
                    said = True
                    yield text
        finally:
            await stream.close()
    if not said:
        raise TransientEngineError(f"{who} gave an empty answer")


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
