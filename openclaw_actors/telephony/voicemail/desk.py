"""Desk: one host's voicemail. Who finds it in the agent's place, and what is to be done next for each message."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from openclaw_actors.actors.board import Admission, Board
from openclaw_actors.actors.events import EventHub
from openclaw_actors.actors.profiles import complete
from openclaw_actors.engines.catalogue import Catalogue
from openclaw_actors.errors import RefusalError, StoreUnavailableError
from openclaw_actors.media.codecs import Codec, Encoded
from openclaw_actors.media.message_file import read_message
from openclaw_actors.messages import CallProfile, Event
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.hours import first_outside, is_within, named_zone, parse_span, zone_of
from openclaw_actors.settings.numbers import tidy
from openclaw_actors.settings.sections import Settings, VoicemailCause
from openclaw_actors.stamps import now_rfc3339, rfc3339, ulid
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.voicemail.book import Book, event
from openclaw_actors.telephony.voicemail.callbacks import CallBacks, Dialler
from openclaw_actors.telephony.voicemail.secretary import Secretary
from openclaw_actors.telephony.voicemail.states import (
    PREPARATION_S,
    PREPARED,
    STEP_TRIES,
    Opening,
    age_s,
    step_after_s,
)

_log = get_logger(__name__)

LOOK_S = 60.0
"""Between two looks at what waits when nothing has happened: a wall clock may be set, a host may die."""
SOON_AFTER_S = 1.0
"""Until it is looked again whether a number may be called that had to wait for something near."""
STORE_PAUSE_S = 5.0
SWEEP_S = 3600.0
CARRIER_GRACE_S = 60.0
"""After a carrier's recording must be over, before it is asked what has become of it: its callback was lost."""
CARRIER_WAIT_S = 3600.0
"""It may take so long over a recording; then there is none."""


