"""Switchboard: one a process. Admits, finds, ends and drains calls; a dead call is never created anew."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pykka

from openclaw_actors.actors.board import Admission, StartedCall
from openclaw_actors.actors.call import Call, Services, choose_engines
from openclaw_actors.actors.course import CallSpec
from openclaw_actors.actors.events import NodeLog
from openclaw_actors.actors.loop_actor import LoopActor, kill
from openclaw_actors.actors.message_taker import MessageTaker
from openclaw_actors.actors.places import Places
from openclaw_actors.actors.profiles import complete
from openclaw_actors.actors.recall import LOSSES, Recall
from openclaw_actors.errors import RefusalError, UnavailableEngineError
from openclaw_actors.messages import (
    NO_CARRIAGE,
    NO_PROFILE,
    CallProfile,
    Carriage,
    Describe,
    DescribeCall,
    Ended,
    Ending,
    ForgetCall,
    HangUp,
    HangUpCall,
    Line,
    Rejoin,
    StartCall,
    TellClients,
    ToCall,
    Unwanted,
)
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.transports.peer import Peer

_log = get_logger(__name__)

LONGEST_END_S = 30.0
"""From the beginning of a call's end to its end: an apology of 4 s, 5 s for its connection, 5 s for its stages."""


@dataclass(slots=True)
class _Live:
    ref: pykka.ActorRef[Any]
    peer: Peer
    direction: str
    caller: str
    started_at: float
    token: str
    ending: bool = False
    reaper: asyncio.TimerHandle | None = None
    """Kills it unless it has ended by then; none before it begins to end."""


@dataclass(frozen=True, slots=True)
class _Past:
    """What is kept of a call for a caller who comes back."""

    call_id: str
    history: tuple[Line, ...]
    until: float
    recorded: bool = False


