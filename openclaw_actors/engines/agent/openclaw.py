"""An OpenClaw Gateway's chat completions: the operator's own assistant, with its tools and its memory.

A request enters a session of the Gateway's and runs tools. So it is sent once, only when the caller has finished, with
nothing but the new message: the session remembers the rest, and sent again the history would be doubled. Closing the
HTTP stream cancels the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from openclaw_actors.engines.agent.call_tools import CallTools
from openclaw_actors.engines.agent.chat import TELL_USAGE, converse, last_answer, paragraphs, stream_answer
from openclaw_actors.engines.agent.report import report_text
from openclaw_actors.engines.openai_service import OpenAiServer, probe
from openclaw_actors.engines.protocols import AgentRequest, CallControl, CallReport, StayQuiet
from openclaw_actors.errors import EngineError, TransientEngineError, UnavailableEngineError
from openclaw_actors.observability.engine_meter import meter_of
from openclaw_actors.observability.logs import get_logger, outside
from openclaw_actors.settings.sections import Destination, OpenClaw

log = get_logger(__name__)

NO_RESPONSE = "No response from OpenClaw."
"""What a Gateway streams, as if it were the answer, when the run has produced none."""

NO_REPLY = "NO_REPLY"
"""What an OpenClaw agent answers when it has nothing to say."""

_WHO = "the OpenClaw Gateway"
_REMEDY = "in the Gateway's config set gateway.http.endpoints.chatCompletions.enabled to true"
_MAIN = "main"
"""The id of a Gateway's default agent, and of an agent's own session."""

_CHANNEL = {"x-openclaw-message-channel": "voice"}


class OpenClawEngine:
    """An AgentEngine.

    Args:
        settings: where the Gateway is, its token, which agent, and what a session is.
        first_token_s: how long it may think and use tools before its first word, in seconds.
        destinations: whom it may transfer callers to.
    """

    name = "openclaw"
    speculative = False
    repeatable = False

    def __init__(
        self, settings: OpenClaw, first_token_s: float = 60.0, destinations: Sequence[Destination] = ()
    ) -> None:
        self._settings = settings
        self._destinations = destinations
        self.first_token_s = first_token_s
        self._token = settings.token.get_secret_value()
        # A tool may run silently for as long as the first word may take; the stage's deadline comes first.
        self._silence_s = first_token_s + 5
        self._server = OpenAiServer(settings.base_url, self._token, silence_s=self._silence_s)
        self._meter = meter_of("agent", self.name)
        self._warming: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """See whether the Gateway answers and serves chat completions; then warm it, which nobody waits for.

        Raises:
            UnavailableEngineError: nobody answers, or the endpoint is off; the text says what to do.
            RefusedEngineError: the token is not accepted.
        """
        if self._server.is_closed():
            self._server = OpenAiServer(self._settings.base_url, self._token, silence_s=self._silence_s)
        if await probe(self._server, _WHO) >= 400:
            raise UnavailableEngineError(f"{_WHO} has no chat completions: {_REMEDY}")
        if self._settings.warm:
            await self._stop_warming()
            self._warming = asyncio.create_task(self._first_run(), name="warming the Gateway", context=outside())

    async def warm(self) -> None:
        """Open a connection for the call that is being set up.

        Raises:
            EngineError: as ``open``.
        """
        await probe(self._server, _WHO)

    async def _first_run(self) -> None:
        """A Gateway loads what its runs need in the first one: only a whole run spares the first caller that wait.

        Without ``user`` and session key it has a session of its own, which no conversation ever meets.
        """
        body = {
            "model": f"openclaw/{self._settings.agent}",
            "messages": [{"role": "user", "content": "A voice host has started. Reply with the one word: ok"}],
            "extra_headers": _CHANNEL,
        }
        began = asyncio.get_running_loop().time()
        try:
            async with contextlib.aclosing(stream_answer(self._server, _WHO, body, self._meter)) as answer:
                async for _ in answer:
                    pass
        except EngineError as error:
            log.warning("the Gateway did not get warm: the first answer will be slow", reason=str(error))
        else:
            log.info("the Gateway is warm", seconds=round(asyncio.get_running_loop().time() - began, 1))

    async def reply(self, request: AgentRequest) -> AsyncGenerator[str | CallControl, None]:
        """As AgentEngine.reply.

        Raises:
            EngineError: by kind; transient if the run has given no answer.
        """
        tools = CallTools(request.tools, self._destinations)
        prompt = paragraphs(request.system_prompt, _where_it_was_cut(request), _how_to_call(tools))
        body = {
            "model": self._model(request.agent),
            "messages": [{"role": "system", "content": prompt}, {"role": "user", "content": request.text}],
            **self._session(request.agent, request.caller, request.call_id),
            **TELL_USAGE,
        }
        async with contextlib.aclosing(_spoken(converse(self._server, _WHO, body, tools, self._meter))) as answer:
            async for piece in answer:
                yield piece

    async def after_call(self, report: CallReport) -> None:
        """Put the conversation, and if asked for a summary of it, into the chat: one run, whose answer stays there.

        Raises:
            EngineError: by kind; the chat may then hold the transcript without an answer to it.
        """
        if self._settings.after_call == "none" or not any(line.role == "user" for line in report.history):
            return
        body = {
            "model": self._model(report.agent),
            "messages": [
                {"role": "user", "content": report_text(report, summary=self._settings.after_call == "summary")}
            ],
            **self._chat_for(report),
            **TELL_USAGE,
        }
        async with contextlib.aclosing(stream_answer(self._server, _WHO, body, self._meter)) as answer:
            async for _ in answer:
                pass

    async def aclose(self) -> None:
        """Close its connections."""
        # In this order: nothing connects any more while the first run, which may be connecting, is brought to its end.
        await self._server.close()
        await self._stop_warming()

    async def _stop_warming(self) -> None:
        """To its end: a client that is closed under a run leaves the run's connection open."""
        if self._warming is not None:
            warming, self._warming = self._warming, None
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)

    def _model(self, agent: str) -> str:
        return f"openclaw/{agent or self._settings.agent}"

    def _chat_for(self, report: CallReport) -> dict[str, Any]:
        if key := self._settings.after_call_session:
            return {"extra_headers": _CHANNEL | {"x-openclaw-session-key": key}}
        return self._session(report.agent, report.caller, report.call_id)

    def _session(self, agent: str, caller: str, call_id: str) -> dict[str, Any]:
        """Which conversation of the Gateway's this call is: a field of the body, or a header."""
        scope = self._settings.session_scope
        if scope == "main":
            named = agent or self._settings.agent
            own = _MAIN if named == "default" else named
            return {"extra_headers": _CHANNEL | {"x-openclaw-session-key": f"agent:{own}:{_MAIN}"}}
        # A colon would let a caller's name reach into the session keys of others.
        caller = re.sub(r"[^\w.@+-]+", "-", caller).strip("-").lower()[:64]
        per_phone = scope == "per-phone" and caller
        return {"extra_headers": _CHANNEL, "user": f"voice:{caller}" if per_phone else f"voice:call:{call_id}"}


