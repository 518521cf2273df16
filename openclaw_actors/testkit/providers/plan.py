"""What a stub provider shall do: its delays, its answers, its faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from string import ascii_lowercase
from typing import Any, Literal

Route = Literal["transcriptions", "chat", "speech", "models"]
FaultKind = Literal["status", "drop", "hang", "garbage", "empty", "error", "slow"]

Hear = Callable[[bytes], str | Awaitable[str]]
"""Takes the uploaded audio file, gives its words, at once or as soon as a recogniser has them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answers: words, then calls of tools.

    Args:
        text: what it says before the calls.
        calls: (name, arguments) of each, the arguments as the model writes them, so mostly JSON.
    """

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


Think = Callable[[list[dict[str, Any]]], str | Answer]
"""Takes the chat's messages, gives the reply."""
Speak = Callable[[str], bytes]
"""Takes a text, gives 24 kHz mono s16."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with one request.

    Args:
        kind: ``status`` answers with an HTTP error; ``drop`` closes the connection; ``hang`` never answers;
            ``garbage`` answers 200 with nonsense; ``empty`` answers 200 with nothing in it; ``error`` breaks a
            streamed answer of an agent off with an error event; ``slow`` waits ``seconds`` and answers well.
        status: for ``status``: 500, 401, 429 and so on.
        after: for ``drop``, ``hang``, ``error`` and ``slow``: how many chunks of a streamed answer come first.
        error: for ``error``: its type.
        seconds: for ``slow``.
    """

    kind: FaultKind
    status: int = 500
    after: int = 0
    error: str = "api_error"
    seconds: float = 0.7


@dataclass(frozen=True, slots=True)
class StubPlan:
    """Delays in seconds. The defaults are the stubs on which the peers were measured (README, latency table).

    Args:
        stt_delay_s: a transcription takes this long.
        transcript: what every utterance says, or how to tell.
        transcript_stream: how ``stream=true`` is answered: ``ignored`` gives plain JSON, ``refused`` a 400, ``openai``
            its events, ``vllm`` chunks as of a chat.
        first_token_s: the model thinks this long before its first token.
        token_s: and this long before each further one.
        reply: what it answers, or how to tell.
        tts_delay_s: a voice takes this long before its first sound.
        leading_silence_s: a voice begins with so much silence, as edge-tts and others do (185 ms measured).
        voice: the sound after that; None: a buzz of 70 ms a character.
        api_key: when set, any other bearer token is answered 401.
        tells_usage: a server that does not refuses a request with ``stream_options``.
        takes_tools: a model that does not refuses a request with ``tools``, as Ollama does.
    """

    stt_delay_s: float = 0.05
    transcript: str | Hear = "What is the weather like in Paris today?"
    transcript_stream: Literal["ignored", "refused", "openai", "vllm"] = "ignored"
    first_token_s: float = 0.1
    token_s: float = 0.01
    reply: str | Answer | Think = (
        "It is sunny in Paris today, with a light wind from the west. "
        "You will not need an umbrella there in Paris, though the evening may be cooler than the day was."
    )
    tts_delay_s: float = 0.05
    leading_silence_s: float = 0.185
    voice: Speak | None = None
    api_key: str = ""
    tells_usage: bool = True
    takes_tools: bool = True


def always_elsewhere(reply: str, place: str = "Paris") -> Think:
    """Answers as ``reply``, each time of another place whose name is as long.

    A model does not say the same to all callers at once: a benchmark whose callers share a phrase's sound would flatter
    the host.
    """
    numbers = count()

    def think(_: list[dict[str, Any]]) -> str:
        number, letters = next(numbers), ""
        while len(letters) < len(place):
            number, at = divmod(number, 26)
            letters += ascii_lowercase[at]
        return reply.replace(place, letters.capitalize())

    return think
