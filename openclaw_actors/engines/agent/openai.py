"""Any OpenAI-compatible ``/chat/completions``: OpenAI, Ollama, llama.cpp, vLLM, LM Studio and others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from openclaw_actors.engines.agent.call_tools import CallTools
from openclaw_actors.engines.agent.chat import TELL_USAGE, as_messages, converse, go_on_after, paragraphs, said_first
from openclaw_actors.engines.openai_service import OPENAI_URL, OpenAiServer, probe
from openclaw_actors.engines.protocols import AgentRequest, CallControl
from openclaw_actors.errors import EngineError, UnavailableEngineError
from openclaw_actors.messages import Line
from openclaw_actors.observability.engine_meter import meter_of
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Destination, OpenAiAgent

log = get_logger(__name__)

_SILENCE_S = 30.0
"""No byte for so long: lost. The stage's own deadline for the first word is shorter."""

_WHO = "the language model"


class OpenAiAgentEngine:
    """An AgentEngine. It keeps nothing of a call: each request tells the conversation, within the settings' bounds.

    Args:
        settings: where, as whom, which model, and how much of the conversation.
        destinations: whom it may transfer callers to.
    """

    name = "openai"
    speculative = True
    repeatable = True
    first_token_s = 0.0

    def __init__(self, settings: OpenAiAgent, destinations: Sequence[Destination] = ()) -> None:
        self._settings = settings
        self._destinations = destinations
        self._base_url = settings.base_url or OPENAI_URL
        self._key = settings.api_key.get_secret_value()
        self._server = OpenAiServer(self._base_url, self._key, silence_s=_SILENCE_S)
        self._takes_tools = self._tells_usage = True
        self._meter = meter_of("agent", self.name)

    async def open(self) -> None:
        """See whether the server answers.

        Raises:
            UnavailableEngineError: something is not configured, or nobody answers.
            RefusedEngineError: the key is not accepted.
        """
        if not self._settings.base_url and not self._key:
            raise UnavailableEngineError("no language model: set agent.openai.base_url or agent.openai.api_key")
        if not self._settings.model:
            raise UnavailableEngineError("which language model? set agent.openai.model")
        if self._server.is_closed():
            self._server = OpenAiServer(self._base_url, self._key, silence_s=_SILENCE_S)
        self._takes_tools = self._tells_usage = True
        await probe(self._server, _WHO)

    async def warm(self) -> None:
        """Open a connection, which the next question finds open: TLS to a far server is two round trips.

        Raises:
            EngineError: as ``open``.
        """
        await probe(self._server, _WHO)

    async def reply(self, request: AgentRequest) -> AsyncGenerator[str | CallControl, None]:
        """As AgentEngine.reply.

        Raises:
            EngineError: by kind; transient if the answer is empty.
        """
        body = {"model": self._settings.model, "messages": self._messages(request)}
        begun = False
        while True:
            tools = CallTools(request.tools if self._takes_tools else (), self._destinations)
            wants = body | (TELL_USAGE if self._tells_usage else {})
            try:
                async with contextlib.aclosing(converse(self._server, _WHO, wants, tools, self._meter)) as answer:
                    async for piece in answer:
                        begun = True
                        yield piece
                    return
            except EngineError as error:
                if begun or not self._can_do_without(str(error), tools):
                    raise

    def _can_do_without(self, refusal: str, tools: CallTools) -> bool:
        """Whether a request was refused for something that it need not have; then it has it no more."""
        if self._tells_usage and "stream_options" in refusal:
            log.info("the server does not tell what answers cost in tokens", reason=refusal)
            self._tells_usage = False
            return True
        # Ollama ("does not support tools"), llama.cpp and vLLM ("… tool choice requires …") refuse such a request.
        if tools and "tool" in refusal.lower():
            log.warning("the model takes no tools: it can't steer its calls", reason=refusal)
            self._takes_tools = False
            return True
        return False

    async def aclose(self) -> None:
        """Close its connections."""
        await self._server.close()

    def _messages(self, request: AgentRequest) -> list[dict[str, Any]]:
        opening = said_first(request.history)
        history = newest(request.history, self._settings.history_lines, self._settings.history_chars)
        system = paragraphs(request.system_prompt, opening, go_on_after(request.unfinished))
        return [
            *([{"role": "system", "content": system}] if system else []),
            *as_messages(history),
            {"role": "user", "content": request.text},
        ]


def newest(history: Sequence[Line], lines: int, chars: int) -> Sequence[Line]:
    """The end of the conversation: as many lines as fit into both bounds, and always the last one."""
    left = chars
    for count, line in enumerate(reversed(history)):
        left -= len(line.text)
        if count == lines or (left < 0 and count):
            return history[len(history) - count :]
    return history
