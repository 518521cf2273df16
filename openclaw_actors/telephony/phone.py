"""Everything of one host that calls by phone need, put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

from openclaw_actors.actors.board import Board
from openclaw_actors.actors.events import EventHub
from openclaw_actors.actors.recall import Recall
from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.messages import Event
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings import Settings
from openclaw_actors.store.records import LostCall
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.budget import Budget
from openclaw_actors.telephony.carriers import CARRIERS, configured
from openclaw_actors.telephony.numbers import Numbers
from openclaw_actors.telephony.outbound import Outbound
from openclaw_actors.telephony.outcomes import Outcomes
from openclaw_actors.telephony.pending import Pending
from openclaw_actors.telephony.trunk import Trunk
from openclaw_actors.telephony.voicemail.desk import Desk

if TYPE_CHECKING:
    from openclaw_actors.telephony.twilio.carrier import TwilioCarrier
    from openclaw_actors.telephony.twilio.rest import TwilioAccount

_log = get_logger(__name__)

ELSEWHERE_S = 10.0
"""Between two looks at what the other hosts of a cluster have used of the day's minutes."""


class Phone:
    """One host's calls by phone, over one carrier or several. All of it on the event loop.

    Args:
        settings: all settings; a carrier and ``server.public_url`` are set.
        board: the host's calls.
        hub: what they tell.
        store: their records.
        desk: the voicemail; None: there is none.
        host: its name in a cluster.
        recall: finds conversations whose host is gone; None: there is no cluster.
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
        host: str = "",
        recall: Recall | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._store = store
        self._recall = recall
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._deaf: list[Callable[[], None]] = []
        self.carriers = configured(settings, host)
        self.numbers = Numbers(settings.numbers, *(each.from_number for each in self.carriers.values()))
        self.pending = Pending(board.release)
        self.outcomes = Outcomes(settings.outbound, board, self.pending, self._spawn)
        self.trunks = {
            name: Trunk(
                carrier,
                board,
                numbers=self.numbers,
                pending=self.pending,
                outcomes=self.outcomes,
                settings=settings,
                desk=desk,
                spawn=self._spawn,
                recall=recall,
                clock=clock,
            )
            for name, carrier in self.carriers.items()
        }
        self.outbound = Outbound(
            settings,
            board=board,
            store=store,
            numbers=self.numbers,
            pending=self.pending,
            carriers=self.carriers,
            outcomes=self.outcomes,
            look_elsewhere=None if recall is None else self._look_elsewhere,
        )
        twilio = cast("TwilioCarrier | None", self.carriers.get("twilio"))
        self.recordings: TwilioAccount | None = None if twilio is None else twilio.account
        """Where messages lie that a carrier took in our place; only Twilio does."""
        self.budget = Budget(self.numbers, CARRIERS, board, self._spawn)

    async def start(self) -> None:
        """Take up what was before this host was started."""
        for carrier in self.carriers.values():
            await carrier.open()
        if self._recall is None:
            await self.budget.remember(self._store)
        else:  # what was before this start is another host's too, by its name on record
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking(), name="other hosts' calls")
        self._deaf = [self._hub.subscribe(self._hear)]
        self.hang_up_lost(self._store.lost)

    def hang_up_lost(self, lost: Sequence[LostCall]) -> None:
        """Hang up what hosts that died have left at carriers; in a cluster not what another host goes on with."""
        for name, carrier in self.carriers.items():
            if self._recall is not None and carrier.abilities.asks_again:
                continue
            left = [each.carrier_call_id for each in lost if each.transport == name and each.carrier_call_id]
            if left:
                self._spawn(self.outcomes.hang_up_left(carrier, left))

    async def aclose(self) -> None:
        """Await nothing more, and return when all that was begun is done; calls have ended before."""
        for stop in self._deaf:
            stop()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self.budget.close()
        self.pending.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for carrier in self.carriers.values():
            await carrier.aclose()

    async def _look_elsewhere(self) -> None:
        await self.budget.look_elsewhere(self._store)

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self._look_elsewhere()
            except StoreUnavailableError as error:
                _log.warning("what other hosts have used of the budget can't be seen", reason=error.detail)
            await asyncio.sleep(ELSEWHERE_S)

    def _hear(self, event: Event) -> None:
        self.budget.hear(event)
        self.outcomes.hear(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("work for a call by phone failed", exc_info=task.exception())
