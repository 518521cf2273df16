"""Everything of one host that calls by phone need, put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from openclaw_actors.actors.board import Board
from openclaw_actors.actors.events import EventHub
from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings import Settings
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.budget import Budget
from openclaw_actors.telephony.numbers import Numbers
from openclaw_actors.telephony.outbound import CARRIERS, Outbound, longest_s
from openclaw_actors.telephony.outcomes import Outcomes
from openclaw_actors.telephony.pending import Pending
from openclaw_actors.telephony.streams import Streams
from openclaw_actors.telephony.twilio import twiml
from openclaw_actors.telephony.twilio.inbound import InboundCalls
from openclaw_actors.telephony.twilio.leg import TwilioLeg
from openclaw_actors.telephony.twilio.rest import TwilioAccount
from openclaw_actors.telephony.twilio.signature import Signatures
from openclaw_actors.telephony.twilio.urls import Urls
from openclaw_actors.telephony.voicemail.desk import Desk
from openclaw_actors.transports.media_streams.twilio import TwilioFraming

_log = get_logger(__name__)

_OVER = frozenset({"completed", "busy", "no-answer", "canceled", "failed"})


class Phone:
    """One host's calls by phone. All of it on the event loop.

    Args:
        settings: all settings; ``twilio`` and ``server.public_url`` are set.
        board: the host's calls.
        hub: what they tell.
        store: their records.
        desk: the voicemail; None: there is none.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        board: Board,
        hub: EventHub,
        store: Store,
        desk: Desk | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        twilio = settings.twilio
        self._settings = settings
        self._hub = hub
        self._store = store
        self._desk = desk
        self._tasks: set[asyncio.Task[None]] = set()
        self._deaf: list[Callable[[], None]] = []
        self.urls = Urls(settings.server.public_url)
        self.numbers = Numbers(settings.numbers, twilio.from_number)
        self.pending = Pending(board.release)
        self.account = TwilioAccount(twilio)
        self.signatures = Signatures(twilio.auth_token.get_secret_value(), settings.server.public_url)
        self.inbound = InboundCalls(board, self.numbers, self.pending, self.urls, desk, clock=clock)
        self.streams = Streams(
            TwilioFraming(), twiml.TOKEN, board, self.pending, self._leg, settings.limits, clock=clock
        )
        self.outcomes = Outcomes(settings.outbound, board, self.pending, self.account, self._spawn)
        self.outbound = Outbound(
            settings,
            board=board,
            store=store,
            numbers=self.numbers,
            pending=self.pending,
            account=self.account,
            urls=self.urls,
            outcomes=self.outcomes,
        )
        self.budget = Budget(self.numbers, CARRIERS, board, self._spawn)

    async def start(self) -> None:
        """Take up what was before this host was started."""
        await self.account.open()
        await self.budget.remember(self._store)
        self._deaf = [self._hub.subscribe(self._hear)]
        left = [
            each.carrier_call_id for each in self._store.lost if each.transport in CARRIERS and each.carrier_call_id
        ]
        if left:
            self._spawn(self.outcomes.hang_up_left(left))

    async def aclose(self) -> None:
        """Await nothing more, and return when all that was begun is done; calls have ended before."""
        for stop in self._deaf:
            stop()
        self.budget.close()
        self.pending.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.account.aclose()

    def _hear(self, event: Event) -> None:
        self.budget.hear(event)
        self.outcomes.hear(event)

    def _leg(self, call_sid: str) -> TwilioLeg:
        return TwilioLeg(self.account, call_sid, time_limit_s=longest_s(self._settings))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("work for a call by phone failed", exc_info=task.exception())

    # --- callbacks: signed, in any order, each one once -----------------------------------------------

    def on_status(self, form: Mapping[str, str], call_id: str) -> None:
        """A call's state has changed; ``call_id`` is our name for one that we have placed."""
        if call_id:
            self.outcomes.on_status(form, call_id)
        elif form.get("CallStatus") in _OVER:
            self.pending.withdraw_call(form.get("CallSid", ""))

    def on_amd(self, form: Mapping[str, str], call_id: str) -> None:
        """It is known who or what has answered."""
        self.outcomes.on_amd(form, call_id)

    def on_recording(self, form: Mapping[str, str], call_id: str) -> None:
        """A recording: of a message that Twilio took in our place, or one that somebody asked Twilio for."""
        status = form.get("RecordingStatus", "")
        _log.info("recording", carrier_call_id=form.get("CallSid"), status=status)
        if self._desk is not None and status in {"completed", "absent"}:
            self._desk.carrier_told(call_id, form.get("RecordingSid", "") if status == "completed" else "")

    def on_stream_status(self, form: Mapping[str, str], call_id: str) -> None:  # noqa: ARG002 - the CallSid says it
        """A media stream began, ended or failed: why it failed only Twilio knows, so it is written down."""
        event, sid = form.get("StreamEvent", ""), form.get("CallSid", "")
        if event == "stream-error":
            _log.error("the media stream failed at the carrier", carrier_call_id=sid, error=form.get("StreamError", ""))
        else:
            _log.info("media stream", carrier_call_id=sid, state=event)
