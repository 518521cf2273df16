"""A real host with real calls on it, each with a provider of its own that can be told to misbehave."""

from __future__ import annotations

import asyncio
import io
import re
import time
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from openclaw_actors.actors.stage import CallContext
from openclaw_actors.engines.agent.openai import OpenAiAgentEngine
from openclaw_actors.engines.protocols import SttEngine, TtsEngine
from openclaw_actors.engines.stt.openai import OpenAiSttEngine
from openclaw_actors.engines.tts.openai import OpenAiTtsEngine
from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.messages import Stage
from openclaw_actors.settings.sections import (
    Agent,
    Limits,
    OpenAiAgent,
    OpenAiStt,
    OpenAiTts,
    Server,
    Settings,
    Stt,
    Supervision,
    Tts,
)
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.chaos.sabotage import context_of
from openclaw_actors.testkit.chaos.tape import Tape
from openclaw_actors.testkit.host import RunningHost, running_host
from openclaw_actors.testkit.providers.openai import SPEECH_RATE, OpenAiStub, buzz
from openclaw_actors.testkit.providers.plan import StubPlan

QUESTION = "What is the weather like in Paris today?"
ANSWER = "It is sunny in Paris today. A light wind comes from the west, and it stays dry."
OBJECTION = "Now tell me something else."
OTHER_ANSWER = "Here is something else. The tower is open until ten."

_LETTER = round(SPEECH_RATE * 0.045) * 2
"""Bytes of voice a letter: 45 ms, 3.5 s for ANSWER."""
_VOICE = buzz("x" * 100)

PATIENT = Supervision(stt_final_s=15, first_audio_s=10, ping_interval_s=0.5, ping_timeout_s=1)
"""For what is no test of a deadline: the recogniser is real, gives way to media, and several callers share it."""

HASTY = PATIENT.model_copy(update={"stt_final_s": 1.0, "first_token_s": 1.0, "first_audio_s": 1.0})
"""Deadlines of a second for all engines. The recogniser's has half the utterance on top."""

_DEADLINES: dict[Stage, str] = {"stt": "stt_final_s", "agent": "first_token_s", "tts": "first_audio_s"}


def hasty_with(stage: Stage) -> Supervision:
    """A deadline of a second for one stage's engine, which hangs; the others may be as slow as the machine is."""
    return PATIENT.model_copy(update={_DEADLINES[stage]: 1.0})


QUICK_PROBES = (0.5, 1.0)


def words(text: str) -> list[str]:
    """Its words, in lower case."""
    return re.findall(r"[a-z]+", text.lower())


def think(messages: list[dict[str, str]]) -> str:
    """A model that answers the two questions, and goes on behind what it is told was spoken."""
    asked = messages[-1]["content"].lower()
    return go_on(
        messages, ANSWER if "weather" in asked else OTHER_ANSWER if "something" in asked else f"I heard: {asked}"
    )


def go_on(messages: list[dict[str, str]], answer: str) -> str:
    """What is left of the answer behind the words that the system prompt says were spoken."""
    said = re.search("«(.*?)»", messages[0]["content"]) if messages[0]["role"] == "system" else None
    rest = answer.split()[len(said[1].split()) :] if said and answer.startswith(said[1]) else answer.split()
    return " ".join(rest) or "That was all."


def speak(text: str) -> bytes:
    """A steady voice of 45 ms a letter: what interrupts it can only be a fault."""
    return bytes(_VOICE[: len(text) * _LETTER])


def provider_sections(stub: OpenAiStub) -> tuple[OpenAiStt, OpenAiAgent, OpenAiTts]:
    """The settings of the three engines that this stub serves."""
    url, key = stub.base_url, SecretStr("stub")
    return (
        OpenAiStt(base_url=url, api_key=key),
        OpenAiAgent(base_url=url, api_key=key, model="stub"),
        OpenAiTts(base_url=url, api_key=key),
    )


def settings_under_fire(
    stub: OpenAiStub, supervision: Supervision = PATIENT, *, fallback: bool = True, max_calls: int = 25
) -> Settings:
    """The stub first in every stage, the embedded engine behind it; nobody is greeted.

    Args:
        stub: what the host knows of; each `Line` is then given its own.
        supervision: deadlines and limits.
        fallback: without it the stub is all there is.
        max_calls: at once.
    """
    stt, agent, tts = provider_sections(stub)

    def engines(embedded: str) -> tuple[str, ...]:
        return ("openai", embedded) if fallback else ("openai",)

    return Settings(
        server=Server(port=0, max_calls=max_calls),
        limits=Limits(),
        supervision=supervision,
        stt=Stt(engines=engines("pocketsphinx"), openai=stt),
        agent=Agent(engines=engines("parrot"), greeting="", openai=agent),
        tts=Tts(engines=engines("espeak-ng"), openai=tts),
    )


