"""Somebody calls one of our numbers: may they, is there a place, and where shall their sound go?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from openclaw_actors.actors.board import Board
from openclaw_actors.actors.recall import Recall, Recalled
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.telephony.carrier import Answer, Carrier, CarrierError, Incoming
from openclaw_actors.telephony.numbers import Admitted, Numbers, Refused
from openclaw_actors.telephony.once import Once
from openclaw_actors.telephony.pending import Expected, Pending
from openclaw_actors.telephony.voicemail.desk import Desk, admit

_log = get_logger(__name__)

STREAM_TTL_S = 60.0
"""A carrier opens the stream within a second of our answer; later than that its caller has hung up."""

AGAIN_S = 10.0
"""How long it is waited for word that a call's host is gone; the carrier waits 15 s for an answer."""


class InboundCalls:
    """Answers the webhooks of one carrier's numbers. No actor is started before the call's stream is there.

    Args:
        carrier: the carrier.
        board: the host's calls.
        numbers: who may call.
        pending: where the call waits for its stream.
        spawn: runs what takes time.
        desk: the voicemail; None: there is none.
        recall: finds conversations whose host is gone; None: there is no cluster.
        full_notice: said to callers for whom there is no place; empty: nothing, the line is busy.
        clock: monotonic seconds.
    """

    def __init__(  # noqa: PLR0913 - all that answering needs, by name
        self,
        carrier: Carrier,
        board: Board,
        numbers: Numbers,
        pending: Pending,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        desk: Desk | None = None,
        *,
        recall: Recall | None = None,
        full_notice: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._carrier = carrier
        self._board = board
        self._numbers = numbers
        self._pending = pending
        self._spawn = spawn
        self._desk = desk
        self._recall = recall
        self._full_notice = full_notice
        self._clock = clock
        self._answers = Once(clock)

    def answer(self, call: Incoming, carrier_call_id: str) -> str:
        """The document for a call that comes in. For the same call it is always the same, with no second token."""
        if not carrier_call_id:
            return self._carrier.reject("", "rejected").text
        return self._answers.answer(carrier_call_id, lambda: self._decide(call, carrier_call_id))

    async def again(self, carrier_call_id: str) -> str:
        """The document for a call whose stream has ended, and of which the carrier asks what follows.

        Nothing, as a rule: it was hung up. But where its host has died the conversation goes on here.
        """
        recalled = await self._lost(carrier_call_id)
        if recalled is None:
            return self._carrier.nothing
        record, numbers = recalled.record, self._numbers
        ours = record.caller if record.direction == "outbound" else record.callee
        try:
            admission = self._board.admit(self._carrier.name, record.direction)
        except RefusalError as refusal:
            return self._give(carrier_call_id, self._no_place(refusal, carrier_call_id))
        profile = replace(numbers.profile(ours), history=recalled.history)
        expected = Expected(record.caller, record.callee, profile, admission, resumed_from=record.id)
        token = self._pending.expect(expected, STREAM_TTL_S, carrier_call_id)
        return self._give(carrier_call_id, self._carrier.connect(carrier_call_id, token), token)

    async def _lost(self, carrier_call_id: str) -> Recalled | None:
        """The conversation, if its host is gone; it may take some seconds until that is known."""
        if self._recall is None or not carrier_call_id:
            return None
        until = self._clock() + AGAIN_S
        while True:
            try:
                return await self._recall.by_carrier(carrier_call_id)
            except RefusalError as refusal:
                if self._clock() > until:
                    _log.warning("a call can't go on", carrier_call_id=carrier_call_id, reason=refusal.detail)
                    return None
            await asyncio.sleep(1.0)

    def _decide(self, call: Incoming, carrier_call_id: str) -> str:
        decided = self._numbers.inbound(call.caller, call.callee, self._clock())
        if isinstance(decided, Refused):
            metrics.calls_rejected_total.labels(reason=decided.reason).inc()
            _log.info(
                "a caller was refused", carrier_call_id=carrier_call_id, reason=decided.reason, detail=decided.detail
            )
            busy = decided.reason == "daily_minutes"
            return self._give(carrier_call_id, self._carrier.reject(carrier_call_id, "busy" if busy else "rejected"))
        try:
            admission, profile = admit(
                self._board, self._desk, self._carrier.name, decided.caller, call.callee, decided.profile
            )
        except RefusalError as refusal:  # the board has counted it
            answer = self._let_record(refusal, carrier_call_id, decided, call.callee)
            return self._give(carrier_call_id, answer or self._no_place(refusal, carrier_call_id))
        expected = Expected(decided.caller, call.callee, profile, admission)
        token = self._pending.expect(expected, STREAM_TTL_S, carrier_call_id)
        return self._give(carrier_call_id, self._carrier.connect(carrier_call_id, token), token)

    def _let_record(
        self, refusal: RefusalError, carrier_call_id: str, admitted: Admitted, callee: str
    ) -> Answer | None:
        """The carrier takes the message, where it can: this host has no ear left for it."""
        desk, carrier = self._desk, self._carrier
        if desk is None or not carrier.abilities.takes_messages or not desk.has_carrier_record(refusal, callee):
            return None
        agent, own = admitted.profile.agent, desk.settings
        message_id = desk.carrier_tapes.begin(carrier.name, carrier_call_id, admitted.caller, callee, agent)
        _log.warning("the carrier takes a caller's message", carrier_call_id=carrier_call_id, voicemail_id=message_id)
        return carrier.record(message_id, own.greeting, own.max_seconds, round(own.silence_s))

    def _no_place(self, refusal: RefusalError, carrier_call_id: str) -> Answer:
        """A caller hears in words that there is no place, where the carrier can say it, or else a busy tone."""
        _log.warning("a caller finds the lines busy", carrier_call_id=carrier_call_id, reason=refusal.code)
        told = self._carrier.notice(self._full_notice) if self._full_notice else None
        return told or self._carrier.reject(carrier_call_id, "busy")

    def _give(self, carrier_call_id: str, answer: Answer, token: str = "") -> str:
        if answer.act is not None:
            self._spawn(self._act(carrier_call_id, answer.act, token))
        return answer.text

    async def _act(self, carrier_call_id: str, act: Callable[[], Any], token: str) -> None:
        """Tell the carrier by REST what it would not read in an answer."""
        try:
            await act()
        except CarrierError as error:
            _log.error("a call could not be answered", carrier_call_id=carrier_call_id, detail=error.detail)
            self._pending.withdraw(token)
