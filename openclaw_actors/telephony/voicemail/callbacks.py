"""CallBacks: bring answers to people by phone, and follow each attempt until it is known what they heard."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from openclaw_actors.actors.board import Board
from openclaw_actors.errors import RefusalError
from openclaw_actors.messages import Event
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Voicemail
from openclaw_actors.stamps import rfc3339
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.outbound import Order
from openclaw_actors.telephony.voicemail.book import Book, event
from openclaw_actors.telephony.voicemail.states import Attempt, Opening, Outcome, opening, retry_after_s

_log = get_logger(__name__)

HELD_S = 75.0
"""Who rings in while a call-back is due has so long for their stream to come (telephony/inbound.py: 60 s)."""
SOON_S = 5.0
"""After a refusal that says nothing of when to try again."""


class Dialler(Protocol):
    """What places calls by phone, whatever carrier it is (telephony/outbound.py)."""

    @property
    def own_numbers(self) -> frozenset[str]:
        """The host's."""

    def check(self, to: str, sender: str = "") -> None:
        """See whether ``to`` may be called now.

        Raises:
            RefusalError: not now (429), or not at all.
        """

    async def place(self, order: Order, promise: Callable[[str], Awaitable[None]]) -> str:
        """Place a call; ``promise`` is told its id when it is on record, before anything is dialled.

        Raises:
            RefusalError: nobody was called.
        """


@dataclass(slots=True)
class _Followed:
    ids: list[str]
    number: str
    attempts: int
    attempt: Attempt