@dataclass
class Line:
    """One call: the caller, its own provider, what went over the wire, and the host's inside of it."""

    caller: Caller
    stub: OpenAiStub
    tape: Tape
    context: CallContext
    began_at: float = field(default_factory=time.monotonic)

    @property
    def restarts(self) -> list[dict[str, Any]]:
        """The data of its ``call.stage.restarted`` events."""
        return [dict(event.data) for event in self.caller.events if event.type == "call.stage.restarted"]

    @property
    def switches(self) -> list[str]:
        """The stages whose engine was replaced."""
        return [str(e.data["stage"]) for e in self.caller.events if e.type == "call.engine.switched"]


_HEARD_S = 20.0
"""For a recogniser of our own: the host's gives way to media, which on a busy machine is no measure of the host."""


class Bench:
    """A host under fire, and the recogniser that hears for all stubs."""

    def __init__(self, running: RunningHost, base: OpenAiStub, ears: WorkerPool) -> None:
        self.running = running
        self._ears = ears
        self.base = base
        """The provider that the host's settings name, and its catalogue probes."""

    @property
    def recogniser(self) -> SttEngine:
        """The host's pocketsphinx, in its worker process."""
        found: SttEngine | None = self.running.host.catalogue.after("stt", "openai")
        if found is None:
            raise LookupError("pocketsphinx does not serve")
        return found

    @property
    def voice(self) -> TtsEngine:
        """The host's espeak-ng, in its worker process."""
        found: TtsEngine | None = self.running.host.catalogue.after("tts", "openai")
        if found is None:
            raise LookupError("espeak-ng does not serve")
        return found

    async def hear(self, wav: bytes) -> str:
        """What is said in a WAV file, by the real recogniser."""
        with wave.open(io.BytesIO(wav)) as sound:
            pcm = sound.readframes(sound.getnframes())
        return str(await self._ears.run(pcm, deadline_s=_HEARD_S))

    def plan(self) -> StubPlan:
        """A provider with a real ear, some wit and a steady voice."""
        return StubPlan(
            stt_delay_s=0,
            transcript=self.hear,
            reply=think,
            token_s=0.08,
            leading_silence_s=0,
            voice=speak,
        )

    @asynccontextmanager
    async def line(
        self, name: str = "", supervision: Supervision = PATIENT, *, embedded: bool = False
    ) -> AsyncIterator[Line]:
        """Call, on a provider of its own.

        Args:
            name: the caller's.
            supervision: the deadlines of this call; all else of it is the host's.
            embedded: on the embedded engines, which compute in worker processes, for hearing and speaking.
        """
        async with AsyncExitStack() as stack:
            stub = await stack.enter_async_context(OpenAiStub(self.plan()))
            caller = Caller(self.running.url, name=name, keep_audio=False)
            tape = Tape(caller)
            await stack.enter_async_context(caller)
            context = context_of(caller.call_id)
            tape.watch(context.playout)
            context.settings = context.settings.model_copy(update={"supervision": supervision})
            engines, (stt, agent, tts) = context.engines, provider_sections(stub)
            engines.stt, engines.agent, engines.tts = (
                OpenAiSttEngine(stt),
                OpenAiAgentEngine(agent),
                OpenAiTtsEngine(tts),
            )
            for engine in (engines.stt, engines.agent, engines.tts):
                stack.push_async_callback(engine.aclose)
            if embedded:
                engines.stt, engines.tts = self.recogniser, self.voice
            yield Line(caller, stub, tape, context)


@asynccontextmanager
async def bench(supervision: Supervision = PATIENT, *, fallback: bool = True) -> AsyncIterator[Bench]:
    """A host whose embedded engines are ready too, so that a fault finds the next engine open."""
    ears = WorkerPool("chaos ears", "openclaw_actors.engines.stt.pocketsphinx_worker:Recogniser", {}, nice=0)
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(OpenAiStub(StubPlan(reply=think, voice=speak, leading_silence_s=0)))
        settings = settings_under_fire(base, supervision, fallback=fallback)
        running = await stack.enter_async_context(running_host(settings))
        stack.push_async_callback(ears.aclose)
        await ears.start()
        while fallback and not all_serve(running.host.catalogue.describe()):  # noqa: ASYNC110 - once, for 0.6 s
            await asyncio.sleep(0.05)
        yield Bench(running, base, ears)


def all_serve(described: dict[str, Any]) -> bool:
    """Whether every engine of a catalogue serves."""
    stages: Sequence[dict[str, Any]] = list(described.values())
    return all(engine["state"] == "serving" for stage in stages for engine in stage["engines"])
