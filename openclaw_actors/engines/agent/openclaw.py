"""An OpenClaw Gateway, by its OpenAI-compatible endpoint (its docs, gateway/openai-http-api).

A request enters the agent's session and may run tools. So it is sent once, only when the caller has finished, with
nothing but the new message: the session remembers the rest, and sent again the history would be doubled. Closing the
HTTP stream cancels the run.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator
from typing import Any

from openclaw_actors.engines.agent.chat import last_answer, paragraphs, stream_answer
from openclaw_actors.engines.openai_service import connect, probe
from openclaw_actors.engines.protocols import AgentRequest, EndCall
from openclaw_actors.errors import TransientEngineError, UnavailableEngineError
from openclaw_actors.settings.sections import OpenClaw

NO_RESPONSE = "No response from OpenClaw."
"""What a Gateway streams, as if it were the answer, when the run has produced none."""

_WHO = "the OpenClaw Gateway"
_REMEDY = "in the Gateway's config set gateway.http.endpoints.chatCompletions.enabled to true"
_MAIN = "main"
"""The id of a Gateway's default agent, and of an agent's own session."""


class OpenClawEngine:
    """An AgentEngine.

    Args:
        settings: where the Gateway is, its token, which agent, and what a session is.
        first_token_s: how long it may think and use tools before its first word, in seconds.
    """

    name = "openclaw"
    speculative = False
    repeatable = False

    def __init__(self, settings: OpenClaw, first_token_s: float = 60.0) -> None:
        self._settings = settings
        self.first_token_s = first_token_s
        self._token = settings.token.get_secret_value()
        # A tool may run silently for as long as the first word may take; the stage's deadline comes first.
        self._silence_s = first_token_s + 5
        self._client = connect(settings.base_url, self._token, silence_s=self._silence_s)

    async def open(self) -> None:
        """See whether the Gateway answers and serves chat completions.

        Raises:
            UnavailableEngineError: nobody answers, or the endpoint is off; the text says what to do.
            RefusedEngineError: the token is not accepted.
        """
        if self._client.is_closed():
            self._client = connect(self._settings.base_url, self._token, silence_s=self._silence_s)
        if await probe(self._client, _WHO) >= 400:
            raise UnavailableEngineError(f"{_WHO} has no chat completions: {_REMEDY}")

    async def reply(self, request: AgentRequest) -> AsyncGenerator[str | EndCall, None]:
        """As AgentEngine.reply.

        Raises:
            EngineError: by kind; transient if the run has given no answer.
        """
        body = {
            "model": f"openclaw/{request.agent or self._settings.agent}",
            "messages": [
                {"role": "system", "content": paragraphs(request.system_prompt, _where_it_was_cut(request))},
                {"role": "user", "content": request.text},
            ],
            **self._session(request),
        }
        answer = _unless_no_response(stream_answer(self._client, _WHO, body))
        async with contextlib.aclosing(answer):
            async for text in answer:
                yield text

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.close()

    def _session(self, request: AgentRequest) -> dict[str, Any]:
        """Which conversation of the Gateway's this call is: a field of the body, or a header."""
        headers = {"x-openclaw-message-channel": "voice"}
        scope = self._settings.session_scope
        if scope == "main":
            named = request.agent or self._settings.agent
            agent = _MAIN if named == "default" else named
            headers["x-openclaw-session-key"] = f"agent:{agent}:{_MAIN}"
            return {"extra_headers": headers}
        # A colon would let a caller's name reach into the session keys of others.
        caller = re.sub(r"[^\w.@+-]+", "-", request.caller).strip("-").lower()[:64]
        per_phone = scope == "per-phone" and caller
        return {"extra_headers": headers, "user": f"voice:{caller}" if per_phone else f"voice:call:{request.call_id}"}


def _where_it_was_cut(request: AgentRequest) -> str:
    """The session holds the whole of an answer that the caller heard only a part of: say which."""
    answer, was_cut = last_answer(request.history)
    heard = request.unfinished or (answer if was_cut else "")
    return f"Your last answer was cut off. The caller heard of it only: «{heard}»" if heard else ""


async def _unless_no_response(answer: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The answer; held back as long as it may still turn out to be NO_RESPONSE.

    Raises:
        TransientEngineError: it did.
    """
    held: str | None = ""
    async with contextlib.aclosing(answer):
        async for text in answer:
            if held is None:
                yield text
                continue
            held += text
            if not NO_RESPONSE.startswith(held.strip()):
                yield held
                held = None
    if held is not None and held.strip() == NO_RESPONSE:
        raise TransientEngineError(f"{_WHO} gave no answer")
    if held:
        yield held
