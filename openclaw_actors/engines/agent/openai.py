"""Any OpenAI-compatible ``/chat/completions``: OpenAI, Ollama, llama.cpp, vLLM, LM Studio and others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from openclaw_actors.engines.agent.chat import as_messages, go_on_after, paragraphs, said_first, stream_answer
from openclaw_actors.engines.openai_service import OPENAI_URL, connect, probe
from openclaw_actors.engines.protocols import AgentRequest, EndCall
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.settings.sections import OpenAiAgent

_SILENCE_S = 30.0
"""No byte for so long: lost. The stage's own deadline for the first word is shorter."""

_WHO = "the language model"


class OpenAiAgentEngine:
    """An AgentEngine. It keeps nothing of a call: each request tells the whole conversation.

    Args:
        settings: where, as whom, which model.
    """

    name = "openai"
    speculative = True
    repeatable = True
    first_token_s = 0.0

    def __init__(self, settings: OpenAiAgent) -> None:
        self._settings = settings
        self._base_url = settings.base_url or OPENAI_URL
        self._key = settings.api_key.get_secret_value()
        self._client = connect(self._base_url, self._key, silence_s=_SILENCE_S)

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
        if self._client.is_closed():
            self._client = connect(self._base_url, self._key, silence_s=_SILENCE_S)
        await probe(self._client, _WHO)

    async def reply(self, request: AgentRequest) -> AsyncGenerator[str | EndCall, None]:
        """As AgentEngine.reply.

        Raises:
            EngineError: by kind; transient if the answer is empty.
        """
        system = paragraphs(request.system_prompt, said_first(request.history), go_on_after(request.unfinished))
        messages = [
            *([{"role": "system", "content": system}] if system else []),
            *as_messages(request.history),
            {"role": "user", "content": request.text},
        ]
        body = {"model": self._settings.model, "messages": messages}
        async with contextlib.aclosing(stream_answer(self._client, _WHO, body)) as answer:
            async for text in answer:
                yield text

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.close()
