"""Call: one conversation. Owns what outlives its stages, decides turns, supervises.

Its mail is what the stages report, what the peer does, and what the API asks; each becomes an input of the
Dialogue, whose decisions are carried out here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import pykka

from openclaw_actors.actors.events import EventHub, EventLog, now_rfc3339
from openclaw_actors.actors.floor import CRASHES_AN_ENGINE, Floor
from openclaw_actors.actors.loop_actor import LoopActor
from openclaw_actors.actors.memory import Memory
from openclaw_actors.actors.peer_ear import PeerEar
from openclaw_actors.actors.silence import SilentCaller
from openclaw_actors.actors.stage import CallContext, Engines
from openclaw_actors.actors.steering import HoldSounds, Steer, Steering
from openclaw_actors.actors.tree import Tree
from openclaw_actors.engines.after_calls import AfterCalls
from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.engines.protocols import CallReport, Warmable
from openclaw_actors.engines.smart_turn import SmartTurn
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.errors import RefusedEngineError, UnavailableEngineError
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import (
    NO_PROFILE,
    CallProfile,
    Describe,
    Down,
    Ended,
    Ending,
    Errand,
    HangUp,
    Heard,
    KeepMessage,
    Line,
    MediaStarted,
    Overdue,
    PeerState,
    PlayoutMoved,
    Pong,
    Progress,
    Ready,
    Rejoin,
    Report,
    Restart,
    Stage,
    Tick,
    Unwanted,
    Useful,
)
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings import Settings
from openclaw_actors.transports.peer import Peer
from openclaw_actors.turns.vad import SileroVad

_log = get_logger(__name__)

TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class Services:
    """What all calls of a host share."""

    settings: Settings
    catalogue: Catalogue
    synthesis: Synthesis
    encode_pool: Executor
    hub: EventHub
    apologies: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """A clip rendered in advance by codec name: it needs no stage."""
    hold_sounds: HoldSounds = field(default_factory=dict)
    after_calls: AfterCalls = field(default_factory=AfterCalls)
    smart_turn: SmartTurn | None = None


@dataclass(frozen=True, slots=True)
class CallSpec:
    """Who calls, on what."""

    call_id: str
    peer: Peer
    direction: str
    caller: str
    metadata: Mapping[str, Any]
    history: tuple[Line, ...] = ()
    resumed_from: str = ""
    callee: str = ""
    profile: CallProfile = NO_PROFILE


def choose_engines(catalogue: Catalogue) -> Engines:
    """The best engine of each kind that serves now.

    Raises:
        UnavailableEngineError: none serves a kind; the text says why.
    """
    return Engines(
        stt=catalogue.serving("stt"),
        agent=catalogue.serving("agent"),
        tts=catalogue.serving("tts"),
        make_vad=SileroVad,
    )


class Call(LoopActor):
    """One conversation. The Switchboard starts it and hears its end."""

    def __init__(self, spec: CallSpec, services: Services, engines: Engines, switchboard: pykka.ActorRef[Any]) -> None:
        super().__init__()
        self._engines = engines
        self.spec = spec
        self.peer = spec.peer
        self._services = services
        self._settings = services.settings
        self._switchboard = switchboard
        self.log = _log.bind(call_id=spec.call_id)
        self._memory = Memory()
        self._playout = Playout(spec.peer.codec, self._playout_moved)
        self._events = EventLog(spec.call_id, services.hub, self._send_to_client)
        self._ear = PeerEar(self.actor_ref, 1)
        self._created_at = time.monotonic()
        self._started_at = now_rfc3339()
        self._answered_at = ""
        self._ended_at = ""
        self._status, self._end_reason, self._media_state = "in-progress", "", "new"
        self._media_seen = False
        self._peer_at = self._created_at
        self._closing = False

    # --- life -------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Start the stages, attach the peer."""
        self.context = CallContext(
            call_id=self.spec.call_id,
            caller=self.spec.caller,
            profile=self.spec.profile,
            settings=self._settings,
            memory=self._memory,
            playout=self._playout,
            engines=self._engines,
            synthesis=self._services.synthesis,
            encode_pool=self._services.encode_pool,
            call=self.actor_ref,
            transport=self.peer.transport,
            smart_turn=self._services.smart_turn,
        )
        self.tree = Tree(self.context, self)
        self.floor = Floor(self.context, self._events, self.spec.history, self.later, self.spawn)
        self.steering = Steering(self.context, self.floor, self.publish, self._services.hold_sounds)
        self._silent_caller = SilentCaller(self._settings.calls, self.floor, self._memory)
        self._events.publish(
            "call.initiated",
            transport=self.peer.transport,
            direction=self.spec.direction,
            engines=self._engines.names(),
            metadata=dict(self.spec.metadata),
            resumed_from=self.spec.resumed_from,
            **{"from": self.spec.caller, "to": self.spec.callee},
        )
        self.tree.start()
        self._ear.transport = self.context.ports["transport"]
        self.peer.attach(self._playout, self._ear)
        self.later(TICK_S, Tick())
        for engine in (self._engines.stt, self._engines.agent, self._engines.tts):
            if isinstance(engine, Warmable):
                self.spawn(self._warm(engine))

    def on_down(self, reason: BaseException | None, unread: list[Any]) -> None:  # noqa: ARG002 - nobody re-reads it
        """Tell the Switchboard, once, however the Call ended; it closes a peer that is still open."""
        if reason is not None:
            self._status, self._end_reason = "failed", "internal_error"
            if hasattr(self, "tree"):
                self.tree.kill()
            if not self._ended_at:
                self._tell_end()
            self._tell_switchboard(Ending(self.spec.call_id, self._end_reason, self._history()))
        self._tell_switchboard(Ended(self.spec.call_id, self._status, self._end_reason))

    def _tell_switchboard(self, message: Any) -> None:
        try:
            self._switchboard.tell(message)
        except pykka.ActorDeadError:
            self.log.debug("the switchboard has ended before its call")

    def _history(self) -> tuple[Line, ...]:
        return self.floor.history if hasattr(self, "floor") else self.spec.history

    def later(self, delay: float, message: Any) -> None:
        """Tell myself ``message`` after ``delay`` seconds, unless I have ended by then."""
        self._loop.call_later(delay, self._tell_self, message)

    def _tell_self(self, message: Any) -> None:
        if not self.actor_stopped.is_set():
            self.actor_ref.tell(message)

    def _playout_moved(self) -> None:
        self._tell_self(PlayoutMoved())

    def publish(self, kind: str, **data: Any) -> None:
        """An event of this call."""
        self._events.publish(kind, **data)

    async def _warm(self, engine: Warmable) -> None:
        """Open the engine's connections while the media is set up; what goes wrong shows when it is used."""
        try:
            await engine.warm()
        except Exception as error:  # noqa: BLE001 - an engine's fault here must not be the call's
            self.log.debug("an engine did not get warm", reason=repr(error))

    def _send_to_client(self, event: Mapping[str, Any]) -> None:
        self.peer.send_event(event)

    # --- mail -------------------------------------------------------------------------------------

    def on_receive(self, message: Any) -> Any:  # noqa: C901, PLR0912 - one line a kind of mail reads best in one place
        """One line a kind of mail."""
        if self._closing and not isinstance(message, Describe):
            if isinstance(message, Rejoin):
                self._tell_switchboard(Unwanted(message.peer))
            return None
        if isinstance(message, Steer):
            self.steering.steer(message)
            return None
        match message:
            case PlayoutMoved():
                self.floor.playout_moved()
            case Report():
                if self.tree.current(message.stage, message.incarnation):
                    self._report(message.stage, message.body)
            case Down():
                self.tree.down(message.stage, message.incarnation, message.reason)
            case Restart():
                self.tree.restart(message)
            case Tick():
                self._tick()
            case PeerState():
                self._peer_state(message)
            case Overdue():
                self.floor.overdue(message.utterance)
            case MediaStarted():
                self._media_started(message.at)
            case Rejoin():
                self._rejoin(message.peer)
            case KeepMessage():
                self.publish("call.message", text=message.text)
            case HangUp():
                self._hang_up("completed", message.reason)
            case Describe():
                return self._describe()
        return None

    def _report(self, stage: Stage, body: Any) -> None:
        match body:
            case Heard():
                self.floor.heard(body)
            case Progress():
                self.floor.clock.progress(body.turn, body.mark, body.at)
            case Errand():
                self.floor.errand(body)
            case Ready():
                self.tree.ready(stage)
            case Useful():
                self.tree.useful(stage)
            case Pong():
                self.tree.ponged(stage)
            case _:
                self.floor.turn_event(body)

    # --- supervision (Tree's Owner) ---------------------------------------------------------------

    def next_engine(self, kind: str, name: str, error: BaseException | None) -> Any | None:
        """The engine after ``name``; the catalogue learns why."""
        catalogue = self._services.catalogue
        if error is not None:
            catalogue.report_failure(kind, name, error)
        return catalogue.after(kind, name)

    def engine_switched(self) -> None:
        """The dialogue's rules change with the engines."""
        self.floor.refresh_rules()

    def stage_lost(self, stage: Stage, error: BaseException | None) -> None:
        """Save the work of a stage that went down."""
        if stage == "agent":
            self.floor.agent_lost(untouched=isinstance(error, RefusedEngineError | UnavailableEngineError))
        elif stage == "stt":
            crashes = self.floor.stt_lost()
            if crashes == CRASHES_AN_ENGINE and self.tree.replace_engine("stt", error):
                self.floor.forgive_stt()
                return
            if crashes >= CRASHES_AN_ENGINE:
                self.floor.give_up_hearing()

    def stage_failed(self, stage: Stage) -> None:
        """Nothing serves the stage: apologise with the ready clip, then hang up."""
        metrics.escalations_total.labels(step="apology").inc()
        self.log.error("a stage can't be served any more", stage=stage)
        self._playout.cut(self._memory.fence.turn + 1_000_000)
        self._playout.play_clip(self._services.apologies.get(self._playout.codec.name, ()))
        metrics.escalations_total.labels(step="hang_up").inc()
        self._hang_up("failed", f"stage_failed:{stage}", after=self._playout.clip_seconds)

    # --- the peer ---------------------------------------------------------------------------------

    def _peer_state(self, message: PeerState) -> None:
        if message.peer != self._ear.number:
            return
        self._media_state = message.state
        self.log.info("peer", state=message.state)
        if message.state == "connected":
            self._connected()
        elif message.state in {"failed", "closed"}:
            self._hang_up("completed" if self._answered_at else "failed", f"peer_{message.state}")

    def _media_started(self, at: float) -> None:
        if not self._media_seen:
            self._media_seen = True
            metrics.call_setup_seconds.observe(at - self._created_at)
        self.publish("call.media.connected")

    def _connected(self) -> None:
        self.publish("call.stages", stages=self.tree.describe())
        self._peer_at = time.monotonic()
        if self._answered_at:
            return
        self._answered_at = now_rfc3339()
        self.context.answered_at = time.monotonic()
        self.publish("call.answered")
        greeting = self.context.greeting
        if greeting:
            self.floor.greet(greeting)

    def _rejoin(self, peer: Peer) -> None:
        old, self.peer = self.peer, peer
        self._ear.retire()
        if peer.codec != self._playout.codec:
            self.floor.silence()
            self._playout.codec = peer.codec
            self.steering.codec_changed()
        self._ear = PeerEar(self.actor_ref, self._ear.number + 1)
        self._ear.transport = self.context.ports["transport"]
        self._peer_at = time.monotonic()
        peer.attach(self._playout, self._ear, self._memory.ring.end)
        self.spawn(old.aclose())

    # --- time -------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = time.monotonic()
        calls = self._settings.calls
        if self._memory.held:
            self.floor.active_at = now
        if self._answered_at and now - self.context.answered_at > calls.max_duration_s:
            self._hang_up("completed", "max_duration")
        elif self._answered_at and now - max(self._ear.media_at, self._peer_at) > calls.no_media_timeout_s:
            self._hang_up("completed", "no_media")
        elif now - self.floor.active_at > calls.idle_timeout_s:
            self._hang_up("completed", "idle_timeout")
        else:
            self.tree.tick(now)
            self.steering.tick(now)
            if self._answered_at:
                self._silent_caller.look(now)
            self.later(TICK_S, Tick())

    # --- the end ----------------------------------------------------------------------------------

    def _hang_up(self, status: str, reason: str, *, after: float = 0.0) -> None:
        if self._closing:
            return
        self._closing = True
        self._status, self._end_reason = status, reason
        self.floor.silence()  # what was heard of a sentence that is broken off belongs to the conversation
        self._tell_switchboard(Ending(self.spec.call_id, reason, self._history()))
        self.spawn(self._close(after))

    async def _close(self, after: float) -> None:
        self.tree.stop()
        if after:
            await asyncio.sleep(after)
        self._tell_end()
        await self.peer.aclose()
        self.log.info("call ended", status=self._status, reason=self._end_reason)
        self.stop()

    def _tell_end(self) -> None:
        self._ended_at = now_rfc3339()
        duration_ms = round(self.seconds() * 1000)
        self.publish("call.ended", status=self._status, reason=self._end_reason, duration_ms=duration_ms)
        if hasattr(self, "context"):
            self._services.after_calls.begin(self.context.engines.agent, self._call_report())

    def _call_report(self) -> CallReport:
        known = self._history()[len(self.spec.history) :]  # what a caller who came back had said is told already
        return CallReport(
            call_id=self.spec.call_id,
            caller=self.context.caller_number,
            agent=self.spec.profile.agent,
            history=known,
            seconds=self.seconds(),
            reason=self._end_reason,
        )

    def seconds(self) -> float:
        """How long the call has been up."""
        return time.monotonic() - self._created_at

    def _describe(self) -> dict[str, Any]:
        return {
            "id": self.spec.call_id,
            "status": self._status,
            "media_state": self._media_state,
            "muted": self._memory.muted,
            "held": self._memory.held,
            "transport": self.peer.transport,
            "direction": self.spec.direction,
            "from": self.spec.caller,
            "to": self.spec.callee,
            "agent": self.spec.profile.agent,
            "engines": self.context.engines.names(),
            "started_at": self._started_at,
            "answered_at": self._answered_at,
            "ended_at": self._ended_at,
            "end_reason": self._end_reason,
            "restarts": self.tree.restarts(),
            "latency": self.floor.clock.describe(),
            "metadata": dict(self.spec.metadata),
            "stages": self.tree.describe(),
        }