class CallBacks:
    """One host's. All of it on the event loop; a listener of the EventHub.

    Args:
        settings: the section ``voicemail``.
        board: the host's calls.
        store: what calls have told.
        book: the messages.
        spawn: runs what takes time.
        now: seconds of the epoch.
    """

    def __init__(
        self,
        settings: Voicemail,
        board: Board,
        store: Store,
        book: Book,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._board = board
        self._store = store
        self._book = book
        self._spawn = spawn
        self._now = now
        self.dialler: Dialler | None = None
        """None: no carrier is configured, and nobody is called."""
        self._following: dict[str, _Followed] = {}
        self._placing: set[str] = set()
        self._held: dict[str, tuple[float, list[str]]] = {}
        self._put_off_for: dict[str, str] = {}
        """Why a number is not called yet, as it was told: it is told once, however often it is looked at again."""

    @property
    def under_way(self) -> int:
        """Call-backs that are being dialled or talked."""
        return len(self._placing) + len(self._following)

    def is_held(self, number: str) -> bool:
        """Whether its owner has just rung in."""
        held = self._held.get(number)
        if held is not None and held[0] <= time.monotonic():
            del self._held[number]
            return False
        return held is not None

    def is_followed(self, message: VoicemailRecord) -> bool:
        """Whether this process knows what becomes of the message's call-back."""
        return message.callback_to in self._placing or message.callback_call_id in self._following

    # --- dialling ---------------------------------------------------------------------------------

    async def dial(self, messages: Sequence[VoicemailRecord]) -> None:
        """Call back for all of a number's messages, which are due."""
        number, ids = messages[0].callback_to, [each.id for each in messages]
        self._placing.add(number)
        try:
            await self._dial(number, ids, messages)
        finally:
            self._placing.discard(number)
            self._book.changed()

    async def _dial(self, number: str, ids: list[str], messages: Sequence[VoicemailRecord]) -> None:
        newest, attempts = messages[-1], max(each.attempts for each in messages) + 1
        if self.dialler is None:
            await self._fail(ids, number, "due", "no_carrier")
            return
        sender = newest.callee if newest.callee in self.dialler.own_numbers else ""
        try:
            self.dialler.check(number, sender)
        except RefusalError as refusal:
            await self._refused(ids, number, "due", refusal)
            return
        if not await self._book.advance(
            ids, ["due"], state="dialling", attempts=attempts, callback_call_id="", hurried=False
        ):
            return
        begins = opening(messages, self._settings)
        order = Order(
            number,
            sender=sender,
            message=begins.text,
            agent=newest.agent,
            metadata={"voicemail_ids": ids},
            history=begins.history,
            context=begins.context,
            language=newest.language,
            answering_machine=self._settings.answering_machine,
        )
        attempt = Attempt(asks_who=self._settings.answering_machine != "off")
        followed = _Followed(ids, number, attempts, attempt)

        async def promise(call_id: str) -> None:
            if self.is_held(number):
                raise RefusalError(503, "rang_in", "They have just called by themselves.")
            self._following[call_id] = followed
            self._put_off_for.pop(number, None)
            told = event("callback.started", voicemail_ids=ids, to=number, call_id=call_id, attempt=attempts)
            if not await self._book.advance(ids, ["dialling"], told, of_call="", callback_call_id=call_id):
                del self._following[call_id]
                raise RefusalError(409, "voicemail_gone", "The message was erased meanwhile.")

        try:
            await self.dialler.place(order, promise)
        except RefusalError as refusal:
            _log.warning("a call-back was not placed", voicemail_ids=ids, code=refusal.code, detail=refusal.detail)
            if followed not in self._following.values():
                await self._refused(ids, number, "dialling", refusal, attempts=attempts - 1)
            # Else its call has ended, and its end is told as that of any other.

    async def _refused(self, ids: list[str], number: str, state: str, refusal: RefusalError, **values: Any) -> None:
        """Nobody was dialled: it does not count as an attempt."""
        if refusal.status in {429, 503}:
            pause_s = max(float(refusal.headers.get("Retry-After", "0")), SOON_S)
            await self._put_off(ids, number, state, self._now() + pause_s, refusal.code, **values)
        else:
            await self._fail(ids, number, state, refusal.code)

    async def _put_off(self, ids: list[str], number: str, state: str, at: float, reason: str, **values: Any) -> None:
        told = event("callback.scheduled", voicemail_ids=ids, to=number, at=_stamp(at), reason=reason)
        is_known = self._put_off_for.get(number) == reason
        self._put_off_for[number] = reason
        of_call = "" if state == "dialling" else None
        changed = {"state": "due", "next_at": at, "callback_call_id": "", **values}
        await self._book.advance(ids, [state], *(() if is_known else (told,)), of_call=of_call, **changed)

    async def put_off(self, messages: Sequence[VoicemailRecord], at: float, reason: str) -> None:
        """They are due at ``at``, seconds of the epoch, and not before."""
        await self._put_off([each.id for each in messages], messages[0].callback_to, "due", at, reason)

    async def give_up(self, messages: Sequence[VoicemailRecord], reason: str) -> None:
        """Nobody is called back any more for these, which are due."""
        await self._fail([each.id for each in messages], messages[0].callback_to, "due", reason)

    async def _fail(self, ids: list[str], number: str, state: str, reason: str) -> None:
        told = event("callback.failed", voicemail_ids=ids, to=number, reason=reason)
        of_call = "" if state == "dialling" else None
        if await self._book.advance(ids, [state], told, of_call=of_call, state="failed", reason=reason):
            metrics.voicemails_total.labels(result="failed").inc(len(ids))

    # --- following --------------------------------------------------------------------------------

    def hear(self, told: Event) -> None:
        """An event of any call."""
        if told.type == "call.initiated" and told.data.get("direction") == "inbound":
            held = self._held.get(str(told.data.get("from", "")))
            if held is not None and self.is_held(str(told.data["from"])):
                self._spawn(self._meet(str(told.data["from"]), held[1], told.call_id))
        followed = self._following.get(told.call_id)
        if followed is None:
            return
        followed.attempt.hear(told.type, told.data)
        outcome = followed.attempt.outcome
        if outcome is not None:
            del self._following[told.call_id]
            self._spawn(self._settle(told.call_id, followed, outcome))

    async def settle_left(self, messages: Sequence[VoicemailRecord]) -> None:
        """What a host that is gone was calling back for: the records say what the person has heard."""
        call_id, ids, number = messages[0].callback_call_id, [each.id for each in messages], messages[0].callback_to
        attempts = max(each.attempts for each in messages)
        if not call_id:
            await self._put_off(ids, number, "dialling", self._now(), "host_restarted", attempts=max(0, attempts - 1))
            return
        record = await self._store.call(call_id)
        inbound = record is not None and record.direction == "inbound"
        attempt = Attempt(self._settings.answering_machine != "off" and not inbound, inbound)
        for each in await self._store.events(call_id, limit=10_000):
            attempt.hear(each.type, each.data)
        if attempt.outcome is None:
            attempt.hear("call.ended", {"status": "failed", "reason": "host_restarted"})
        outcome = attempt.outcome or Outcome("missed", "failed")
        await self._settle(call_id, _Followed(ids, number, attempts, attempt), outcome)

    async def _settle(self, call_id: str, followed: _Followed, outcome: Outcome) -> None:
        ids, number, inbound = followed.ids, followed.number, followed.attempt.inbound
        if outcome.result != "missed":
            result = "rang_in" if inbound else outcome.result
            told = event("callback.completed", voicemail_ids=ids, to=number, call_id=call_id, result=result)
            if await self._advance(ids, call_id, told, state="done", reason=result):
                metrics.voicemails_total.labels(result=outcome.result).inc(len(ids))
        elif self.is_held(number) and not inbound:
            # They ring us while we ring them: their call is the one that counts.
            attempts = followed.attempts - 1
            await self._advance(ids, call_id, state="due", next_at=self._now(), callback_call_id="", attempts=attempts)
        elif followed.attempts >= self._settings.attempts and not inbound:
            reason = outcome.reason.replace("-", "_")
            told = event("callback.failed", voicemail_ids=ids, to=number, reason=reason)
            if await self._advance(ids, call_id, told, state="failed", reason=reason):
                metrics.voicemails_total.labels(result="failed").inc(len(ids))
        else:
            at = self._now() + retry_after_s(max(1, followed.attempts), self._settings.retry_s)
            told = event(
                "callback.missed",
                voicemail_ids=ids,
                to=number,
                call_id=call_id,
                attempt=followed.attempts,
                reason=outcome.reason.replace("-", "_"),
                next_at=_stamp(at),
            )
            await self._advance(ids, call_id, told, state="due", next_at=at)

    async def _advance(self, ids: list[str], call_id: str, *told: Event, **values: Any) -> bool:
        """Change them if their call-back is still this call."""
        return await self._book.advance(ids, ["dialling"], *told, of_call=call_id, **values)

    # --- who rings in -----------------------------------------------------------------------------

    def rings_in(self, number: str, messages: Sequence[VoicemailRecord]) -> Opening | None:
        """Somebody calls by themselves for whom ``messages`` are due or being dialled; how their call begins.

        None: they are on a call-back already, so this is another matter.
        """
        dialled = {call_id for call_id, each in self._following.items() if each.number == number}
        if any(self._following[call_id].attempt.answered for call_id in dialled):
            return None
        self._held[number] = (time.monotonic() + HELD_S, [each.id for each in messages])
        for call_id in dialled:
            self._spawn(self._give_way(call_id))
        return opening(messages, self._settings)

    async def _give_way(self, call_id: str) -> None:
        await self._board.hang_up(call_id, "rang_in")

    async def _meet(self, number: str, ids: list[str], call_id: str) -> None:
        """Their call has begun: it is the call-back."""
        attempt = Attempt(asks_who=False, inbound=True)
        for before in [each for each, followed in self._following.items() if followed.number == number]:
            del self._following[before]
        self._following[call_id] = _Followed(ids, number, 0, attempt)
        told = event("callback.started", voicemail_ids=ids, to=number, call_id=call_id, attempt=0)
        if not await self._book.advance(ids, ["due", "dialling"], told, state="dialling", callback_call_id=call_id):
            self._following.pop(call_id, None)
        self._held.pop(number, None)


def _stamp(at: float) -> str:
    return rfc3339(datetime.fromtimestamp(at, UTC))
