"""What the five stages share: their call's context, reports upward, and a death that is always told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pykka

from openclaw_actors.actors.loop_actor import LoopActor
from openclaw_actors.actors.memory import Memory
from openclaw_actors.actors.profiles import own_voice
from openclaw_actors.actors.supervision import Port, dead_letter
from openclaw_actors.engines.protocols import AgentEngine, SttEngine, TtsEngine, Voice
from openclaw_actors.engines.smart_turn import SmartTurn
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import (
    SAMPLE_RATE,
    START_ORDER,
    AudioIn,
    CallProfile,
    Down,
    Ping,
    Pong,
    Ready,
    Report,
    Stage,
    Useful,
)
from openclaw_actors.observability import metrics
from openclaw_actors.observability.engine_meter import EngineMeter, meter_of
from openclaw_actors.observability.logs import bind, get_logger
from openclaw_actors.observability.traces import Traces
from openclaw_actors.settings import Settings
from openclaw_actors.settings.sections import CallTool
from openclaw_actors.turns.vad import Vad

_log = get_logger(__name__)

_WAITS = {stage: metrics.message_wait_seconds.labels(stage=stage) for stage in START_ORDER}

USEFUL = 5 * SAMPLE_RATE
"""Samples through a stage in one incarnation: it works again."""


@dataclass(slots=True)
class Engines:
    """The engines that serve one call now; an escalation replaces them."""

    stt: SttEngine
    agent: AgentEngine
    tts: TtsEngine
    make_vad: Callable[[], Vad]
    vad: str = "silero"

    def names(self) -> dict[str, str]:
        """Engine ids by kind, for records and the console."""
        return {"stt": self.stt.name, "agent": self.agent.name, "tts": self.tts.name}


@dataclass(slots=True)
class CallContext:
    """What a call's stages are given. It belongs to the Call and outlives every incarnation."""

    call_id: str
    caller: str
    profile: CallProfile
    settings: Settings
    memory: Memory
    playout: Playout
    engines: Engines
    synthesis: Synthesis
    call: pykka.ActorRef[Any]
    transport: str = "webrtc"
    smart_turn: SmartTurn | None = None
    """Says whether a voice sounds finished, if there is such a model."""
    traces: Traces | None = None
    ports: dict[Stage, Port] = field(default_factory=dict)
    answered_at: float = field(default_factory=time.monotonic)

    @property
    def greeting(self) -> str:
        """What is said first; empty: nothing."""
        own = self.profile.greeting
        return self.settings.agent.greeting if own is None else own

    @property
    def caller_number(self) -> str:
        """The caller's, in E.164; empty where it is none, or not known for sure."""
        return self.caller if self.caller.startswith("+") else ""

    @property
    def system_prompt(self) -> str:
        """How the agent answers, and what it has to know of this call."""
        prompt = self.profile.system_prompt or self.settings.agent.system_prompt
        return f"{prompt}\n\n{self.profile.context}" if self.profile.context else prompt

    @property
    def tools(self) -> tuple[CallTool, ...]:
        """What the agent may do to this call; a browser's can't be transferred."""
        return tuple(tool for tool in self.settings.agent.tools if tool != "transfer" or self.transport != "webrtc")

    @property
    def voice(self) -> Voice:
        """How the agent speaks."""
        return replace(own_voice(self.profile), language=self.language)

    @property
    def language(self) -> str:
        """What the caller speaks, as the call was placed or else as it was found out (BCP 47); empty: not known."""
        return self.profile.language or self.memory.language


class StageActor(LoopActor):
    """One stage of one call, in one incarnation."""

    stage: ClassVar[Stage]
    patient = frozenset({AudioIn})

    def __init__(self, context: CallContext, incarnation: int) -> None:
        super().__init__()
        self.context = context
        self.incarnation = incarnation
        self.log = _log
        self._samples = 0
        self._salvaged: list[Any] = []

    def on_start(self) -> None:
        """Take up the work that memory shows, then say that the stage is ready."""
        bind(call_id=self.context.call_id, stage=self.stage, incarnation=self.incarnation)
        self.take_up()
        self.report(Ready())

    def take_up(self) -> None:
        """Start from the Call's memory: a first incarnation finds it empty."""

    def on_receive(self, message: Any) -> Any:
        """Answer pings; hand everything else to the stage."""
        if isinstance(message, Ping):
            self.report(Pong(message.number))
        else:
            self.receive(message)

    def receive(self, message: Any) -> None:
        """Handle the stage's own mail; what it does not know is a dead letter."""
        dead_letter(self.stage, message)

    def report(self, body: Any) -> None:
        """Tell the Call, which hears only the current incarnation."""
        self._tell_call(Report(self.stage, self.incarnation, body))

    @property
    def meter(self) -> EngineMeter:
        """Of the engine that serves this stage; only the stages that have one may ask."""
        return meter_of(self.stage, getattr(self.context.engines, self.stage).name)

    def retrying(self, error: TransientEngineError) -> None:
        """A passing fault: the engine is asked again in place, which is no restart."""
        self.log.info("tried again", reason=str(error))
        metrics.stage_retries_total.labels(stage=self.stage).inc()
        self.meter.failed(error.kind)

    def count(self, audio: AudioIn) -> None:
        """It has passed: with enough of it the stage works again."""
        if self._samples < USEFUL:
            self._samples += len(audio.pcm) // 2
            if self._samples >= USEFUL:
                self.report(Useful())

    def on_poison(self, message: Any) -> None:
        """The message that crashed the stage is not redelivered, but for what must not be lost of it."""
        dead_letter(self.stage, message)
        self._salvaged = self.salvage(message)

    def salvage(self, message: Any) -> list[Any]:  # noqa: ARG002 - for stages that can
        """What the next incarnation is told in place of the message that crashed this one; never that message."""
        return []

    def on_down(self, reason: BaseException | None, unread: list[Any]) -> None:
        """Hand the unread mail back and tell the Call, whatever the end was."""
        port = self.context.ports.get(self.stage)
        if port is not None:
            port.detach(self.actor_ref, [*self._salvaged, *unread])
        self._tell_call(Down(self.stage, self.incarnation, reason))

    def on_wait(self, seconds: float) -> None:
        """Sampled: how long mail waits."""
        _WAITS[self.stage].observe(seconds)

    def _tell_call(self, message: Any) -> None:
        try:
            self.context.call.tell(message)
        except pykka.ActorDeadError:
            self.log.debug("the call has ended before its stage")


def describe_error(error: BaseException | None) -> str:
    """One line for events and records."""
    return "ended" if error is None else f"{type(error).__name__}: {error}"[:300]


StageTypes = Mapping[Stage, type[StageActor]]
