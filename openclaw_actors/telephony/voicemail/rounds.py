"""Rounds: what is next for each message. Looks at what is unfinished whenever something has happened."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.hours import first_outside, parse_span, zone_of
from openclaw_actors.settings.sections import Voicemail
from openclaw_actors.stamps import rfc3339
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.voicemail.book import Book
from openclaw_actors.telephony.voicemail.callbacks import CallBacks
from openclaw_actors.telephony.voicemail.carrier_tapes import CarrierTapes
from openclaw_actors.telephony.voicemail.secretary import Secretary
from openclaw_actors.telephony.voicemail.states import PREPARATION_S, PREPARED, age_s

_log = get_logger(__name__)

LOOK_S = 60.0
"""Between two looks at what waits when nothing has happened: a wall clock may be set, a host may die."""
SOON_AFTER_S = 1.0
"""Until it is looked again whether a number may be called that had to wait for something near."""
STORE_PAUSE_S = 5.0
SWEEP_S = 3600.0


class Rounds:
    """One host's. All of it on the event loop.

    Args:
        settings: the section ``voicemail``.
        store: where messages are on record.
        book: keeps them.
        secretary: transcribes them and has them answered.
        now: seconds of the epoch.
    """

    def __init__(
        self, settings: Voicemail, store: Store, book: Book, secretary: Secretary, now: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._store = store
        self._book = book
        self._secretary = secretary
        self._now = now
        self._quiet = [parse_span(text) for text in settings.quiet_hours]
        self._zones = [*settings.time_zones.items()]
        self._tapes: CarrierTapes
        self._callbacks: CallBacks
        self._happened = asyncio.Event()
        self.waiting: Sequence[VoicemailRecord] = ()
        """What was to be done at the last look."""
        self._steps: dict[str, asyncio.Task[None]] = {}
        self._other: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._dialling = 0
        """Call-backs that were begun and are not under way yet."""
        self._swept_at = self._adopted_at = float("-inf")

    # --- life -------------------------------------------------------------------------------------

    def begin(self, tapes: CarrierTapes, callbacks: CallBacks) -> None:
        """Take up what waits."""
        self._tapes, self._callbacks = tapes, callbacks
        self._loop = asyncio.get_running_loop().create_task(self._go(), name="voicemail")

    @property
    def have_begun(self) -> bool:
        """Whether messages are being worked on."""
        return self._loop is not None

    async def aclose(self) -> None:
        """Stop where it is: each step that is broken off is taken up at the next start."""
        tasks = [task for task in (self._loop, *self._steps.values(), *self._other) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def look_again(self) -> None:
        """Something has happened."""
        self._happened.set()

    def is_at(self, voicemail_id: str) -> bool:
        """Whether something is being done for this message now."""
        return voicemail_id in self._steps

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the steps; then look again."""
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._other.add(task)
        task.add_done_callback(self._other.discard)

    def _begin(self, messages: Sequence[VoicemailRecord], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly_for(messages, work))
        for each in messages:
            self._steps[each.id] = task

    async def _quietly_for(self, messages: Sequence[VoicemailRecord], work: Coroutine[Any, Any, None]) -> None:
        try:
            await self._quietly(work)
        finally:
            for each in messages:
                self._steps.pop(each.id, None)

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
            self._happened.set()

    # --- what is next -----------------------------------------------------------------------------

    async def _go(self) -> None:
        while True:
            self._happened.clear()
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
                    await self._happened.wait()

    async def _look(self) -> float:
        """Begin what can be done now; seconds until there may be more."""
        await self._tidy_up()
        self.waiting = waiting = await self._store.voicemails.unfinished()
        now, later = self._now(), [LOOK_S]
        by_number: dict[str, list[VoicemailRecord]] = defaultdict(list)
        left: dict[str, list[VoicemailRecord]] = defaultdict(list)
        for each in waiting:
            if each.id in self._steps or each.id in self._book.live:
                continue
            if each.state == "due":
                by_number[each.callback_to].append(each)
            elif each.state == "dialling":
                if not self._callbacks.is_followed(each):
                    left[each.callback_call_id or each.id].append(each)
            elif each.next_at <= now:
                self._step(each, waiting)
            else:
                later.append(each.next_at - now)
        for group in left.values():
            self._begin(group, self._callbacks.settle_left(group))
        for number, group in by_number.items():
            later.append(self._call(number, group, now))
        return max(0.05, min(later))

    def _step(self, message: VoicemailRecord, waiting: Sequence[VoicemailRecord]) -> None:
        match message.state:
            case "recording" if message.source == "carrier":
                self._begin([message], self._tapes.look_for(message))
            case "recording":
                self._begin([message], self._book.keep(message.id))
            case "fetching":
                self._begin([message], self._tapes.fetch(message))
            case "recorded":
                self._begin([message], self._secretary.transcribe(message))
            case "asking":
                self._begin([message], self._secretary.resume(message))
            case "transcribed":
                theirs = [each for each in waiting if each.callback_to and each.callback_to == message.callback_to]
                if any(each.id < message.id and each.state in PREPARED for each in theirs):
                    return  # one after the other: the second answer knows of the first
                before = [each for each in theirs if each.id < message.id and each.answer]
                self._begin([message], self._secretary.answer(message, before))

    def _call(self, number: str, group: Sequence[VoicemailRecord], now: float) -> float:
        """Call back if it is time; seconds until it may be."""
        if any(self._is_preparing(each, number) for each in self.waiting) or self._callbacks.is_held(number):
            return SOON_AFTER_S
        hurried = any(each.hurried for each in group)
        due_in = max(each.next_at for each in group) - now
        if due_in > 0 and not hurried:
            return due_in
        too_old_s = self._settings.give_up_h * 3600
        old = [each for each in group if age_s(each, now) > too_old_s and each.reason != "requested"]
        if old:
            self._begin(group, self._callbacks.give_up(old, "too_old"))
            return LOOK_S
        allowed_at = self._allowed_at(number, now)
        if allowed_at > now + 1 and not hurried:
            self._begin(group, self._callbacks.put_off(group, allowed_at, "quiet_hours"))
            return LOOK_S
        if self._callbacks.under_way + self._dialling >= self._settings.callbacks_at_once:
            return SOON_AFTER_S
        self._dialling += 1
        self._begin(group, self._dial(group))
        return LOOK_S

    async def _dial(self, group: Sequence[VoicemailRecord]) -> None:
        self._dialling -= 1
        await self._callbacks.dial(group)

    def _is_preparing(self, message: VoicemailRecord, number: str) -> bool:
        """Whether the message will be answered by the same call soon."""
        theirs = message.callback_to == number and message.state in PREPARED
        return theirs and age_s(message, self._now()) < PREPARATION_S + self._settings.max_seconds

    def _allowed_at(self, number: str, now: float) -> float:
        """From when on the number may be called, seconds of the epoch."""
        zone = zone_of(number, self._zones, self._settings.time_zone)
        moment = first_outside(datetime.fromtimestamp(now, UTC), self._quiet, zone)
        return now + LOOK_S if moment is None else max(now, moment.timestamp())

    async def _tidy_up(self) -> None:
        """Take over what dead hosts left, and erase what is old, each now and then."""
        now = time.monotonic()
        if now - self._adopted_at >= LOOK_S:
            self._adopted_at = now
            await self._store.voicemails.adopt()
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        if self._settings.keep_days:
            before = rfc3339(datetime.fromtimestamp(self._now(), UTC) - timedelta(days=self._settings.keep_days))
            while old := await self._store.voicemails.old(before):
                for voicemail_id in old:
                    await self._book.drop(voicemail_id, "expired")
