"""How each fault is done to one live call of a host in this process, and to no other."""

from __future__ import annotations

import os
import signal
from typing import Any, Literal

import pykka

from openclaw_actors.actors.call import Call
from openclaw_actors.actors.loop_actor import LoopActor, kill
from openclaw_actors.actors.stage import CallContext, StageActor
from openclaw_actors.actors.tree import STAGES
from openclaw_actors.messages import Stage
from openclaw_actors.testkit.chaos.table import Fault
from openclaw_actors.testkit.providers import plan
from openclaw_actors.testkit.providers.openai import OpenAiStub

_ROUTES: dict[Stage, plan.Route] = {"stt": "transcriptions", "agent": "chat", "tts": "speech"}

_HALF: dict[Stage, int] = {"agent": 4, "tts": 2}
"""Pieces of an answer before it is cut: words of the agent, fifths of a second of the voice."""


class SabotageError(Exception):
    """No fault that a stage knows."""


def _actors(kind: type[LoopActor]) -> list[Any]:
    """All that live. pykka has no public way from a reference to its actor, and from outside it needs none."""
    actors = [ref._actor_weakref() for ref in pykka.ActorRegistry.get_by_class(kind)]  # noqa: SLF001
    return [actor for actor in actors if actor is not None]


def context_of(call_id: str) -> CallContext:
    """The context of a call that is up.

    Raises:
        LookupError: there is no such call.
    """
    for call in _actors(Call):
        if call.spec.call_id == call_id:
            context: CallContext = call.context
            return context
    raise LookupError(f"no call {call_id} is up")


def stage_of(call_id: str, stage: Stage) -> StageActor | None:
    """The stage's incarnation in charge; None while it is down."""
    found = [actor for actor in _actors(STAGES[stage]) if actor.context.call_id == call_id]
    return found[0] if found else None


def strike(actor: StageActor, fault: Fault, message: str = "") -> None:
    """Do one of the stages' own faults (`table.OF_STAGES`) to this incarnation.

    Args:
        actor: the stage.
        fault: what.
        message: for ``raise``: the kind of mail that is the poison; empty: whatever comes next.
    """
    match fault:
        case "kill":
            kill(actor.actor_ref, SabotageError(f"{actor.stage} was killed"))
        case "end":
            actor.stop()
        case "deaf":
            mailbox: Any = actor.actor_inbox
            mailbox.bind(lambda **_: _keep(actor))
        case "raise":
            _poison(actor, message)
        case _:
            raise ValueError(f"{fault} is a fault of engines, not of stages")


def _keep(actor: StageActor) -> None:
    """Its mail wakes nobody; but what nothing refers to would be collected, and a dead reference answers nothing."""


def _poison(actor: Any, message: str) -> None:
    handle = actor.on_receive

    def on_receive(received: Any) -> Any:
        if message in {"", type(received).__name__}:
            raise SabotageError(f"{type(received).__name__} was poison")
        return handle(received)

    actor.on_receive = on_receive  # of this incarnation alone


def arm(stub: OpenAiStub, stage: Stage, fault: Fault, *, later: bool = False) -> None:
    """Let the next thing that the stage asks of its provider go wrong.

    Args:
        stub: the provider of this call alone.
        stage: which.
        fault: what, of `table.OF_ENGINES`.
        later: not at the beginning: amid the agent's answer, or at the second phrase of the voice.
    """
    route, after = _ROUTES[stage], _HALF[stage] if later and stage == "agent" else 0
    told = {
        "hang": plan.Fault("hang", after=after),
        "slow": plan.Fault("slow", after=after),
        "garbage": plan.Fault("error", after=after) if after else plan.Fault("garbage"),
        "half answer": plan.Fault("drop", after=_HALF.get(stage, 0)),
        "closed": plan.Fault("drop"),
        "refused": plan.Fault("status", 401),
    }[fault]
    stub.fail(route, *([None] if later and stage == "tts" else []), told)


def kill_worker(engine: Any) -> Literal[0, 1]:
    """Kill a process that computes for this engine, as the kernel does when memory is short; how many there were."""
    pids = engine._pool.pids  # noqa: SLF001 - an engine tells nobody that it has processes
    if pids:
        os.kill(pids[0], signal.SIGKILL)
    return 1 if pids else 0
