"""CarrierTapes: messages that a carrier records in our place, on their way here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.message_file import read_message
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Voicemail
from openclaw_actors.stamps import now_rfc3339, ulid
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.voicemail.book import Book, event
from openclaw_actors.telephony.voicemail.states import STEP_TRIES, age_s, step_after_s

_log = get_logger(__name__)

GRACE_S = 60.0
"""After a carrier's recording must be over, before it is asked what has become of it: its callback was lost."""
LONGEST_S = 3600.0
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


class CarrierTapes:
    """One host's. All of it on the event loop.

    Args:
        settings: the section ``voicemail``.
        store: where messages are on record.
        book: keeps what has come.
        spawn: runs what takes time.
        now: seconds of the epoch.
    """

    def __init__(
        self,
        settings: Voicemail,
        store: Store,
        book: Book,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._store = store
        self._book = book
        self._spawn = spawn
        self._now = now
        self.carrier: CarrierRecordings | None = None
        """None: no carrier that records is configured, and what one has of ours waits."""

    def begin(self, carrier: str, carrier_call_id: str, caller: str, callee: str, agent: str) -> str:
        """The carrier takes a message; its id, which the carrier's callback names."""
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
            next_at=self._now() + self._settings.max_seconds + GRACE_S,
        )
        self._spawn(self._store.voicemails.add(record))
        return record.id

    def told(self, voicemail_id: str, recording_id: str) -> None:
        """The carrier's callback: it has the recording. An empty ``recording_id``: there was nothing to record."""
        self._spawn(self._recorded(voicemail_id, recording_id))

    async def _recorded(self, voicemail_id: str, recording_id: str) -> None:
        if not recording_id:
            await self._book.drop(voicemail_id, "empty")
            return
        await self._book.advance(
            [voicemail_id], ["recording"], state="fetching", recording_id=recording_id, next_at=0.0
        )

    async def look_for(self, message: VoicemailRecord) -> None:
        """Ask the carrier what has become of one of which it has told nothing."""
        if self.carrier is None:
            return
        try:
            found = await self.carrier.recordings_of(message.carrier_call_id)
        except RefusalError as refusal:
            _log.warning("the carrier can't be asked for a recording", voicemail_id=message.id, detail=refusal.detail)
            found = []
        if found:
            await self._recorded(message.id, found[0])
        elif age_s(message, self._now()) > LONGEST_S:
            await self._book.drop(message.id, "empty")
        else:
            await self._book.advance([message.id], ["recording"], next_at=self._now() + GRACE_S)

    async def fetch(self, message: VoicemailRecord) -> None:
        """Bring the recording here, then have the carrier forget it."""
        if self.carrier is None:
            return
        try:
            data = await self.carrier.recording(message.recording_id)
            pcm: bytes = await self._book.in_thread(read_message, data, self._settings.max_seconds + 10.0)
        except (RefusalError, ValueError) as error:
            await self._again(message, error)
            return
        if len(pcm) / 32_000 < self._settings.min_seconds:
            await self._book.drop(message.id, "empty")
        else:
            await self._book.keep_sound(message.id, ("fetching",), pcm)
        with contextlib.suppress(RefusalError):
            await self.carrier.erase_recording(message.recording_id)

    async def _again(self, message: VoicemailRecord, error: Exception) -> None:
        tries = message.tries + 1
        if tries >= STEP_TRIES:
            _log.error("a recording is left at the carrier", voicemail_id=message.id, reason=str(error))
            told = event("callback.failed", voicemail_ids=[message.id], to=message.callback_to, reason="sound_lost")
            await self._book.advance([message.id], ["fetching"], told, state="kept", reason="sound_lost")
            return
        at = self._now() + step_after_s(tries)
        await self._book.advance([message.id], ["fetching"], tries=tries, next_at=at)
