"""One carrier of one host, with all that comes in over it: webhooks and media streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from openclaw_actors.actors.board import Board
from openclaw_actors.actors.recall import Recall
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import (
    Carrier,
    Incoming,
    Over,
    Passing,
    Picked,
    Progress,
    Recorded,
    StreamNews,
    Told,
    Transferring,
    Verdict,
    Webhook,
)
from openclaw_actors.telephony.inbound import InboundCalls
from openclaw_actors.telephony.leg import Leg
from openclaw_actors.telephony.numbers import Numbers
from openclaw_actors.telephony.once import Once
from openclaw_actors.telephony.outbound import longest_s
from openclaw_actors.telephony.outcomes import Outcomes
from openclaw_actors.telephony.pending import Pending
from openclaw_actors.telephony.streams import Streams
from openclaw_actors.telephony.voicemail.desk import Desk

_log = get_logger(__name__)


class Trunk:
    """What comes in over one carrier. All of it on the event loop.

    Args:
        carrier: the carrier.
        board: the host's calls.
        numbers: who may call.
        pending: where calls wait for their media.
        outcomes: follows what was placed.
        settings: all settings.
        desk: the voicemail; None: there is none.
        spawn: runs what takes time.
        recall: finds conversations whose host is gone; None: there is no cluster.
        clock: monotonic seconds.
    """

    def __init__(  # noqa: PLR0913 - all that calls by phone are made of, by name
        self,
        carrier: Carrier,
        board: Board,
        *,
        numbers: Numbers,
        pending: Pending,
        outcomes: Outcomes,
        settings: Settings,
        desk: Desk | None,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        recall: Recall | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.carrier = carrier
        self.inbound = InboundCalls(
            carrier,
            board,
            numbers,
            pending,
            spawn,
            desk,
            recall=recall,
            full_notice=settings.numbers.full_notice,
            clock=clock,
        )
        self.streams = Streams(
            carrier.framing,
            board,
            pending,
            lambda carrier_call_id: Leg(carrier, carrier_call_id, time_limit_s=longest_s(settings)),
            settings.limits,
            clock=clock,
        )
        self._pending = pending
        self._desk = desk
        self._outcomes = outcomes
        self._told = Once(clock)

    def knows(self, token: str) -> bool:
        """Whether a call waits for a stream that brings this token in its URL."""
        return self._pending.knows(token)

    def take(self, webhook: Webhook) -> str:
        """The document that answers a webhook. What is told a second time is done once, and answered the same.

        Raises:
            ValueError: it can't be read.
        """
        told = self.carrier.read(webhook)
        if isinstance(told.what, Incoming):
            return self.inbound.answer(told.what, told.carrier_call_id)
        return self._told.answer(told.key, lambda: self._do(told))

    async def take_again(self, webhook: Webhook) -> str:
        """The document that answers the hook ``again``.

        Raises:
            ValueError: it can't be read.
        """
        return await self.inbound.again(self.carrier.read(webhook).carrier_call_id)

    def _do(self, told: Told) -> str:
        match told.what:
            case Progress() | Over() if told.call_id:
                self._outcomes.on_state(self.carrier, told.what, told.call_id, told.carrier_call_id)
            case Over():
                self._pending.withdraw_call(told.carrier_call_id)
            case Picked():
                return self._outcomes.on_picked(self.carrier, told.call_id, told.carrier_call_id)
            case Transferring(ticket):
                return self.carrier.dial_on(ticket).text
            case Verdict(what):
                self._outcomes.on_verdict(self.carrier, what, told.call_id)
            case Recorded(recording_id):
                if self._desk is not None:
                    self._desk.carrier_tapes.told(told.call_id, recording_id)
            case StreamNews(state, ""):
                _log.info("media stream", carrier_call_id=told.carrier_call_id, state=state)
            case StreamNews(_, error):
                # Why it failed only the carrier knows, so it is written down.
                _log.error("the media stream failed at the carrier", carrier_call_id=told.carrier_call_id, error=error)
            case Passing(about):
                _log.info("the carrier tells", carrier_call_id=told.carrier_call_id, about=about)
        return self.carrier.nothing
