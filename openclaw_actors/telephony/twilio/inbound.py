"""Somebody calls one of our numbers: may they, is there a place, and where shall their sound go?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from openclaw_actors.actors.board import Board
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.telephony.numbers import Admitted, Numbers, Refused
from openclaw_actors.telephony.once import Once
from openclaw_actors.telephony.pending import Expected, Pending
from openclaw_actors.telephony.twilio import twiml
from openclaw_actors.telephony.twilio.urls import Urls
from openclaw_actors.telephony.voicemail.desk import Desk, admit

_log = get_logger(__name__)

STREAM_TTL_S = 60.0
"""Twilio opens the stream within a second of our answer; later than that its caller has hung up."""


class InboundCalls:
    """Answers the webhook of a number. No actor is started before the call's stream is there.

    Args:
        board: the host's calls.
        numbers: who may call.
        pending: where the call waits for its stream.
        urls: where we are.
        desk: the voicemail; None: there is none.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        board: Board,
        numbers: Numbers,
        pending: Pending,
        urls: Urls,
        desk: Desk | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._numbers = numbers
        self._pending = pending
        self._urls = urls
        self._desk = desk
        self._clock = clock
        self._answers = Once(clock)

    def answer(self, form: Mapping[str, str]) -> str:
        """The TwiML for a signed webhook. For the same call it is always the same: a replay gets no second token."""
        call_id = form.get("CallSid", "").strip()
        if not call_id:
            return twiml.reject("rejected")
        return self._answers.answer(call_id, lambda: self._decide(call_id, form))

    def _decide(self, call_id: str, form: Mapping[str, str]) -> str:
        caller, callee = form.get("From", ""), form.get("To", "")
        decided = self._numbers.inbound(caller, callee, self._clock())
        if isinstance(decided, Refused):
            metrics.calls_rejected_total.labels(reason=decided.reason).inc()
            _log.info("a caller was refused", carrier_call_id=call_id, reason=decided.reason, detail=decided.detail)
            return twiml.reject("busy" if decided.reason == "daily_minutes" else "rejected")
        try:
            admission, profile = admit(self._board, self._desk, "twilio", decided.caller, callee, decided.profile)
        except RefusalError as refusal:  # the board has counted it
            if self._desk is not None and self._desk.has_carrier_record(refusal, callee):
                return self._let_record(self._desk, call_id, decided, callee)
            _log.warning("a caller finds the line busy", carrier_call_id=call_id, reason=refusal.code)
            return twiml.reject("busy")
        expected = Expected(decided.caller, callee, profile, admission)
        return twiml.connect_stream(self._urls, self._pending.expect(expected, STREAM_TTL_S, call_id))

    def _let_record(self, desk: Desk, call_sid: str, admitted: Admitted, callee: str) -> str:
        """Twilio takes the message: this host has no ear left for it."""
        agent, own = admitted.profile.agent, desk.settings
        message_id = desk.carrier_records("twilio", call_sid, admitted.caller, callee, agent)
        _log.warning("Twilio takes a caller's message", carrier_call_id=call_sid, voicemail_id=message_id)
        return twiml.record(self._urls, message_id, own.greeting, own.max_seconds, round(own.silence_s))
