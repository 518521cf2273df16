"""Desk: one host's voicemail, as the host sees it: who finds it in the agent's place, and what the API asks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from openclaw_actors.actors.board import Admission, Board
from openclaw_actors.actors.events import EventHub
from openclaw_actors.actors.profiles import complete
from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import Codec, Encoded
from openclaw_actors.messages import CallProfile
from openclaw_actors.observability import metrics
from openclaw_actors.settings.hours import is_within, named_zone, parse_span
from openclaw_actors.settings.numbers import tidy
from openclaw_actors.settings.sections import Settings, VoicemailCause
from openclaw_actors.stamps import now_rfc3339
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.voicemail.book import Book, event
from openclaw_actors.telephony.voicemail.callbacks import CallBacks, Dialler
from openclaw_actors.telephony.voicemail.carrier_tapes import CarrierRecordings, CarrierTapes
from openclaw_actors.telephony.voicemail.rounds import Rounds
from openclaw_actors.telephony.voicemail.secretary import Secretary
from openclaw_actors.telephony.voicemail.states import Opening


class Desk:
    """All of it on the event loop.

    Args:
        settings: all settings; ``voicemail.enabled`` is set.
        store: where messages are on record.
        hub: told of them.
        catalogue: the engines.
        render: makes a line.
        now: seconds of the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: EventHub,
        catalogue: Catalogue,
        render: Callable[[Codec, str], Awaitable[Encoded | None]],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._routes = {tidy(number): route for number, route in settings.numbers.routes.items()}
        self.settings = self._own = own = settings.voicemail
        self._store = store
        self._hub = hub
        self._now = now
        self._closed = [parse_span(text) for text in own.closed_hours]
        self.book = Book(settings, store, hub, render, self._changed)
        self.secretary = Secretary(
            settings, catalogue, self.book, lambda profile: complete(profile, settings.agent), now
        )
        self.rounds = Rounds(own, store, self.book, self.secretary, now)
        self.carrier_tapes = CarrierTapes(own, store, self.book, self.rounds.spawn, now)
        self.callbacks: CallBacks
        self._stops: list[Callable[[], None]] = []

    # --- life -------------------------------------------------------------------------------------

    def open(self) -> None:
        """Get ready to take messages.

        Raises:
            OSError: there is no place to keep them.
        """
        self.book.open()

    def begin(self, board: Board, dialler: Dialler | None, recordings: CarrierRecordings | None) -> None:
        """Take up what waits; calls can be placed from now on."""
        self.carrier_tapes.carrier = recordings
        self.callbacks = CallBacks(self._own, board, self._store, self.book, self.rounds.spawn, self._now)
        self.callbacks.dialler = dialler
        self._stops = [self._hub.subscribe(self.callbacks.hear)]
        self.rounds.begin(self.carrier_tapes, self.callbacks)

    async def aclose(self) -> None:
        """Stop where it is: each step that is broken off is taken up at the next start."""
        for stop in self._stops:
            stop()
        await self.rounds.aclose()
        await self.book.aclose()

    def _changed(self) -> None:
        self.rounds.look_again()

    # --- who finds the voicemail ------------------------------------------------------------------

    def cause(self, callee: str = "") -> VoicemailCause | None:
        """Why a call that comes now, to this number of ours, leaves a message; None: it is answered."""
        route = self._routes.get(callee)
        if "always" in self._own.when or (route is not None and route.voicemail):
            return "always"
        at = datetime.fromtimestamp(self._now(), UTC)
        if "closed" in self._own.when and is_within(at, self._closed, named_zone(self._own.time_zone)):
            return "closed"
        if "agent_down" in self._own.when and self.secretary.agent_is_down:
            return "agent_down"
        return None

    def takes(self, refusal: RefusalError) -> bool:
        """Whether who is refused so leaves a message in place of a call."""
        return refusal.code in self._own.when or (refusal.code == "not_ready" and "agent_down" in self._own.when)

    def has_carrier_record(self, refusal: RefusalError, callee: str) -> bool:
        """Whether the carrier takes a message of who is refused so; ``callee`` is whom they called."""
        return self._own.carrier_recording and (self.takes(refusal) or self.cause(callee) is not None)

    def rings_in(self, caller: str) -> Opening | None:
        """How to begin the call of somebody who has an answer coming; None for everybody else."""
        theirs = [each for each in self.rounds.waiting if caller and each.callback_to == caller]
        due = [each for each in theirs if each.state in {"due", "dialling"}]
        return self.callbacks.rings_in(caller, due) if due else None

    def answer_to(self, caller: str, profile: CallProfile) -> CallProfile:
        """The profile of a call that comes in; of one who has an answer coming, it begins with that."""
        begins = self.rings_in(caller)
        if begins is None:
            return profile
        return replace(profile, greeting=begins.text, history=begins.history, context=begins.context)

    # --- what the API asks ------------------------------------------------------------------------

    async def erase(self, voicemail_id: str) -> None:
        """Erase a message and its sound.

        Raises:
            RefusalError: 404 ``no_such_voicemail``, 409 ``voicemail_busy`` while it is being left or called back for.
        """
        message = await self.find(voicemail_id)
        free = ("recorded", "transcribed", "due", "done", "failed", "kept", "fetching")
        if (
            self.rounds.is_at(voicemail_id)
            or message.state not in free
            or not await self.book.erase(voicemail_id, free)
        ):
            raise RefusalError(409, "voicemail_busy", "Something is being done for it at this moment; try again soon.")
        metrics.voicemails_total.labels(result="erased").inc()
        told = event("voicemail.erased", voicemail_id=voicemail_id)
        self._hub.publish(told)

    async def find(self, voicemail_id: str) -> VoicemailRecord:
        """One message.

        Raises:
            RefusalError: 404 ``no_such_voicemail``.
        """
        message = await self._store.voicemails.read(voicemail_id)
        if message is None:
            raise RefusalError(404, "no_such_voicemail", "There is no such message; it may have been erased.")
        return message

    async def call_back(self, voicemail_id: str, *, to: str = "", message: str = "", now: bool = False) -> None:
        """Call back for a message (again), with all attempts anew.

        Args:
            voicemail_id: the message.
            to: whom; empty: who left it.
            message: the answer; empty: what the agent has prepared.
            now: also in quiet hours.

        Raises:
            RefusalError: 404; 409 ``voicemail_busy``; 422 ``no_number``, or what ``Outbound.check`` raises.
        """
        if not self.rounds.have_begun:
            raise RefusalError(503, "not_ready", "The host has just been started.", {"Retry-After": "2"})
        found = await self.find(voicemail_id)
        number = to or found.callback_to
        if self.callbacks.dialler is None:
            raise RefusalError(422, "no_carrier", "No carrier is configured, so no phone can be called.")
        if not number:
            raise RefusalError(422, "no_number", "Whoever left it has no number that is known: say whom to call (to).")
        self.callbacks.dialler.check(number)
        settled = ("due", "done", "failed", "kept")
        await self._store.voicemails.claim(voicemail_id)
        told = event(
            "callback.scheduled", voicemail_ids=[voicemail_id], to=number, at=now_rfc3339(), reason="requested"
        )
        values: dict[str, Any] = {"answer": message} if message else {}
        is_free = not self.rounds.is_at(voicemail_id) and await self.book.advance(
            [voicemail_id],
            settled,
            told,
            state="due",
            reason="requested",
            callback_to=number,
            attempts=0,
            next_at=self._now(),
            hurried=now,
            callback_call_id="",
            **values,
        )
        if not is_free:
            raise RefusalError(409, "voicemail_busy", "It is being prepared or called back for at this moment.")


def admit(
    board: Board, desk: Desk | None, transport: str, caller: str, callee: str, profile: CallProfile
) -> tuple[Admission, CallProfile]:
    """A place for a call that comes in, and what it has of its own: it is talked with, or leaves a message.

    Args:
        board: the host's calls.
        desk: the voicemail; None: there is none.
        transport: what it comes by.
        caller: their number in E.164, where it is known.
        callee: which number of ours was called.
        profile: of a call to that number.

    Raises:
        RefusalError: 503: there is no place for either.
    """
    if desk is None:
        return board.admit(transport, "inbound"), profile
    if desk.cause(callee) is None:
        try:
            return board.admit(transport, "inbound"), desk.answer_to(caller, profile)
        except RefusalError as refusal:
            if not desk.takes(refusal):
                raise
    return board.admit(transport, "inbound", message=True), replace(profile, takes_message=True)
