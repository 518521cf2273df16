"""A call's stages under supervision: started sink to source, restarted one for one, escalated when that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pykka

from openclaw_actors.actors.agent import Agent
from openclaw_actors.actors.loop_actor import deepest_mailbox, gone, kill
from openclaw_actors.actors.stage import CallContext, StageActor, StageTypes, describe_error
from openclaw_actors.actors.stt import Stt
from openclaw_actors.actors.supervision import Intensity, Port, RestartAfter, RestartPolicy, make_uniform
from openclaw_actors.actors.transport import Transport
from openclaw_actors.actors.tts import Tts
from openclaw_actors.actors.turns import Turns
from openclaw_actors.errors import EngineError, RefusedEngineError, SlowEngineError, UnavailableEngineError
from openclaw_actors.messages import START_ORDER, AudioIn, Ping, Restart, Stage
from openclaw_actors.observability import metrics
from openclaw_actors.observability.engine_meter import meter_of
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.turns.vad import EnergyVad

_log = get_logger(__name__)

LATE_TICK_S = 2.0
"""A tick that comes so late after the one before says that the loop stood still, not that a stage does."""

DEEPEST: dict[Stage, int] = {}
"""The deepest mailbox of any call since `publish_mailboxes`, by stage."""


def publish_mailboxes() -> None:
    """Set the gauges to the deepest mailbox of any call, and begin anew."""
    for stage in START_ORDER:
        metrics.mailbox_depth.labels(stage=stage).set(DEEPEST.pop(stage, 0))


STAGES: StageTypes = {"transport": Transport, "tts": Tts, "agent": Agent, "stt": Stt, "turns": Turns}


class Owner(Protocol):
    """What the tree needs of its Call."""

    def later(self, delay: float, message: Any) -> None:
        """Tell the Call ``message`` after ``delay`` seconds."""

    def next_engine(self, kind: str, name: str, error: BaseException | None) -> Any | None:
        """The engine that serves after ``name``, which failed with ``error``; None when there is none."""

    def engine_switched(self) -> None:
        """Another engine serves from now on."""

    def publish(self, kind: str, **data: Any) -> None:
        """An event."""

    def stage_lost(self, stage: Stage, error: BaseException | None) -> None:
        """The stage is down; its current work is to be saved before the next incarnation starts."""

    def stage_failed(self, stage: Stage) -> None:
        """Nothing serves this stage any more: the last step of the ladder."""


@dataclass(slots=True)
class _Child:
    policy: RestartPolicy
    port: Port
    incarnation: int = 0
    ref: pykka.ActorRef[Any] | None = None
    state: str = "down"
    down_at: float = 0.0
    error: BaseException | None = None
    pinged_at: float = 0.0
    """When the ping that is not answered yet was sent; 0: none is out."""
    restarts: int = 0


class Tree:
    """The five stages of one call."""

    def __init__(self, context: CallContext, owner: Owner) -> None:
        settings = context.settings.supervision
        call_intensity = Intensity(settings.call_restarts, settings.call_period_s)
        uniform = make_uniform()
        self._context = context
        self._owner = owner
        self._settings = settings
        self._stopping = False
        self._ticked_at = self._pinged_at = time.monotonic()
        self._ping = 0
        self._children = {
            stage: _Child(
                RestartPolicy(settings, call_intensity, uniform),
                Port(stage, settings.mailbox, self._worth_keeping(stage)),
            )
            for stage in START_ORDER
        }
        context.ports.update({stage: child.port for stage, child in self._children.items()})

    def _worth_keeping(self, stage: Stage) -> Callable[[Any], bool]:
        fence = self._context.memory.fence

        def keep(message: Any) -> bool:
            if isinstance(message, Ping):
                return False
            if stage == "stt" and isinstance(message, AudioIn):
                return False  # the ring has it
            turn = getattr(message, "turn", None)
            return turn is None or not fence.stale(turn)

        return keep

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all, sink to source."""
        for stage in START_ORDER:
            self._start(stage)

    def stop(self) -> None:
        """Stop all, source to sink; their Downs are not failures any more."""
        self._stopping = True
        for stage in reversed(START_ORDER):
            child = self._children[stage]
            child.port.close()
            if child.ref is not None and child.ref.is_alive():
                child.ref.stop(block=False)

    async def reap(self) -> None:
        """Wait for the stages, which were told to stop; kill those that have not after ``supervision.reap_after_s``."""
        refs = {stage: child.ref for stage, child in self._children.items() if child.ref is not None}
        within_s = self._settings.reap_after_s
        gone_all = await asyncio.gather(*(gone(ref, within_s) for ref in refs.values()))
        for (stage, ref), is_gone in zip(refs.items(), gone_all, strict=True):
            if is_gone:
                continue
            metrics.actors_reaped_total.labels(actor=stage).inc()
            _log.error("a stage outlived its call and is killed", stage=stage, waited_s=within_s)
            kill(ref, SlowEngineError(f"{stage} did not stop within {within_s:g} s"))

    def kill(self) -> None:
        """End all at once: the Call itself has crashed."""
        self._stopping = True
        for child in self._children.values():
            child.port.close()
            if child.ref is not None:
                kill(child.ref, RuntimeError("the call has crashed"))

    def _start(self, stage: Stage) -> None:
        child = self._children[stage]
        child.incarnation += 1
        child.pinged_at = 0.0
        child.ref = STAGES[stage].start(self._context, child.incarnation)
        if child.ref.is_alive():
            child.port.attach(child.ref)

    # --- reports ----------------------------------------------------------------------------------

    def current(self, stage: Stage, incarnation: int) -> bool:
        """Whether this is the incarnation in charge."""
        return not self._stopping and self._children[stage].incarnation == incarnation

    def ready(self, stage: Stage) -> None:
        """The stage works (again)."""
        child = self._children[stage]
        child.state = "ready"
        if not child.down_at:
            return
        seconds = time.monotonic() - child.down_at
        child.down_at = 0.0
        metrics.stage_down_seconds.labels(stage=stage).observe(seconds)
        _log.info(
            "stage restarted",
            stage=stage,
            incarnation=child.incarnation,
            down_ms=round(seconds * 1000, 1),
        )
        self._owner.publish(
            "call.stage.restarted",
            stage=stage,
            reason=_reason(child.error),
            detail=describe_error(child.error),
            incarnation=child.incarnation,
            downtime_ms=round(seconds * 1000, 1),
        )
        self._owner.publish("call.stages", stages=self.describe())

    def useful(self, stage: Stage) -> None:
        """The stage has done real work."""
        self._children[stage].policy.useful()

    def ponged(self, stage: Stage) -> None:
        """The stage is alive."""
        self._children[stage].pinged_at = 0.0

    def down(self, stage: Stage, incarnation: int, error: BaseException | None) -> None:
        """The stage has ended: restart it, or escalate."""
        child = self._children[stage]
        if not self.current(stage, incarnation):
            return
        child.ref = None
        child.state = "down"
        child.down_at = child.down_at or time.monotonic()
        engine = self._engine(stage)
        if engine is not None and isinstance(error, EngineError):
            meter_of(stage, engine.name).failed(error.kind)
        self._owner.stage_lost(stage, error)
        delay = self._delay(stage, child, error, replaced=self._engine(stage) is not engine)
        self._tell_restart(stage, child, error, delay)
        if delay is None:
            self._owner.stage_failed(stage)
        elif delay == 0:
            self._restart(stage, incarnation)
        else:
            self._owner.later(delay, Restart(stage, incarnation))

    def _delay(self, stage: Stage, child: _Child, error: BaseException | None, *, replaced: bool) -> float | None:
        """Seconds until the next incarnation, on this engine or the next; None: nothing serves the stage."""
        if replaced:
            return 0.0  # its engine is new, and not to blame for what the one before did
        hopeless = isinstance(error, RefusedEngineError | UnavailableEngineError)
        if hopeless and self._switch(stage, error):
            return 0.0
        decision = child.policy.down(time.monotonic())
        if isinstance(decision, RestartAfter):
            return decision.delay
        return 0.0 if self.replace_engine(stage, error) else None

    def _engine(self, stage: Stage) -> Any:
        return getattr(self._context.engines, stage, None)

    def restart(self, message: Restart) -> None:
        """The back-off is over."""
        if self.current(message.stage, message.incarnation) and self._children[message.stage].ref is None:
            self._restart(message.stage, message.incarnation)

    def _restart(self, stage: Stage, incarnation: int) -> None:
        if self.current(stage, incarnation):
            self._children[stage].restarts += 1
            self._start(stage)

    def _tell_restart(self, stage: Stage, child: _Child, error: BaseException | None, delay: float | None) -> None:
        child.error = error
        if delay is not None:
            metrics.stage_restarts_total.labels(stage=stage, reason=_reason(error)).inc()
        _log.warning(
            "stage down",
            stage=stage,
            incarnation=child.incarnation,
            reason=describe_error(error),
            restart_in_s=delay,
            exc_info=error,
        )
        self._owner.publish("call.stages", stages=self.describe())

    # --- escalation -------------------------------------------------------------------------------

    def replace_engine(self, stage: Stage, error: BaseException | None) -> bool:
        """Let the next engine serve the stage from its next incarnation on; False when there is none."""
        if not self._switch(stage, error):
            return False
        self._children[stage].policy.replaced()
        return True

    def _switch(self, stage: Stage, error: BaseException | None) -> bool:
        engines = self._context.engines
        if stage == "turns":
            if engines.vad == "energy":
                return False
            old, new = engines.vad, "energy"
            engines.vad, engines.make_vad = new, EnergyVad
        elif stage == "transport":
            return False
        else:
            old = getattr(engines, stage).name
            engine = self._owner.next_engine(stage, old, error)
            if engine is None:
                return False
            setattr(engines, stage, engine)
            new = engine.name
            if stage == "tts":
                self._begin_sentence_anew()
            self._owner.engine_switched()
        metrics.escalations_total.labels(step="next_engine").inc()
        metrics.engine_switches_total.labels(stage=stage, from_engine=old, to_engine=new).inc()
        self._owner.publish("call.engine.switched", stage=stage, **{"from": old, "to": new})
        return True

    def _begin_sentence_anew(self) -> None:
        """Another voice can't go on in the middle of a sentence."""
        delivery = self._context.memory.delivery
        for index in delivery.seconds:
            self._context.playout.drop_rest(delivery.turn, index)
        delivery.seconds.clear()

    # --- watch ------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Once a second: kill who left a ping unanswered, ping all, look at the mailboxes."""
        stalled, self._ticked_at = now - self._ticked_at > LATE_TICK_S, now
        for stage, child in self._children.items():
            if child.ref is None:
                continue
            DEEPEST[stage] = max(DEEPEST.get(stage, 0), deepest_mailbox(child.ref))
            if child.pinged_at and stalled:
                child.pinged_at = now  # the whole loop stood still: the answer may be in the mail
            elif child.pinged_at and now - child.pinged_at > self._settings.ping_timeout_s:
                kill(child.ref, SlowEngineError(f"{stage} has not answered a ping"))
        if now - self._pinged_at >= self._settings.ping_interval_s:
            self._pinged_at = now
            self._ping += 1
            for child in self._children.values():
                if child.ref is not None and not child.pinged_at:
                    child.pinged_at = now
                    child.port.tell(Ping(self._ping))

    def ref(self, stage: Stage) -> pykka.ActorRef[StageActor] | None:
        """The stage's current incarnation; None while it is down."""
        return self._children[stage].ref

    def restarts(self) -> dict[str, int]:
        """Restarts by stage, those that had any."""
        return {stage: child.restarts for stage, child in self._children.items() if child.restarts}

    def describe(self) -> dict[str, dict[str, Any]]:
        """State and engine by stage, for the console."""
        names = {**self._context.engines.names(), "turns": self._context.engines.vad}
        names["transport"] = self._context.playout.codec.name
        return {
            stage: {"state": child.state, "engine": names[stage], "restarts": child.restarts}
            for stage, child in self._children.items()
        }


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "ended"
    return error.kind if isinstance(error, EngineError) else "crash"
