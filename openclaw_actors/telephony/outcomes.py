"""What becomes of the calls that we place: the carrier's callbacks, which come late, early, twice or never."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from openclaw_actors.actors.board import Board
from openclaw_actors.messages import Announce, AnsweredBy, Dialled, Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import AnsweringMachine, Outbound
from openclaw_actors.telephony.carrier import Carrier, CarrierError, Over, Progress
from openclaw_actors.telephony.leg import Leg
from openclaw_actors.telephony.pending import Pending
from openclaw_actors.transports.media_streams.peer import MediaStreamPeer

_log = get_logger(__name__)

_KNOWN_ENDS = 1000
"""Calls of which the carrier has said that they are over: what it says of them later is late."""


@dataclass(slots=True)
class Placed:
    """A call of ours that is not over.

    Args:
        mode: ``notify`` says ``message`` and hangs up; ``voicemail`` takes a message.
        message: what was to be said; it is what is left on a machine.
        carrier: over which it is placed.
        peer: its far end.
        leg: its call at the carrier.
        answering_machine: what is done when a machine answers.
        token: what lets its media in.
        decided: it is settled what is done with who has answered.
    """

    mode: Literal["conversation", "notify", "voicemail"]
    message: str
    carrier: Carrier
    peer: MediaStreamPeer
    leg: Leg
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
        spawn: runs what takes time.
    """

    def __init__(
        self,
        settings: Outbound,
        board: Board,
        pending: Pending,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._settings = settings
        self._board = board
        self._pending = pending
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
            wait_s = placed.carrier.abilities.verdict_s
            asyncio.get_running_loop().call_later(wait_s, self._decide, event.call_id, "unknown")

    # --- states -----------------------------------------------------------------------------------

    def on_state(self, carrier: Carrier, state: Progress | Over, call_id: str, carrier_call_id: str) -> None:
        """The state of a call that we have placed; ``call_id`` is what the callback's URL names."""
        placed = self._placed.get(call_id)
        if placed is not None and placed.carrier is not carrier:
            return  # it is not this carrier's to speak of
        if isinstance(state, Over):
            self._over.append(call_id)
            if placed is not None:
                placed.peer.ended(state.status, state.reason)
        elif placed is not None:
            self._spawn(self._progress(call_id, placed, carrier_call_id, rings=state.rings))
        elif call_id not in self._over:
            self._spawn(self._hang_up_stray(carrier, call_id, carrier_call_id))

    def on_picked(self, carrier: Carrier, call_id: str, carrier_call_id: str) -> str:
        """Somebody has taken the call, and its carrier asks what to do: the document, the same each time it asks."""
        placed = self._placed.get(call_id)
        if placed is None or placed.carrier is not carrier:
            return carrier.reject(carrier_call_id, "rejected").text
        self._pending.name(placed.token, carrier_call_id)
        self._spawn(self._progress(call_id, placed, carrier_call_id, rings=False))
        return carrier.connect(carrier_call_id, placed.token).text

    async def _progress(self, call_id: str, placed: Placed, carrier_call_id: str, *, rings: bool) -> None:
        await self._board.tell(call_id, Dialled(carrier_call_id))
        await placed.leg.dialled(carrier_call_id)
        if rings:
            placed.peer.ringing()

    async def _hang_up_stray(self, carrier: Carrier, call_id: str, carrier_call_id: str) -> None:
        """End a call that is over for us: its placing broke off, or this host was killed and started anew."""
        _log.warning(
            "a call at the carrier that is over here is hung up", call_id=call_id, carrier_call_id=carrier_call_id
        )
        await self.hang_up_left(carrier, [carrier_call_id])

    async def hang_up_left(self, carrier: Carrier, carrier_call_ids: list[str]) -> None:
        """Hang up what is left at the carrier of calls that are over."""
        for carrier_call_id in carrier_call_ids:
            try:
                await Leg(carrier, carrier_call_id).hang_up()
            except CarrierError as error:
                _log.error("a call is left at the carrier", carrier_call_id=carrier_call_id, detail=error.detail)

    # --- machines ---------------------------------------------------------------------------------

    def on_verdict(self, carrier: Carrier, what: str, call_id: str) -> None:
        """Who has answered, as of ``Verdict``."""
        placed = self._placed.get(call_id)
        if placed is not None and placed.carrier is carrier:
            self._decide(call_id, what)

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