def _where_it_was_cut(request: AgentRequest) -> str:
    """The session holds the whole of an answer that the caller heard only a part of: say which."""
    answer, was_cut = last_answer(request.history)
    heard = request.unfinished or (answer if was_cut else "")
    return f"Your last answer was cut off. The caller heard of it only: «{heard}»" if heard else ""


def _how_to_call(tools: CallTools) -> str:
    """A Gateway shows a model few tools directly and none of its clients'; the rest it reaches by ``tool_call``."""
    if not tools:
        return ""
    return (
        f"On this phone call you have these tools: {tools.lines()}. Where one is not offered to you directly, use "
        "tool_call with its name as the id; you need not search for it."
    )


async def _spoken(answer: AsyncGenerator[str | CallControl, None]) -> AsyncGenerator[str | CallControl, None]:
    """The answer; held back as long as it may still turn out to be NO_RESPONSE or NO_REPLY.

    Raises:
        TransientEngineError: it is NO_RESPONSE.
    """
    held: str | None = ""
    async with contextlib.aclosing(answer):
        async for piece in answer:
            if not isinstance(piece, str) or held is None:
                yield piece
                continue
            held += piece
            if not any(token.startswith(held.strip()) for token in (NO_RESPONSE, NO_REPLY)):
                yield held
                held = None
    said = (held or "").strip()
    if said == NO_RESPONSE:
        raise TransientEngineError(f"{_WHO} gave no answer")
    if said == NO_REPLY:
        yield StayQuiet()
    elif held:
        yield held
