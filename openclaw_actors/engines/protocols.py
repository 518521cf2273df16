"""The three small protocols that an engine implements.

An engine is one object a process, shared by all calls; what belongs to one call or one utterance is in its
arguments. All methods run on the event loop and never block it: heavy work goes to a worker process
(engines/workers.py) or to a server. Faults are EngineErrors of the right kind (errors.py); anything else that is
raised counts as broken. Cancelling the task that awaits an engine cancels the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from openclaw_actors.messages import Line, WordTime
from openclaw_actors.settings.sections import CallTool


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


@runtime_checkable
class Warmable(Protocol):
    """What an engine has beside Engine if its first answer is slower than the others."""

    async def warm(self) -> None:
        """Open connections, load what is loaded late. Called while a call is being set up, and not waited for.

        Raises:
            EngineError: it did not get warm, which does the call no harm yet.
        """


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. Empty text: nothing was."""

    text: str
    language: str = ""
    """In which it was spoken, BCP 47; empty where that is not known for sure."""


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


class Hearing(Protocol):
    """One utterance that is recognised while it is spoken."""

    def push(self, pcm: bytes) -> None:
        """Take the next sound: 16 kHz, mono, s16. It never waits: what can't be sent yet is kept.

        Raises:
            EngineError: this hearing is lost (transient: another one, given all the sound anew, may do).
        """

    async def finish(self) -> Transcript:
        """All that has been pushed, as words, once they are known. Cancelling it loses nothing.

        The caller may go on: more may be pushed afterwards, and ``finish`` called again for the whole.

        Raises:
            EngineError: as ``push``.
        """

    def drop(self) -> None:
        """Nobody waits for its words any more. May be called at any time, more than once."""


class SttSession(Protocol):
    """One call's line to a recogniser that hears while the caller speaks. It mends itself when it breaks."""

    async def open(self) -> None:
        """Connect, so that the first word finds it ready.

        Raises:
            EngineError: it can't be had.
        """

    def hear(self, on_words: Callable[[str], object]) -> Hearing:
        """Begin an utterance; what was not finished of the one before is dropped.

        Args:
            on_words: told all words of the utterance so far, on the loop, each time that they have changed.
        """

    async def aclose(self) -> None:
        """Hang up. May be called at any time, more than once."""


@runtime_checkable
class StreamingSttEngine(SttEngine, Protocol):
    """Hears while the caller speaks. Its ``transcribe`` serves who has the whole utterance already."""

    def session(self, *, language: str = "") -> SttSession:
        """A line for one call, not yet opened; ``language`` as in ``transcribe``."""


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
        tools: what the agent may do to this call beside speaking, by the names in the settings.
    """

    call_id: str
    caller: str
    text: str
    history: tuple[Line, ...]
    system_prompt: str
    call_seconds: float
    unfinished: str = ""
    agent: str = ""
    tools: tuple[CallTool, ...] = ()


@dataclass(frozen=True, slots=True)
class EndCall:
    """Hang up. As all of these: once what the agent says in this answer is spoken, and not if it is interrupted."""


@dataclass(frozen=True, slots=True)
class TransferCall:
    """Hand the caller over to ``number``: E.164 or a SIP address, of the settings."""

    number: str


@dataclass(frozen=True, slots=True)
class PressKeys:
    """Send these keys (`media.tones.check_digits`) as tones."""

    digits: str


@dataclass(frozen=True, slots=True)
class HoldCall:
    """Let the caller hear music for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TakeMessage:
    """Keep these words of the caller's for whoever reads them later; an interruption does not lose them."""

    text: str


@dataclass(frozen=True, slots=True)
class StayQuiet:
    """The agent has nothing to say to this, and means it."""


CallControl = EndCall | TransferCall | PressKeys | HoldCall | TakeMessage | StayQuiet
"""What an agent may want of its call beside speaking."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """A call that is over.

    Args:
        call_id: which.
        caller: their number in E.164; empty where none is known for sure.
        agent: whom they asked, as in AgentRequest.
        history: the conversation as it was heard.
        seconds: how long it lasted.
        reason: why it ended.
    """

    call_id: str
    caller: str
    agent: str
    history: tuple[Line, ...]
    seconds: float
    reason: str


@runtime_checkable
class AfterCall(Protocol):
    """What an agent engine has beside AgentEngine if it wants to hear how its calls went."""

    async def after_call(self, report: CallReport) -> None:
        """Take note of a call that is over. Nobody waits for it but the host's end.

        Raises:
            EngineError: it could not.
        """


class AgentEngine(Engine, Protocol):
    """Thinks."""

    speculative: bool
    """May be asked before it is sure that the caller has finished."""
    repeatable: bool
    """May be asked the same again after a failure."""
    first_token_s: float
    """Its own deadline for the first word, in seconds; 0: the setting's."""

    def reply(self, request: AgentRequest) -> AsyncIterator[str | CallControl]:
        """Stream the answer as pieces of text, of any size, and what is to be done to the call.

        An answer of neither is an error. Closing the iterator cancels the answer.
        """


@dataclass(frozen=True, slots=True)
class Voice:
    """Who shall speak. An engine that knows no such name goes by the language, and then by its settings.

    Args:
        name: as the engine names its voices; empty: none asked for.
        language: BCP 47, of what is spoken; empty: not known.
        rate: times the speed of the settings.
        pitch_hz: added to the pitch of the settings, by an engine that can.
    """

    name: str = ""
    language: str = ""
    rate: float = 1.0
    pitch_hz: int = 0


OWN_VOICE = Voice()
"""The engine's own, by its settings."""


class TtsEngine(Engine, Protocol):
    """Speaks."""

    sample_rate: int
    """Hz of the mono s16 that ``speak`` yields."""

    def cache_key(self, voice: Voice = OWN_VOICE) -> str:
        """All that shapes its sound beside the text: engine, version, the voice that it takes, prosody."""

    def speak(self, text: str, voice: Voice = OWN_VOICE) -> AsyncIterator[bytes | WordTime]:
        """Stream the sound of one phrase as s16 mono, in pieces of any even size. Closing it cancels.

        A voice that knows when each word ends tells it, before or after its sound: what the caller heard of a phrase
        that was cut is then known to the word, and else reckoned from its length.
        """