class Switchboard(LoopActor):
    """Holds the calls by id, and hears how each ends."""

    def __init__(self, services: Services, places: Places) -> None:
        super().__init__()
        self._services = services
        self._places = places
        self._calls: dict[str, _Live] = {}
        self._tokens = places.live_tokens
        self._past: dict[str, _Past] = {}

    def on_receive(self, message: Any) -> Any:
        """Questions of the API, and the ends of calls."""
        answer: Any = None
        match message:
            case StartCall():
                answer = self._start(message)
            case HangUpCall():
                answer = self._tell(message.call_id, HangUp(message.reason))
            case ToCall():
                answer = self._tell(message.call_id, message.message)
            case DescribeCall():
                live = self._calls.get(message.call_id)
                answer = live and live.ref.ask(Describe(), block=False)
            case Ending():
                self._keep(message)
            case TellClients():
                for live in self._calls.values():
                    self._tell_ref(live.ref, message)
            case Ended():
                self._call_ended(message)
            case ForgetCall():
                self._past.pop(message.call_id, None)
                self._forget_past()
            case Unwanted():
                self.spawn(_close(message.peer))
            case _:
                answer = super().on_receive(message)
        return answer

    def _tell(self, call_id: str, message: Any) -> bool:
        live = self._calls.get(call_id)
        return live is not None and self._tell_ref(live.ref, message)

    @staticmethod
    def _tell_ref(ref: pykka.ActorRef[Any], message: Any) -> bool:
        if not ref.is_alive():
            return False
        ref.tell(message)
        return True

    # --- beginning --------------------------------------------------------------------------------

    def _start(self, message: StartCall) -> tuple[str, str]:
        if message.resume:
            return self._resume(message)
        return self._begin_call(message)

    def _begin_call(self, message: StartCall, past: _Past | None = None) -> tuple[str, str]:
        resumed_from = past.call_id if past else message.carriage.resumed_from
        call_id = self._services.names.call_id()
        spec = CallSpec(
            call_id,
            message.peer,
            message.direction,
            message.caller,
            message.metadata,
            history=past.history if past else message.profile.history,
            resumed_from=resumed_from,
            callee=message.callee,
            profile=complete(message.profile, self._services.settings.agent),
            carriage=message.carriage,
            recorded=past is not None and past.recorded,
        )
        ref = self._actor_of(spec)
        token = self._new_token(call_id)
        self._calls[call_id] = _Live(ref, message.peer, message.direction, message.caller, time.monotonic(), token)
        self._places.enter(call_id, message.place)
        labels = {"transport": message.transport, "direction": message.direction}
        metrics.calls_started_total.labels(**labels).inc()
        metrics.calls_active.labels(**labels).inc()
        _log.info("call started", call_id=call_id, **labels, resumed_from=resumed_from)
        return call_id, token

    def _actor_of(self, spec: CallSpec) -> pykka.ActorRef[Any]:
        services, book = self._services, self._services.messages
        if spec.profile.takes_message and book is not None:
            self._places.refuse_when_closed(message=True)
            return MessageTaker.start(spec, services.settings, services.hub, book, self.actor_ref)
        self._places.refuse_when_closed()
        try:
            engines = choose_engines(services.catalogue)
        except UnavailableEngineError as error:
            metrics.calls_rejected_total.labels(reason="not_ready").inc()
            raise RefusalError(503, "not_ready", f"{error}; see /readyz", {"Retry-After": "5"}) from error
        return Call.start(spec, services, engines, self.actor_ref)

    def _resume(self, message: StartCall) -> tuple[str, str]:
        self._forget_past()
        call_id = self._tokens.get(message.resume, "")
        live = self._calls.get(call_id)
        if live is not None and not live.ending:
            del self._tokens[message.resume]
            live.ref.tell(Rejoin(message.peer))
            live.peer = message.peer
            live.token = self._new_token(call_id)
            return call_id, live.token
        past = self._past.get(call_id)
        if past is None:
            raise RefusalError(
                410, "resume_expired", "this resume_token was used or has expired; offer again without it"
            )
        begun = self._begin_call(message, past)
        # Only now: a refusal says "try again", and must leave what to try with.
        del self._tokens[message.resume], self._past[call_id]
        return begun

    def _new_token(self, call_id: str) -> str:
        token = self._services.names.resume_token(call_id)
        self._tokens[token] = call_id
        return token

    # --- the end ----------------------------------------------------------------------------------

    def _call_ended(self, message: Ended) -> None:
        live = self._calls.pop(message.call_id, None)
        if live is None:
            return  # it never started: its start was answered with the refusal
        if live.reaper is not None:
            live.reaper.cancel()
        self._places.leave(message.call_id)
        labels = {"transport": live.peer.transport, "direction": live.direction}
        metrics.calls_active.labels(**labels).dec()
        reason = message.reason.partition(":")[0]  # a label must not hold which stage failed
        metrics.calls_ended_total.labels(**labels, outcome=message.status, reason=reason).inc()
        metrics.call_duration_seconds.observe(time.monotonic() - live.started_at)
        if message.reason == "internal_error":
            _log.error("call crashed", call_id=message.call_id)
            self.spawn(_close(live.peer))

    def _keep(self, message: Ending) -> None:
        """Keep what a caller who was lost needs to come back. What somebody or a limit has ended is ended."""
        live = self._calls.get(message.call_id)
        if live is None:
            return
        live.ending = True
        live.reaper = self._loop.call_later(LONGEST_END_S, self._reap, message.call_id)
        if message.reason.partition(":")[0] not in LOSSES:
            self._tokens.pop(live.token, None)
            return
        until = time.monotonic() + self._services.settings.calls.resume_s
        self._past[message.call_id] = _Past(message.call_id, message.history, until, message.recorded)
        self._forget_past()

    def _reap(self, call_id: str) -> None:
        """The call has been ending for too long: kill what is left of it, so that its place is free."""
        live = self._calls.get(call_id)
        if live is None:
            return
        metrics.actors_reaped_total.labels(actor="call").inc()
        _log.error("a call does not end and is killed", call_id=call_id, waited_s=LONGEST_END_S)
        kill(live.ref, RuntimeError(f"the call did not end within {LONGEST_END_S:g} s"))

    def _forget_past(self) -> None:
        now = time.monotonic()
        for call_id in [call_id for call_id, past in self._past.items() if past.until < now]:
            del self._past[call_id]
        known = self._calls.keys() | self._past.keys()
        self._places.resumable = set(self._past)
        for token in [token for token, call_id in self._tokens.items() if call_id not in known]:
            del self._tokens[token]

    def on_down(self, reason: BaseException | None, unread: list[Any]) -> None:  # noqa: ARG002 - nobody re-reads it
        """A Switchboard that fails can't be created anew, as its calls are not: the host ends."""
        if reason is not None:
            self._places.failed.set()


async def _close(peer: Peer) -> None:
    """Close a peer; its fault must not be the Switchboard's."""
    try:
        await peer.aclose()
    except Exception:  # noqa: BLE001 - whatever a transport raises
        _log.exception("a peer did not close well")


