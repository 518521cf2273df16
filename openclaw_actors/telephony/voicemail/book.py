"""Book: where messages are kept. Takes them from callers, within its limits, and keeps their sound as files."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from openclaw_actors.actors.course import CallSpec
from openclaw_actors.actors.events import EventHub
from openclaw_actors.errors import RefusalError, StoreUnavailableError
from openclaw_actors.media.clips import known_clip
from openclaw_actors.media.codecs import Codec, Encoded, encode_phrase
from openclaw_actors.media.message_file import read_message, write_message
from openclaw_actors.messages import SAMPLE_RATE, Event
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Settings
from openclaw_actors.stamps import now_rfc3339, rfc3339, ulid
from openclaw_actors.store.database import beside
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.store.store import Store

_log = get_logger(__name__)

WORDS_S = 3.0
"""A caller waits so long for a line that could not be rendered in advance; then there is the tone alone."""
_PIECE = SAMPLE_RATE
"""Bytes written at once: half a second. What is not written yet when the host is killed is lost."""


def event(kind: str, **data: Any) -> Event:
    """An event of no call."""
    return Event(f"evt_{ulid()}", kind, now_rfc3339(), "", 0, data)


class Book:
    """The messages of one host; a MessageBook of actors/message_taker.py. All of it on the event loop.

    Args:
        settings: all settings.
        store: where they are on record.
        hub: told of them.
        render: makes a line; None where no voice speaks it.
        changed: called when there is something to do for a message.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        hub: EventHub,
        render: Callable[[Codec, str], Awaitable[Encoded | None]],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings.voicemail
        self._store = store
        self._hub = hub
        self._render = render
        self.changed = changed
        self._folder = sound_folder(settings)
        self._pool = ThreadPoolExecutor(1, "messages")
        self._lines: dict[tuple[str, str], tuple[bytes, ...]] = {}
        self._tones: dict[str, tuple[bytes, ...]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.live: set[str] = set()
        """Messages that are being left now, to this process."""

    def open(self) -> None:
        """Make the folder.

        Raises:
            OSError: it can't be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def aclose(self) -> None:
        """Return when all is on the disk."""
        await asyncio.gather(*self._closing, return_exceptions=True)
        self._pool.shutdown(wait=True)

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do what the loop has no time for, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    # --- what the caller hears --------------------------------------------------------------------

    @property
    def lines(self) -> Sequence[str]:
        """What should be rendered before anybody calls."""
        return self._settings.greeting, self._settings.goodbye, self._settings.mailbox_full

    async def words(self, codec: Codec, text: str) -> tuple[bytes, ...]:
        """As MessageBook.words; one of ``lines`` that was rendered once needs no voice any more."""
        key = codec.name, text
        if key not in self._lines and text:
            found: Encoded | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WORDS_S):
                    found = await self._render(codec, text)
            if found is None:
                return ()
            if text not in self.lines:
                return tuple(found.packets)
            self._lines[key] = tuple(found.packets)
        return self._lines.get(key, ())

    async def tone(self, codec: Codec) -> tuple[bytes, ...]:
        """As MessageBook.tone."""
        if codec.name not in self._tones:
            clip = known_clip("beep")
            encoded = await self.in_thread(encode_phrase, codec, clip.sample_rate, clip.pcm)
            self._tones[codec.name] = tuple(encoded.packets)
        return self._tones[codec.name]

    # --- taking a message -------------------------------------------------------------------------

    async def open_tape(self, spec: CallSpec) -> MessageTape:
        """As MessageBook.open_tape."""
        party = spec.party
        await self._make_room(party)
        record = VoicemailRecord(
            f"vm_{ulid()}",
            "recording",
            "stream",
            now_rfc3339(),
            caller=party,
            callee=spec.caller if spec.party == spec.callee else spec.callee,
            agent=spec.profile.agent,
            language=spec.profile.language,
            transport=spec.peer.transport,
            call_id=spec.call_id,
            carrier_call_id=spec.carriage.call_id,
            callback_to=party if party.startswith("+") else "",
        )
        await self._store.voicemails.add(record)
        self.live.add(record.id)
        return MessageTape(self, record.id, self._raw(record.id))

    async def _make_room(self, caller: str) -> None:
        """See whether one more may be kept.

        Raises:
            RefusalError: 503 ``mailbox_full``, or the store's.
        """
        since = rfc3339(datetime.now(UTC) - timedelta(days=1))
        use = await self._store.voicemails.use(caller, since)
        settings = self._settings
        full = {
            "voicemail.max_messages": use.messages >= settings.max_messages,
            "voicemail.max_bytes": use.bytes >= settings.max_bytes,
            "voicemail.max_per_caller": use.of_caller >= settings.max_per_caller,
        }
        for name, is_full in full.items():
            if is_full:
                metrics.voicemails_total.labels(result="refused").inc()
                raise RefusalError(503, "mailbox_full", f"No more messages are kept; see {name}.")

    def recorded(self, voicemail_id: str, seconds: float | None, voiced_s: float | None) -> None:
        """A message is complete: keep it. Done to its end whatever becomes of its call."""
        task = asyncio.get_running_loop().create_task(self._keep_quietly(voicemail_id, seconds, voiced_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _keep_quietly(self, voicemail_id: str, seconds: float | None, voiced_s: float | None) -> None:
        try:
            await self.keep(voicemail_id, seconds, voiced_s)
        except (StoreUnavailableError, OSError) as error:
            # The row says "recording" and the disk has the sound: it is found there later.
            _log.error("a message could not be put on record yet", voicemail_id=voicemail_id, reason=str(error))
        finally:
            self.live.discard(voicemail_id)
            self.changed()

    async def settle(self) -> None:
        """Return when what was complete before is kept."""
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def keep(self, voicemail_id: str, seconds: float | None = None, voiced_s: float | None = None) -> None:
        """Make the file of what was recorded, and put that on record; without a word in it the message is erased.

        Args:
            voicemail_id: of a message in ``recording``.
            seconds: how much of it is to be kept; None: all.
            voiced_s: how much of it is voice; None: nobody has listened.
        """
        raw = self._raw(voicemail_id)
        pcm: bytes = await self.in_thread(_read, raw)
        if seconds is not None:
            pcm = pcm[: round(seconds * SAMPLE_RATE) * 2]
        length_s = len(pcm) / 2 / SAMPLE_RATE
        if (length_s if voiced_s is None else voiced_s) < self._settings.min_seconds:
            await self.drop(voicemail_id, "empty")
            return
        await self.keep_sound(voicemail_id, ("recording",), pcm)
        await self.in_thread(_remove, raw)

    async def keep_sound(self, voicemail_id: str, states: Sequence[str], pcm: bytes) -> None:
        """Make the file of ``pcm`` (s16 mono at 16 kHz), and put on record that the message has come."""
        size = await self.in_thread(write_message, pcm, self.sound(voicemail_id))
        record = await self._store.voicemails.read(voicemail_id)
        if record is None:
            await self.in_thread(_remove, self.sound(voicemail_id))
            return
        seconds = round(len(pcm) / 2 / SAMPLE_RATE, 2)
        told = event(
            "voicemail.received",
            voicemail_id=voicemail_id,
            call_id=record.call_id,
            seconds=seconds,
            **{"from": record.caller, "to": record.callee},
        )
        if await self.advance(
            [voicemail_id], states, told, state="recorded", tries=0, next_at=0.0, seconds=seconds, bytes=size
        ):
            metrics.voicemails_total.labels(result="received").inc()

    async def advance(
        self, ids: Sequence[str], states: Sequence[str], *events: Event, of_call: str | None = None, **values: Any
    ) -> bool:
        """As Voicemails.advance; then the events are told."""
        done = await self._store.voicemails.advance(ids, states, events, of_call=of_call, **values)
        if done:
            for each in events:
                self._hub.publish(each)
            self.changed()
        return done

    # --- files ------------------------------------------------------------------------------------

    def sound(self, voicemail_id: str) -> Path:
        """The file of a message that is complete."""
        return self._folder / f"{voicemail_id}.ogg"

    def _raw(self, voicemail_id: str) -> Path:
        return self._folder / f"{voicemail_id}.pcm"

    async def pcm(self, voicemail_id: str) -> bytes:
        """The sound of a message: s16 mono at 16 kHz.

        Raises:
            ValueError: the file is broken.
            OSError: it can't be read.
        """
        longest = self._settings.max_seconds + 10.0

        def read() -> bytes:
            return read_message(self.sound(voicemail_id).read_bytes(), longest)

        pcm: bytes = await self.in_thread(read)
        return pcm

    async def erase(self, voicemail_id: str, states: Sequence[str] = ()) -> bool:
        """Remove a message (in one of ``states``) and its sound; False when there is none."""
        if not await self._store.voicemails.erase(voicemail_id, states):
            return False
        for path in (self.sound(voicemail_id), self._raw(voicemail_id)):
            await self.in_thread(_remove, path)
        return True

    async def drop(self, voicemail_id: str, result: str) -> None:
        """It is no message after all, or may not be kept."""
        if await self.erase(voicemail_id):
            metrics.voicemails_total.labels(result=result).inc()


class MessageTape:
    """One message while it is left; a Tape of actors/message_taker.py."""

    def __init__(self, book: Book, voicemail_id: str, path: Path) -> None:
        self._book = book
        self._id = voicemail_id
        self._path = path
        self._pending = bytearray()
        self._over = False

    def write(self, pcm: bytes) -> None:
        """As Tape.write."""
        self._pending += pcm
        if len(self._pending) >= _PIECE:
            self._flush()

    async def close(self, seconds: float, voiced_s: float) -> None:
        """As Tape.close."""
        self._end(seconds, voiced_s)
        await self._book.settle()

    def abandon(self) -> None:
        """As Tape.abandon."""
        self._end(None, None)

    def _end(self, seconds: float | None, voiced_s: float | None) -> None:
        if self._over:
            return
        self._over = True
        self._flush()
        self._book.recorded(self._id, seconds, voiced_s)

    def _flush(self) -> None:
        piece = bytes(self._pending)
        self._pending.clear()
        # The pool has one thread: pieces are written in their order, and before they are read.
        writing = asyncio.ensure_future(self._book.in_thread(_append, self._path, piece))
        writing.add_done_callback(_tell_failure)


def _tell_failure(writing: asyncio.Future[Any]) -> None:
    if not writing.cancelled() and (error := writing.exception()) is not None:
        _log.error("a part of a message could not be written", reason=str(error))


def _append(path: Path, piece: bytes) -> None:
    with path.open("ab") as file:
        file.write(piece)
    path.chmod(0o600)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def sound_folder(settings: Settings) -> Path:
    """Where the sound is: beside SQLite's file, unless the settings say otherwise."""
    if settings.voicemail.dir:
        return Path(settings.voicemail.dir)
    return beside(settings.store.url) / "voicemails"
