"""Call: one conversation. Owns what outlives its stages, decides turns, supervises.

Its mail is what the stages report, what the peer does, and what the API asks; each becomes an input of the
Dialogue, whose decisions are carried out here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pykka

from openclaw_actors.actors.archive import Archive
from openclaw_actors.actors.call_recorder import CallRecorder
from openclaw_actors.actors.course import CallSpec, Course
from openclaw_actors.actors.events import EventHub, EventLog
from openclaw_actors.actors.floor import Floor
from openclaw_actors.actors.keys import Keys
from openclaw_actors.actors.listening import ListeningIn
from openclaw_actors.actors.loop_actor import LoopActor
from openclaw_actors.actors.memory import Memory
from openclaw_actors.actors.message_taker import MessageBook
from openclaw_actors.actors.peer_ear import PeerEar
from openclaw_actors.actors.rescue import Rescue
from openclaw_actors.actors.silence import SilentCaller
from openclaw_actors.actors.stage import CallContext, Engines
from openclaw_actors.actors.steering import HoldSounds, Steer, Steering
from openclaw_actors.actors.tree import Tree
from openclaw_actors.engines.after_calls import AfterCalls
from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.engines.protocols import CallReport, Warmable
from openclaw_actors.engines.smart_turn import SmartTurn
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import (
    Announce,
    AnsweredBy,
    Describe,
    Dialled,
    Down,
    Dtmf,
    Ended,
    Ending,
    Errand,
    HangUp,
    Heard,
    KeepMessage,
    KeysPaused,
    Line,
    Listen,
    MediaStarted,
    Noticed,
    Opened,
    Overdue,
    PeerEnded,
    PeerState,
    PlayoutMoved,
    Pong,
    Progress,
    Ready,
    Record,
    Rejoin,
    Report,
    Restart,
    Stage,
    StopListening,
    TellClients,
    Tick,
    Transfer,
    Unwanted,
    Useful,
)
from openclaw_actors.names import BY_ITSELF, Names
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import bind, get_logger
from openclaw_actors.observability.traces import Traces
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
    hub: EventHub
    apologies: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """A clip rendered in advance by codec name: it needs no stage."""
    hold_sounds: HoldSounds = field(default_factory=dict)
    after_calls: AfterCalls = field(default_factory=AfterCalls)
    smart_turn: SmartTurn | None = None
    messages: MessageBook | None = None
    """Where callers leave messages; None: nowhere."""
    archive: Archive | None = None
    """Where recordings go."""
    traces: Traces | None = None
    names: Names = BY_ITSELF
    """What calls are called."""


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
        self.log = _log
        self._memory = Memory()
        self._playout = Playout(spec.peer.codec, self._playout_moved)
        self._events = EventLog(spec.call_id, services.hub, self._send_to_client)
        self._ear = PeerEar(self.actor_ref, 1, self._playout.taps)
        self._course = Course(spec, engines.names(), self.publish)
        self._media_state = "new"
        self._last_words: Announce | None = None
        self._keys = Keys(self.later, self._pressed)
        self._transferring = False
        self._media_seen = False
        self._peer_at = time.monotonic()
        self._closing = False

    # --- life -------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Start the stages, attach the peer."""
        bind(call_id=self.spec.call_id)
        self.context = CallContext(
            call_id=self.spec.call_id,
            caller=self.spec.party,
            profile=self.spec.profile,
            settings=self._settings,
            memory=self._memory,
            playout=self._playout,
            engines=self._engines,
            synthesis=self._services.synthesis,
            call=self.actor_ref,
            transport=self.peer.transport,
            smart_turn=self._services.smart_turn,
            traces=self._services.traces,
        )
        self.tree = Tree(self.context, self)
        self.floor = Floor(self.context, self._events, self.spec.history, self.later, self.spawn)
        self.rescue = Rescue(self.context, self.floor, self.tree)
        self.steering = Steering(self.context, self.floor, self.publish, self._services.hold_sounds)
        self.recorder = CallRecorder(self.context, self._services.archive, self.floor, self._keys, self.publish)
        self._listening = ListeningIn(self.context, self.publish, lambda: self.floor.is_closed)
        self._course.begin()
        self._silent_caller = SilentCaller(self._settings.calls, self.floor, self._memory)
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
            self._course.end("failed", "internal_error")
            if hasattr(self, "tree"):
                self.tree.kill()
            self._tell_end()
            self._tell_switchboard(self._ending())
            if hasattr(self, "recorder"):
                self.recorder.abandon()
        self._tell_switchboard(Ended(self.spec.call_id, self._course.status, self._course.end_reason))

    def _tell_switchboard(self, message: Any) -> None:
        try:
            self._switchboard.tell(message)
        except pykka.ActorDeadError:
            self.log.debug("the switchboard has ended before its call")

    def _history(self) -> tuple[Line, ...]:
        return self.floor.history if hasattr(self, "floor") else self.spec.history

    def _ending(self) -> Ending:
        recorded = hasattr(self, "recorder") and self.recorder.is_on
        return Ending(self.spec.call_id, self._course.end_reason, self._history(), recorded)

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

    def on_receive(self, message: Any) -> Any:  # noqa: C901, PLR0912, PLR0915 - one line a kind of mail reads best here
        """One line a kind of mail."""
        if self._closing and not isinstance(message, Describe):
            if isinstance(message, Rejoin):
                self._tell_switchboard(Unwanted(message.peer))
            elif isinstance(message, Listen):
                message.listener.end()
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
            case PeerEnded():
                self._peer_ended(message)
            case Dialled():
                self._course.dialled(message.carrier_call_id)
            case AnsweredBy(what):
                self.publish("call.answered_by", what=what)
            case Announce():
                self._announce(message)
            case Transfer():
                self._transfer(message.to)
            case Record() | Noticed():
                self.recorder.take(message)
            case Dtmf(digits):
                self._keys.press(digits)
            case KeysPaused(count):
                self._keys.paused(count)
            case Overdue():
                self.floor.overdue(message.utterance)
            case MediaStarted():
                self._media_started(message.at)
            case Rejoin():
                self._rejoin(message.peer)
            case Listen() | StopListening():
                self._listening.take(message)
            case TellClients():
                self._send_to_client(message.event)
            case KeepMessage():
                self.publish("call.message", text=message.text)
            case Opened():
                self.publish("callback.spoken")
            case HangUp():
                self._hang_up("canceled" if self._course.is_unanswered else "completed", message.reason)
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
        self.rescue.stage_lost(stage, error)

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
        self.log.info("peer", state=message.state)
        if message.state == "ringing":
            self._course.ringing()
            return
        self._media_state = message.state
        if message.state == "connected":
            self._connected()
        elif message.state in {"failed", "closed"} and not self._transferring:
            self._hang_up("completed" if self._course.is_answered else "failed", f"peer_{message.state}")

    def _peer_ended(self, message: PeerEnded) -> None:
        if message.peer != self._ear.number or self._transferring:
            return
        if message.status == "completed" and self._course.is_unanswered:
            # Somebody answered, but their voice never came to us: docs/phone.md says what to look at.
            self._hang_up("failed", "no_stream")
        else:
            self._hang_up(message.status, message.reason)

    def _media_started(self, at: float) -> None:
        if not self._media_seen:
            self._media_seen = True
            metrics.call_setup_seconds.observe(self._course.setup_s(at))
        self.publish("call.media.connected")

    def _connected(self) -> None:
        self.publish("call.stages", stages=self.tree.describe())
        self._peer_at = time.monotonic()
        if not self._course.answered():
            return
        self.context.answered_at = self.floor.active_at = self._course.answered_at
        if self._last_words is not None:
            self.recorder.answered(goes_on=self.spec.recorded, announces=True)
            self.floor.announce(self._last_words.text, self._last_words.reason)
        elif not self.recorder.answered(goes_on=self.spec.recorded) and not self.spec.resumed_from:
            self.floor.greet(self.context.greeting)

    def _announce(self, message: Announce) -> None:
        self._last_words = message
        if self._course.is_answered:
            self.floor.announce(message.text, message.reason)

    def _pressed(self, digits: str) -> None:
        if not self.floor.is_closed:  # what is pressed there is the PIN, which no record may hold
            self.publish("call.dtmf", digits=digits, direction="in", cut=False)
        if not self._memory.deaf:
            self.floor.pressed(digits)

    def _transfer(self, to: str) -> None:
        waits = self._course.is_unanswered
        if self._transferring or waits:
            why = "The call is not answered yet." if waits else "The call is being transferred already."
            self.publish("call.transfer_failed", to=to, code="not_now", detail=why)
            return
        self._transferring = True
        self.spawn(self._hand_over(to))

    async def _hand_over(self, to: str) -> None:
        try:
            await self.peer.transfer(to)
        except RefusalError as refusal:
            self._transferring = False
            self.publish("call.transfer_failed", to=to, code=refusal.code, detail=refusal.detail)
            if self._media_state in {"failed", "closed"}:
                self._hang_up("completed", f"peer_{self._media_state}")
        else:
            self._hang_up("completed", "transferred")

    def _rejoin(self, peer: Peer) -> None:
        old, self.peer = self.peer, peer
        self._ear.retire()
        if peer.codec != self._playout.codec:
            self.floor.silence()
            self._playout.codec = peer.codec
            self.steering.codec_changed()
        self._ear = PeerEar(self.actor_ref, self._ear.number + 1, self._playout.taps)
        self._ear.transport = self.context.ports["transport"]
        self._peer_at = time.monotonic()
        peer.attach(self._playout, self._ear, self._memory.ring.end)
        self.spawn(old.aclose())

    # --- time -------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = time.monotonic()
        calls, course = self._settings.calls, self._course
        longest_s = min(calls.max_duration_s, self.spec.profile.max_duration_s or calls.max_duration_s)
        if self._memory.held or course.is_unanswered:
            self.floor.active_at = now
        if course.rings_too_long:
            self._hang_up("no-answer", "ring_timeout")
        elif now - course.answered_at > longest_s:
            self._hang_up("completed", "max_duration")
        elif course.is_answered and now - max(self._ear.media_at, self._peer_at) > calls.no_media_timeout_s:
            self._hang_up("completed", "no_media")
        elif now - self.floor.active_at > calls.idle_timeout_s:
            self._hang_up("completed", "idle_timeout")
        else:
            self.tree.tick(now)
            self.steering.tick(now)
            if course.is_answered:
                self._silent_caller.look(now)
            self.later(TICK_S, Tick())

    # --- the end ----------------------------------------------------------------------------------

    def _hang_up(self, status: str, reason: str, *, after: float = 0.0) -> None:
        if self._closing:
            return
        self._closing = True
        self._course.end(status, reason)
        self.floor.silence()  # what was heard of a sentence that is broken off belongs to the conversation
        self._tell_switchboard(self._ending())
        self.spawn(self._close(after))

    async def _close(self, after: float) -> None:
        self.tree.stop()
        if after:
            await asyncio.sleep(after)
        await self.recorder.settle()
        self._tell_end()
        await self.peer.aclose()
        await self.tree.reap()
        self.log.info("call ended", status=self._course.status, reason=self._course.end_reason)
        self.stop()

    def _tell_end(self) -> None:
        if hasattr(self, "_listening"):
            self._listening.end()
        if self._course.tell_end() and hasattr(self, "context"):
            self._services.after_calls.begin(self.context.engines.agent, self._call_report())

    def _call_report(self) -> CallReport:
        known = self._history()[len(self.spec.history) :]  # what a caller who came back had said is told already
        return CallReport(
            call_id=self.spec.call_id,
            caller=self.context.caller_number,
            agent=self.spec.profile.agent,
            history=known,
            seconds=self._course.seconds,
            reason=self._course.end_reason,
        )

    def _describe(self) -> dict[str, Any]:
        return {
            **self._course.describe(),
            "media_state": self._media_state,
            "muted": self._memory.muted,
            "held": self._memory.held,
            "recording": self.recorder.is_on,
            "recordings": self.recorder.describe(),
            "transport": self.peer.transport,
            "engines": self.context.engines.names(),
            "restarts": self.tree.restarts(),
            "latency": self.floor.clock.describe(),
            "stages": self.tree.describe(),
        }
