"""The three small protocols that an engine implements.

An engine is one object a process, shared by all calls; what belongs to one call or one utterance is in its
arguments. All methods run on the event loop and never block it: heavy work goes to a worker process
(engines/workers.py) or to a server. Faults are EngineErrors of the right kind (errors.py); anything else that is
raised counts as broken. Cancelling the task that awaits an engine cancels the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from openclaw_actors.messages import Line


class Engine(Protocol):
    """What all engines share."""

    name: str
    """Its id in the settings, such as ``edge-tts``."""

    async def open(self) -> None:
        """Make ready: load, connect, warm. Called once before use, and again to probe whether it serves by now.

        Raises:
            EngineError: it can't serve; the text tells the operator what to do.
        """

    async def aclose(self) -> None:
        """Let go of processes, files and connections. May be called at any time, more than once."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. Empty text: nothing was."""

    text: str
    language: str = ""


class SttEngine(Engine, Protocol):
    """Hears."""

    partial_every_s: float
    """How often the growing utterance may be transcribed while the caller still speaks; 0: never."""

    async def transcribe(self, pcm: bytes, *, language: str = "", final: bool = True) -> Transcript:
        """Recognise one utterance.

        Args:
            pcm: the whole utterance so far: 16 kHz, mono, s16.
            language: BCP 47, or empty for the engine's own choice.
            final: False for a partial, which may be cheaper.
        """


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One thing to answer.

    Args:
        call_id: whose call it is.
        caller: their number in E.164; empty where none is known for sure.
        text: what to answer.
        history: the conversation before ``text``.
        system_prompt: how to answer.
        call_seconds: how long the call has been up.
        unfinished: words of a broken-off attempt that the caller hears already: continue after them.
        agent: whom to ask, where the engine knows several; empty: the settings'.
    """

    call_id: str
    caller: str
    text: str
    history: tuple[Line, ...]
    system_prompt: str
    call_seconds: float
    unfinished: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class EndCall:
    """The agent hangs up once what it has said so far is spoken."""


class AgentEngine(Engine, Protocol):
    """Thinks."""

    speculative: bool
    """May be asked before it is sure that the caller has finished."""
    repeatable: bool
    """May be asked the same again after a failure."""
    first_token_s: float
    """Its own deadline for the first word, in seconds; 0: the setting's."""

    def reply(self, request: AgentRequest) -> AsyncIterator[str | EndCall]:
        """Stream the answer as pieces of text, of any size. Closing the iterator cancels the answer."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who shall speak. An engine that knows no such name goes by the language, and then by its settings.

    Args:
        name: as the engine names its voices; empty: none asked for.
        language: BCP 47, of what is spoken; empty: not known.
    """

    name: str = ""
    language: str = ""


OWN_VOICE = Voice()
"""The engine's own, by its settings."""


class TtsEngine(Engine, Protocol):
    """Speaks."""

    sample_rate: int
    """Hz of the mono s16 that ``speak`` yields."""

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """All that shapes its sound beside the text: engine, version, the voice that it takes, prosody."""

    def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncIterator[bytes]:
        """Stream the sound of one phrase as s16 mono, in pieces of any even size. Closing it cancels."""
