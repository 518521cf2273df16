"""Calls that we place: asked for, put on record, dialled, and what comes of them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from openclaw_actors.actors.board import Board
from openclaw_actors.errors import RefusalError, StoreUnavailableError
from openclaw_actors.messages import Announce, CallProfile, Carriage, Dialled, Line
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import AnsweringMachine, Settings
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.carrier import Carrier, CarrierError, Dial
from openclaw_actors.telephony.leg import Leg
from openclaw_actors.telephony.numbers import Numbers, Refused
from openclaw_actors.telephony.outcomes import Outcomes, Placed
from openclaw_actors.telephony.pending import Expected, Pending
from openclaw_actors.transports.media_streams.peer import MediaStreamPeer

_log = get_logger(__name__)

RING_GRACE_S = 10
"""The carrier gives up ringing by itself; we do only when it has not said so."""

_MACHINE: Mapping[str, Literal["", "start", "end"]] = {"off": "", "hang_up": "start", "leave_message": "end"}
"""What is to be found out of who answers, by ``outbound.answering_machine``."""


@dataclass(frozen=True, slots=True)
class Order:
    """A call to be placed.

    Args:
        to: whom to call, in E.164.
        sender: one of the host's own numbers; empty: that of the carrier over which calls are placed.
        mode: ``notify`` says ``message`` and hangs up; ``voicemail`` says it and takes a message.
        message: said first.
        agent: whom the agent engine asks; empty: as the sender's route says.
        metadata: stays with the call.
        history: what was said before and belongs to it.
        context: what the agent is told of it beside its prompt.
        language: what is spoken; empty: as the sender's route says.
        answering_machine: what is done when a machine answers; empty: as ``outbound.answering_machine`` says.
    """

    to: str
    sender: str = ""
    mode: Literal["conversation", "notify", "voicemail"] = "conversation"
    message: str = ""
    agent: str = ""
    metadata: Mapping[str, Any] | None = None
    history: tuple[Line, ...] = ()
    context: str = ""
    language: str = ""
    answering_machine: AnsweringMachine | Literal[""] = ""


class Outbound:
    """Places one host's calls. All of it on the event loop.

    Args:
        settings: all settings.
        board: the host's calls.
        store: their records.
        numbers: whom we may call.
        pending: where calls wait for their media.
        carriers: by name, those that are configured.
        outcomes: follows what was placed.
        look_elsewhere: counts what other hosts have placed; None: there are none.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        board: Board,
        store: Store,
        numbers: Numbers,
        pending: Pending,
        carriers: Mapping[str, Carrier],
        outcomes: Outcomes,
        look_elsewhere: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._settings = settings
        self._board = board
        self._store = store
        self._numbers = numbers
        self._pending = pending
        self._carriers = carriers
        self._outcomes = outcomes
        self._look_elsewhere = look_elsewhere

    # --- placing ----------------------------------------------------------------------------------

    @property
    def own_numbers(self) -> frozenset[str]:
        """The host's."""
        return self._numbers.own

    def check(self, to: str, sender: str = "") -> None:
        """See whether ``to`` may be called now, from ``sender``.

        Raises:
            RefusalError: 403, 422 or 429, with the reason.
        """
        carrier = self._over(sender)
        sender = sender or carrier.from_number
        if not sender:
            raise _refuse(422, "from_not_ours", f"No number calls: give from, or set {carrier.name}.from_number.")
        if sender not in self._numbers.own:
            ours = ", ".join(sorted(self._numbers.own))
            raise _refuse(422, "from_not_ours", f"{sender} is not a number of this host's; these are {ours}.")
        decided = self._numbers.outbound(to, time.monotonic(), sender=sender)
        if isinstance(decided, Refused):
            if not decided.is_for_now:
                raise _refuse(403, decided.reason, decided.detail)
            wait = {"Retry-After": str(max(1, math.ceil(decided.retry_after_s)))}
            raise _refuse(429, decided.reason, decided.detail, wait)

    def admit_transfer(self, to: str) -> None:
        """As ``check``, of a number that a call is to be given to; it counts as one that we called."""
        self.check(to)
        self._numbers.dialled(time.monotonic())

    async def place(self, order: Order, promise: Callable[[str], Awaitable[None]]) -> str:
        """Place a call; its id. What the carrier makes of it is told by events.

        Args:
            order: what is asked for.
            promise: told the call's id when it is on record, before anything is dialled: what it keeps outlives a
                crash of this host.

        Raises:
            RefusalError: nobody was called.
        """
        carrier = self._over(order.sender)
        sender = order.sender or carrier.from_number
        if self._look_elsewhere is not None:
            await self._look_elsewhere()
        self.check(order.to, sender)
        admission = self._board.admit(carrier.name, "outbound")
        self._numbers.dialled(time.monotonic())
        placed = self._prepare(order, carrier, sender)
        ring_s = self._settings.outbound.ring_timeout_s
        try:
            async with asyncio.timeout(self._settings.limits.setup_timeout_s):
                started = await self._board.start(
                    admission,
                    placed.peer,
                    caller=sender,
                    callee=order.to,
                    metadata=order.metadata or {},
                    profile=self._profile(order, sender),
                    carriage=Carriage(ring_timeout_s=ring_s + RING_GRACE_S),
                )
        except BaseException as error:
            self._board.release(admission)
            await placed.peer.aclose()
            if isinstance(error, TimeoutError):
                raise RefusalError(
                    503, "setup_timeout", "The call could not be begun in time.", {"Retry-After": "1"}
                ) from error
            raise
        call_id = started.call_id
        self._outcomes.follow(call_id, placed)
        try:
            await self._on_record(call_id)
            await promise(call_id)
        except BaseException as error:
            placed.peer.ended("failed", "not_recorded" if isinstance(error, StoreUnavailableError) else "abandoned")
            raise
        if order.mode == "notify" and not placed.asks_who_answers:
            await self._board.tell(call_id, Announce(order.message))
        await self._dial(call_id, placed, order, sender)
        return call_id

    def _over(self, sender: str) -> Carrier:
        """The carrier at which ``sender`` is; for any other, and for none, that over which calls are placed."""
        settings = self._settings
        for carrier in self._carriers.values():
            if sender and carrier.from_number == sender:
                return carrier
        named = self._numbers.carrier_of(sender) or settings.outbound.carrier
        return self._carriers[named] if named else next(iter(self._carriers.values()))

    def _prepare(self, order: Order, carrier: Carrier, sender: str) -> Placed:
        peer = MediaStreamPeer(carrier.name)
        peer.leg = leg = Leg(carrier, caller_id=sender, time_limit_s=longest_s(self._settings))
        machine = order.answering_machine or self._settings.outbound.answering_machine
        # Whoever or whatever answers may leave a message.
        machine = "off" if order.mode == "voicemail" else machine
        return Placed(order.mode, order.message, carrier, peer, leg, machine)

    def _profile(self, order: Order, sender: str) -> CallProfile:
        profile = self._numbers.profile(sender)
        greeting = "" if order.mode == "notify" else order.message or profile.greeting
        return replace(
            profile,
            agent=order.agent or profile.agent,
            greeting=greeting,
            language=order.language or profile.language,
            takes_message=order.mode == "voicemail",
            history=order.history,
            context=order.context,
        )

    async def _on_record(self, call_id: str) -> None:
        """Nothing is dialled that is not on record: a call that nobody knows of could not be ended.

        Raises:
            StoreUnavailableError: the records can't be written now.
        """
        await self._board.describe_call(call_id)  # it has begun when it answers, and told that it has
        await self._store.settle()

    async def _dial(self, call_id: str, placed: Placed, order: Order, sender: str) -> None:
        outbound = self._settings.outbound
        expected = Expected(sender, order.to, peer=placed.peer, call_id=call_id)
        token = placed.token = self._pending.expect(expected, outbound.ring_timeout_s + 2 * RING_GRACE_S)
        carrier = placed.carrier
        dial = Dial(
            order.to,
            sender,
            call_id,
            token,
            outbound.ring_timeout_s,
            math.ceil(longest_s(self._settings)),
            _MACHINE[placed.answering_machine],
        )
        try:
            carrier_call_id = await carrier.place(dial)
        except CarrierError as error:
            if placed.leg.is_dialled:
                return  # the answer was lost, but a callback has come: it goes on
            if error.undecided:
                # It may ring all the same: the first callback that tells of it has it hung up.
                await placed.leg.hang_up()
                placed.peer.ended("failed", f"carrier_failed:{error.number or 'no_answer'}")
                _log.warning("the carrier did not answer when a call was placed", call_id=call_id, detail=error.detail)
                return
            placed.peer.ended("failed", f"carrier_refused:{error.number or error.code}")
            metrics.calls_rejected_total.labels(reason="carrier").inc()
            raise
        except BaseException:
            placed.peer.ended("failed", "internal_error")
            raise
        if carrier.abilities.names_placed_calls:
            self._pending.name(token, carrier_call_id)
            await self._board.tell(call_id, Dialled(carrier_call_id))
        elif placed.leg.is_dialled:
            return  # a callback has told its name already; what was answered is another
        await placed.leg.dialled(carrier_call_id)


def longest_s(settings: Settings) -> float:
    """How long a call by phone may last: the carrier ends it then, also one that was transferred."""
    own, minutes = settings.calls.max_duration_s, settings.numbers.minutes_per_call
    return min(own, minutes * 60.0) if minutes else own


def _refuse(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> RefusalError:
    metrics.calls_rejected_total.labels(reason=code).inc()
    return RefusalError(status, code, detail, headers or {})
