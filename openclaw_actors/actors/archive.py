"""Archive: the folder of recordings, and what becomes of the files in it.

A file has its call's id in its name, so that it is found and erased without asking anybody. While it is being made its
name ends in ``.part``: what a killed host has left is known by that, and finished at the next start.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from openclaw_actors.errors import StoreUnavailableError
from openclaw_actors.media.sound_file import SUFFIXES, SoundFormat, repair
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Recordings
from openclaw_actors.stamps import now_rfc3339, rfc3339
from openclaw_actors.store.entries import RecordingEntry
from openclaw_actors.store.records import FINAL_STATUSES, RecordingRecord

_log = get_logger(__name__)

PART = ".part"
SWEEP_S = 3600.0
ORPHAN_S = 3600.0
"""A file whose call nobody has on record is left alone for so long: the record may be waiting for the database."""
_NAME = re.compile(r"(call_[0-9A-Z]{26}(?:-[a-z0-9]{1,24})?)\.([1-9][0-9]{0,3})\.(ogg|wav)(\.part)?")
_STATUSES_AT_ONCE = 500

Result = TypeVar("Result")


class RecordingRows(Protocol):
    """What is needed of the store."""

    def write(self, entry: RecordingEntry) -> None:
        """As Store.write."""

    async def statuses(self, call_ids: list[str]) -> dict[str, str]:
        """As Store.statuses."""

    async def old_recordings(self, started_before: str) -> list[RecordingRecord]:
        """As Store.old_recordings."""


class Archive:
    """The files of one host. Belongs to the running loop; its work is done in threads.

    Args:
        settings: the section ``recordings``.
        folder: where the files are; made when the first one is.
        rows: the records of recordings.
    """

    def __init__(self, settings: Recordings, folder: Path, rows: RecordingRows) -> None:
        self.settings = settings
        self.folder = folder
        self.rows = rows
        self.pool = ThreadPoolExecutor(1, "recordings")
        """Writes what is being recorded: 0.6 % of a core a call, of which two thirds are libopus', without the GIL."""
        self._old = ThreadPoolExecutor(1, "recordings-old")
        self._sweeping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do this to its end, whatever becomes of the call that it is for."""
        task = asyncio.get_running_loop().create_task(work, name="recording")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def path(self, call_id: str, part: int, form: SoundFormat) -> Path:
        """The finished file's."""
        return self.folder / f"{call_id}.{part}{SUFFIXES[form]}"

    def begin_sweeping(self) -> None:
        """Finish what a killed host has left, then keep the folder clean, once an hour."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep_hourly(), name="recordings sweep")

    async def aclose(self) -> None:
        """Stop, when all files are finished."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        self.pool.shutdown(wait=True)
        self._old.shutdown(wait=True)

    async def find(self, name: str) -> Path | None:
        """The file of this name, if it is there."""
        if not _NAME.fullmatch(name):
            return None
        path = self.folder / name
        return path if await self._in_thread(path.is_file) else None

    async def erase(self, call_id: str) -> None:
        """Remove all files of a call.

        Raises:
            StoreUnavailableError: the disk does not let go of one; then nothing else should be forgotten either.
        """
        try:
            await self._in_thread(_remove, self.folder, call_id)
        except OSError as error:
            _log.exception("a recording can't be erased", call_id=call_id)
            raise StoreUnavailableError("A recording could not be erased; see the log of this host.") from error

    # --- the sweep --------------------------------------------------------------------------------

    async def _sweep_hourly(self) -> None:
        while True:
            try:
                await self.sweep(datetime.now(UTC))
            except (StoreUnavailableError, OSError) as error:
                _log.warning("recordings could not be swept; the next try is in an hour", reason=str(error))
            await asyncio.sleep(SWEEP_S)

    async def sweep(self, now: datetime) -> None:
        """Finish what was cut short, remove what has been kept long enough, and what belongs to no call any more.

        Raises:
            StoreUnavailableError: the records can't be read.
            OSError: nor can the folder.
        """
        names = await self._in_thread(_list, self.folder)
        found = [match for name in names if (match := _NAME.fullmatch(name))]
        statuses = await self._statuses(sorted({match[1] for match in found}))
        for match in found:
            path = self.folder / match[0]
            status = statuses.get(match[1])
            if status is None:
                await self._in_thread(_remove_if_old, path, now.timestamp() - ORPHAN_S)
            elif match[4] and status in FINAL_STATUSES:
                await self._finish(path, match[1], int(match[2]))
        if self.settings.retain_days:
            await self._expire(now - timedelta(days=self.settings.retain_days))

    async def _statuses(self, call_ids: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for first in range(0, len(call_ids), _STATUSES_AT_ONCE):
            found |= await self.rows.statuses(call_ids[first : first + _STATUSES_AT_ONCE])
        return found

    async def _finish(self, part: Path, call_id: str, number: int) -> None:
        """A recording whose host was killed, or whose last write failed."""
        path = part.with_name(part.name.removesuffix(PART))
        values: dict[str, Any] = {"end_reason": "host_restarted"}
        try:
            seconds, size = await self._in_thread(_repair, part, path)
        except (ValueError, OSError) as error:
            _log.warning("a recording that was cut short can't be finished", file=part.name, reason=str(error))
            values |= {"state": "failed"}
            await self._in_thread(partial(part.unlink, missing_ok=True))
            metrics.recordings_total.labels(result="failed").inc()
        else:
            _log.info("a recording that was cut short is finished", file=path.name, seconds=round(seconds, 1))
            values |= {"state": "ready", "file": path.name, "duration_ms": round(seconds * 1000), "bytes": size}
            values |= {"format": next(form for form, suffix in SUFFIXES.items() if suffix == path.suffix)}
            metrics.recordings_total.labels(result="recovered").inc()
        self.rows.write(RecordingEntry(call_id, number, now_rfc3339(), values))

    async def _expire(self, before: datetime) -> None:
        old = await self.rows.old_recordings(rfc3339(before))
        for recording in old:
            await self._in_thread(partial((self.folder / recording.file).unlink, missing_ok=True))
            values = {"state": "expired", "bytes": 0}
            self.rows.write(RecordingEntry(recording.call_id, recording.part, now_rfc3339(), values))
        if old:
            _log.info("old recordings are removed", recordings=len(old), retain_days=self.settings.retain_days)

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._old, work, *arguments)


def _list(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _files(folder: Path, call_id: str) -> Iterable[Path]:
    for name in _list(folder):
        match = _NAME.fullmatch(name)
        if match and match[1] == call_id:
            yield folder / name


def _remove(folder: Path, call_id: str) -> None:
    for path in _files(folder, call_id):
        path.unlink(missing_ok=True)


def _remove_if_old(path: Path, before: float) -> None:
    if path.exists() and path.stat().st_mtime < before:
        path.unlink(missing_ok=True)
        _log.info("a recording of a call that is not on record is removed", file=path.name)


def _repair(part: Path, path: Path) -> tuple[float, int]:
    seconds = repair(part, path)
    return seconds, path.stat().st_size