class SwitchboardBoard:
    """The Board of actors/board.py over a Switchboard: questions go to it as mail, places are counted here."""

    def __init__(
        self,
        switchboard: pykka.ActorRef[Switchboard],
        places: Places,
        services: Services,
        recall: Recall | None = None,
    ) -> None:
        self._switchboard = switchboard
        self._recall = recall
        self._places = places
        self._services = services
        self._node = NodeLog(services.hub, self._tell_clients)

    def admit(self, transport: str, direction: str, *, resume: str = "", message: bool = False) -> Admission:
        """As Board.admit."""
        return self._places.reserve(transport, direction, resume, message=message)

    async def start(
        self,
        admission: Admission,
        peer: Peer,
        *,
        caller: str,
        metadata: Mapping[str, Any],
        resume: str = "",
        callee: str = "",
        profile: CallProfile = NO_PROFILE,
        carriage: Carriage = NO_CARRIAGE,
    ) -> StartedCall:
        """As Board.start."""
        message = StartCall(
            admission.transport,
            admission.direction,
            peer,
            caller,
            metadata,
            resume,
            callee=callee,
            profile=profile,
            carriage=carriage,
            place=admission.number,
        )
        starting = asyncio.ensure_future(self._answer_to(message))
        try:
            call_id, token = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(self._abandon)
            raise
        self._places.release(admission)
        return StartedCall(call_id, token)

    async def _answer_to(self, message: StartCall) -> tuple[str, str]:
        async with self._taken_up(message) as start:
            answer: tuple[str, str] = await self._switchboard.ask(start, block=False)
        return answer

    @contextlib.asynccontextmanager
    async def _taken_up(self, message: StartCall) -> AsyncIterator[StartCall]:
        """The message, with the conversation that its token names where only the records still know that.

        Raises:
            RefusalError: as Recall.by_token.
        """
        recall, token = self._recall, message.resume
        if recall is None or not token or recall.names.call_of(token) in self._places.running:
            yield message
            return
        if token in self._places.live_tokens:
            await recall.use(token)  # the Switchboard knows the conversation, but any host might take the token
        else:
            recalled = await recall.by_token(token)
            if recalled is not None:
                profile = replace(message.profile, history=recalled.history)
                carriage = replace(message.carriage, resumed_from=recalled.record.id)
                message = replace(message, resume="", profile=profile, carriage=carriage)
        try:
            yield message
        except BaseException:
            await recall.give_back(token)
            raise

    def _abandon(self, starting: asyncio.Future[tuple[str, str]]) -> None:
        """The client has gone while its call was started: end the call."""
        if not starting.cancelled() and starting.exception() is None:
            self._switchboard.tell(HangUpCall(starting.result()[0], "abandoned"))

    def release(self, admission: Admission) -> None:
        """As Board.release."""
        self._places.release(admission)

    async def hang_up(self, call_id: str, reason: str) -> bool:
        """As Board.hang_up."""
        return bool(await self._switchboard.ask(HangUpCall(call_id, reason), block=False))

    async def tell(self, call_id: str, message: Any) -> bool:
        """As Board.tell."""
        return bool(await self._switchboard.ask(ToCall(call_id, message), block=False))

    async def describe_call(self, call_id: str) -> dict[str, Any] | None:
        """As Board.describe_call."""
        answer = await self._switchboard.ask(DescribeCall(call_id), block=False)
        try:
            record: dict[str, Any] | None = None if answer is None else await answer
        except pykka.ActorDeadError:
            return None  # it ended between the two questions
        return record

    def live_calls(self) -> list[str]:
        """As Board.live_calls."""
        return sorted(self._places.running)

    def drain(self, on: bool) -> None:
        """As Board.drain."""
        changes, self._places.draining = self._places.draining != on, on
        if changes and not self._places.closing:
            self.announce_draining(on, None)

    def announce_draining(self, on: bool, ends_in_s: float | None) -> None:
        """Let all clients and listeners know; ``ends_in_s``: when the host hangs up who is left, None for never."""
        self._node.publish("node.draining", draining=on, calls=len(self._places.running), ends_in_s=ends_in_s)

    def _tell_clients(self, event: Mapping[str, Any]) -> None:
        with contextlib.suppress(pykka.ActorDeadError):
            self._switchboard.tell(TellClients(event))

    async def forget(self, call_id: str) -> None:
        """As Board.forget."""
        await self._switchboard.ask(ForgetCall(call_id), block=False)

    def knows(self, call_id: str) -> bool:
        """As Board.knows."""
        return call_id in self._places.running or call_id in self._places.resumable

    def describe(self) -> dict[str, Any]:
        """As Board.describe."""
        return {
            "calls": len(self._places.running),
            "limit": self._places.limit,
            "draining": not self._places.is_open,
            "engines": self._services.catalogue.describe(),
        }