class CarrierRecordings(Protocol):
    """Recordings that a carrier made in our place."""

    async def recordings_of(self, carrier_call_id: str) -> list[str]:
        """The ids of a call's."""

    async def recording(self, recording_id: str) -> bytes:
        """One as a WAV file.

        Raises:
            RefusalError: it can't be had now (503), or not at all.
        """

    async def erase_recording(self, recording_id: str) -> None:
        """Nothing of it stays there."""


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
        self._quiet = [parse_span(text) for text in own.quiet_hours]
        self._closed = [parse_span(text) for text in own.closed_hours]
        self._zones = [*own.time_zones.items()]
        self._changed = asyncio.Event()
        self.book = Book(settings, store, hub, render, self._changed.set)
        self.secretary = Secretary(
            settings, catalogue, self.book, lambda profile: complete(profile, settings.agent), now
        )
        self.callbacks: CallBacks
        self._recordings: CarrierRecordings | None = None
        self._waiting: list[VoicemailRecord] = []
        """What was to be done at the last look."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._other: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._dialling = 0
        """Call-backs that were begun and are not under way yet."""
        self._stops: list[Callable[[], None]] = []
        self._swept_at = self._adopted_at = float("-inf")

    # --- life -------------------------------------------------------------------------------------

    def open(self) -> None:
        """Get ready to take messages.

        Raises:
            OSError: there is no place to keep them.
        """
        self.book.open()

    def begin(self, board: Board, dialler: Dialler | None, recordings: CarrierRecordings | None) -> None:
        """Take up what waits; calls can be placed from now on."""
        self._recordings = recordings
        self.callbacks = CallBacks(self._own, board, self._store, self.book, self._spawn, self._now)
        self.callbacks.dialler = dialler
        self._stops = [self._hub.subscribe(self._hear)]
        self._loop = asyncio.get_running_loop().create_task(self._work(), name="voicemail")

    async def aclose(self) -> None:
        """Stop where it is: each step that is broken off is taken up at the next start."""
        for stop in self._stops:
            stop()
        tasks = [task for task in (self._loop, *self._tasks.values(), *self._other) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.book.aclose()

    def _hear(self, told: Event) -> None:
        self.callbacks.hear(told)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._other.add(task)
        task.add_done_callback(self._other.discard)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreUnavailableError as error:
            _log.warning("the voicemail waits for the records", reason=error.detail)
            await asyncio.sleep(STORE_PAUSE_S)
        except Exception:  # noqa: BLE001 - whatever it is, the other messages must not wait for it
            _log.exception("a step of the voicemail failed")
            await asyncio.sleep(STORE_PAUSE_S)  # a fault of ours must not be one in a circle
        finally:
            self._changed.set()

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
        theirs = [each for each in self._waiting if caller and each.callback_to == caller]
        due = [each for each in theirs if each.state in {"due", "dialling"}]
        return self.callbacks.rings_in(caller, due) if due else None

    def answer_to(self, caller: str, profile: CallProfile) -> CallProfile:
        """The profile of a call that comes in; of one who has an answer coming, it begins with that."""
        begins = self.rings_in(caller)
        if begins is None:
            return profile
        return replace(profile, greeting=begins.text, history=begins.history, context=begins.context)

    # --- the carrier records ----------------------------------------------------------------------

    def carrier_records(self, carrier: str, carrier_call_id: str, caller: str, callee: str, agent: str) -> str:
        """The carrier takes a message in our place; its id, which the carrier's callback names."""
        record = VoicemailRecord(
            f"vm_{ulid()}",
            "recording",
            "carrier",
            now_rfc3339(),
            caller=caller,
            callee=callee,
            agent=agent,
            transport=carrier,
            carrier_call_id=carrier_call_id,
            callback_to=caller,
            next_at=self._now() + self._own.max_seconds + CARRIER_GRACE_S,
        )
        self._spawn(self._store.voicemails.add(record))
        return record.id

    def carrier_told(self, voicemail_id: str, recording_id: str) -> None:
        """The carrier's callback: it has the recording. An empty ``recording_id``: there was nothing to record."""
        self._spawn(self._carrier_recorded(voicemail_id, recording_id))

    async def _carrier_recorded(self, voicemail_id: str, recording_id: str) -> None:
        if not recording_id:
            await self.book.drop(voicemail_id, "empty")
            return
        await self.book.advance([voicemail_id], ["recording"], state="fetching", recording_id=recording_id, next_at=0.0)

    async def _look_for_recording(self, message: VoicemailRecord) -> None:
        if self._recordings is None:
            return
        try:
            found = await self._recordings.recordings_of(message.carrier_call_id)
        except RefusalError as refusal:
            _log.warning("the carrier can't be asked for a recording", voicemail_id=message.id, detail=refusal.detail)
            found = []
        if found:
            await self._carrier_recorded(message.id, found[0])
        elif age_s(message, self._now()) > CARRIER_WAIT_S:
            await self.book.drop(message.id, "empty")
        else:
            at = self._now() + CARRIER_GRACE_S
            await self.book.advance([message.id], ["recording"], next_at=at)

    async def _fetch(self, message: VoicemailRecord) -> None:
        """Bring the recording here, then have the carrier forget it."""
        if self._recordings is None:
            return
        try:
            data = await self._recordings.recording(message.recording_id)
            pcm: bytes = await self.book.in_thread(read_message, data, self._own.max_seconds + 10.0)
        except (RefusalError, ValueError) as error:
            tries = message.tries + 1
            if tries >= STEP_TRIES:
                _log.error("a recording is left at the carrier", voicemail_id=message.id, reason=str(error))
                told = event("callback.failed", voicemail_ids=[message.id], to=message.callback_to, reason="sound_lost")
                await self.book.advance([message.id], ["fetching"], told, state="kept", reason="sound_lost")
                return
            at = self._now() + step_after_s(tries)
            await self.book.advance([message.id], ["fetching"], tries=tries, next_at=at)
            return
        if len(pcm) / 32_000 < self._own.min_seconds:
            await self.book.drop(message.id, "empty")
        else:
            await self.book.keep_sound(message.id, ("fetching",), pcm)
        with contextlib.suppress(RefusalError):
            await self._recordings.erase_recording(message.recording_id)

    # --- what is next -----------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            self._changed.clear()
            try:
                wait_s = await self._look()
            except StoreUnavailableError as error:
                _log.warning("the voicemail waits for the records", reason=error.detail)
                wait_s = STORE_PAUSE_S
            except Exception:  # noqa: BLE001 - as in _quietly
                _log.exception("the voicemail stumbled")
                wait_s = STORE_PAUSE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def _look(self) -> float:
        """Begin what can be done now; seconds until there may be more."""
        await self._tidy_up()
        self._waiting = waiting = await self._store.voicemails.unfinished()
        now, later = self._now(), [LOOK_S]
        by_number: dict[str, list[VoicemailRecord]] = defaultdict(list)
        left: dict[str, list[VoicemailRecord]] = defaultdict(list)
        for each in waiting:
            if each.id in self._tasks or each.id in self.book.live:
                continue
            if each.state == "due":
                by_number[each.callback_to].append(each)
            elif each.state == "dialling":
                if not self.callbacks.is_followed(each):
                    left[each.callback_call_id or each.id].append(each)
            elif each.next_at <= now:
                self._step(each, waiting)
            else:
                later.append(each.next_at - now)
        for group in left.values():
            self._begin(group, self.callbacks.settle_left(group))
        for number, group in by_number.items():
            later.append(self._call(number, group, now))
        return max(0.05, min(later))

    def _step(self, message: VoicemailRecord, waiting: Sequence[VoicemailRecord]) -> None:
        match message.state:
            case "recording" if message.source == "carrier":
                self._begin([message], self._look_for_recording(message))
            case "recording":
                self._begin([message], self.book.keep(message.id))
            case "fetching":
                self._begin([message], self._fetch(message))
            case "recorded":
                self._begin([message], self.secretary.transcribe(message))
            case "asking":
                self._begin([message], self.secretary.resume(message))
            case "transcribed":
                theirs = [each for each in waiting if each.callback_to and each.callback_to == message.callback_to]
                if any(each.id < message.id and each.state in PREPARED for each in theirs):
                    return  # one after the other: the second answer knows of the first
                before = [each for each in theirs if each.id < message.id and each.answer]
                self._begin([message], self.secretary.answer(message, before))

    def _call(self, number: str, group: Sequence[VoicemailRecord], now: float) -> float:
        """Call back if it is time; seconds until it may be."""
        if any(self._is_preparing(each, number) for each in self._waiting) or self.callbacks.is_held(number):
            return SOON_AFTER_S
        hurried = any(each.hurried for each in group)
        due_in = max(each.next_at for each in group) - now
        if due_in > 0 and not hurried:
            return due_in
        old = [each for each in group if age_s(each, now) > self._own.give_up_h * 3600 and each.reason != "requested"]
        if old:
            self._begin(group, self.callbacks.give_up(old, "too_old"))
            return LOOK_S
        allowed_at = self._allowed_at(number, now)
        if allowed_at > now + 1 and not hurried:
            self._begin(group, self.callbacks.put_off(group, allowed_at, "quiet_hours"))
            return LOOK_S
        if self.callbacks.under_way + self._dialling >= self._own.callbacks_at_once:
            return SOON_AFTER_S
        self._dialling += 1
        self._begin(group, self._dial(group))
        return LOOK_S

    async def _dial(self, group: Sequence[VoicemailRecord]) -> None:
        self._dialling -= 1
        await self.callbacks.dial(group)

    def _is_preparing(self, message: VoicemailRecord, number: str) -> bool:
        """Whether the message will be answered by the same call soon."""
        theirs = message.callback_to == number and message.state in PREPARED
        return theirs and age_s(message, self._now()) < PREPARATION_S + self._own.max_seconds

    def _allowed_at(self, number: str, now: float) -> float:
        """From when on the number may be called, seconds of the epoch."""
        zone = zone_of(number, self._zones, self._own.time_zone)
        moment = first_outside(datetime.fromtimestamp(now, UTC), self._quiet, zone)
        return now + LOOK_S if moment is None else max(now, moment.timestamp())

    def _begin(self, messages: Sequence[VoicemailRecord], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly_for(messages, work))
        for each in messages:
            self._tasks[each.id] = task

    async def _quietly_for(self, messages: Sequence[VoicemailRecord], work: Coroutine[Any, Any, None]) -> None:
        try:
            await self._quietly(work)
        finally:
            for each in messages:
                self._tasks.pop(each.id, None)

    async def _tidy_up(self) -> None:
        """Take over what dead hosts left, and erase what is old, each now and then."""
        now = time.monotonic()
        if now - self._adopted_at >= LOOK_S:
            self._adopted_at = now
            await self._store.voicemails.adopt()
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        if self._own.keep_days:
            before = rfc3339(datetime.fromtimestamp(self._now(), UTC) - timedelta(days=self._own.keep_days))
            while old := await self._store.voicemails.old(before):
                for voicemail_id in old:
                    await self.book.drop(voicemail_id, "expired")

    # --- what the API asks ------------------------------------------------------------------------

    async def erase(self, voicemail_id: str) -> None:
        """Erase a message and its sound.

        Raises:
            RefusalError: 404 ``no_such_voicemail``, 409 ``voicemail_busy`` while it is being left or called back for.
        """
        message = await self.find(voicemail_id)
        free = ("recorded", "transcribed", "due", "done", "failed", "kept", "fetching")
        if voicemail_id in self._tasks or message.state not in free or not await self.book.erase(voicemail_id, free):
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
        if self._loop is None:
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
        is_free = voicemail_id not in self._tasks and await self.book.advance(
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
