"""What becomes of the calls that we place: the carrier's callbacks, which come late, early, twice or never."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from openclaw_actors.actors.board import Board
from openclaw_actors.messages import Announce, AnsweredBy, Dialled, Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import AnsweringMachine, Outbound
from openclaw_actors.telephony.pending import Pending
from openclaw_actors.telephony.twilio.leg import TwilioLeg
from openclaw_actors.telephony.twilio.rest import CarrierError, TwilioAccount
from openclaw_actors.transports.media_streams.peer import MediaStreamPeer

_log = get_logger(__name__)

CALL = "call"
"""The name, in callbacks' URLs, of our own name for the call: a callback may be here before the CallSid is."""
VERDICT_S = 35.0
"""A message waits so long for who has answered: Twilio says "unknown" after 30 s (MachineDetectionTimeout)."""
_KNOWN_ENDS = 1000
"""Calls of which the carrier has said that they are over: what it says of them later is late."""

_ENDS = {
    "completed": ("completed", "caller_hangup"),
    "busy": ("busy", "busy"),
    "no-answer": ("no-answer", "no_answer"),
    "canceled": ("canceled", "canceled"),
    "failed": ("failed", "carrier_failed"),
}


@dataclass(slots=True)
class Placed:
    """A call of ours that is not over.

    Args:
        mode: ``notify`` says ``message`` and hangs up; ``voicemail`` takes a message.
        message: what was to be said; it is what is left on a machine.
        peer: its far end.
        leg: its call at the carrier.
        answering_machine: what is done when a machine answers.
        token: what lets its media in.
        decided: it is settled what is done with who has answered.
    """

    mode: Literal["conversation", "notify", "voicemail"]
    message: str
    peer: MediaStreamPeer
    leg: TwilioLeg
    answering_machine: AnsweringMachine = "off"
    token: str = ""
    decided: bool = False

    @property
    def asks_who_answers(self) -> bool:
        """Whether the carrier tells a person from a machine."""
        return self.answering_machine != "off"


class Outcomes:
    """Follows the calls that one host has placed. All of it on the event loop; a listener of the EventHub.

    Args:
        settings: the section ``outbound``.
        board: the host's calls.
        pending: where calls wait for their media.
        account: at the carrier.
        spawn: runs what takes time.
    """

    def __init__(
        self,
        settings: Outbound,
        board: Board,
        pending: Pending,
        account: TwilioAccount,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._settings = settings
        self._board = board
        self._pending = pending
        self._account = account
        self._spawn = spawn
        self._placed: dict[str, Placed] = {}
        self._over: deque[str] = deque(maxlen=_KNOWN_ENDS)

    def follow(self, call_id: str, placed: Placed) -> None:
        """Until the call's ``call.ended``."""
        self._placed[call_id] = placed

    def hear(self, event: Event) -> None:
        """An event of any call."""
        placed = self._placed.get(event.call_id)
        if placed is None:
            return
        if event.type == "call.ended":
            del self._placed[event.call_id]
            self._pending.withdraw(placed.token)
        elif event.type == "call.answered" and placed.mode == "notify" and placed.asks_who_answers:
            # Should the verdict never come, the message is for whoever is there.
            asyncio.get_running_loop().call_later(VERDICT_S, self._decide, event.call_id, "unknown")

    # --- states -----------------------------------------------------------------------------------

    def on_status(self, form: Mapping[str, str], call_id: str) -> None:
        """The state of a call that we have placed (StatusCallback); ``call_id`` is what the callback's URL names."""
        call_sid, status = form.get("CallSid", ""), form.get("CallStatus", "")
        placed = self._placed.get(call_id)
        if status in _ENDS:
            self._over.append(call_id)
            if placed is not None:
                end, reason = _ENDS[status]
                code = form.get("ErrorCode") or form.get("SipResponseCode") if status == "failed" else ""
                placed.peer.ended(end, f"{reason}:{code}" if code else reason)
        elif placed is not None:
            self._spawn(self._progress(call_id, placed, call_sid, rings=status == "ringing"))
        elif call_id not in self._over:
            self._spawn(self._hang_up_stray(call_id, call_sid))

    async def _progress(self, call_id: str, placed: Placed, call_sid: str, *, rings: bool) -> None:
        await self._board.tell(call_id, Dialled(call_sid))
        await placed.leg.dialled(call_sid)
        if rings:
            placed.peer.ringing()

    async def _hang_up_stray(self, call_id: str, call_sid: str) -> None:
        """End a call that is over for us: its placing broke off, or this host was killed and started anew."""
        _log.warning("a call at the carrier that is over here is hung up", call_id=call_id, carrier_call_id=call_sid)
        await self.hang_up_left([call_sid])

    async def hang_up_left(self, call_sids: list[str]) -> None:
        """Hang up what is left at the carrier of calls that are over."""
        for call_sid in call_sids:
            try:
                await TwilioLeg(self._account, call_sid).hang_up()
            except CarrierError as error:
                _log.error("a call is left at the carrier", carrier_call_id=call_sid, detail=error.detail)

    # --- machines ---------------------------------------------------------------------------------

    def on_amd(self, form: Mapping[str, str], call_id: str) -> None:
        """Who has answered (AsyncAmdStatusCallback): human, machine_…, fax or unknown."""
        self._decide(call_id, form.get("AnsweredBy", "unknown"))

    def _decide(self, call_id: str, answered_by: str) -> None:
        placed = self._placed.get(call_id)
        if placed is not None and not placed.decided:
            placed.decided = True
            self._spawn(self._act_on(call_id, placed, answered_by))

    async def _act_on(self, call_id: str, placed: Placed, answered_by: str) -> None:
        await self._board.tell(call_id, AnsweredBy(answered_by))
        if not answered_by.startswith(("machine", "fax")):
            # "unknown" is taken for a person: who is hung up on does not come back.
            if placed.mode == "notify":
                await self._board.tell(call_id, Announce(placed.message))
        elif placed.answering_machine == "leave_message" and answered_by != "fax":
            await self._board.tell(call_id, Announce(placed.message or self._settings.machine_message))
        else:
            await self._board.hang_up(call_id, "machine")
