"""``/v1/calls/{call_id}/recording``: the sound of a call."""

from __future__ import annotations

from aiohttp import hdrs, web

from openclaw_actors.actors.archive import Archive
from openclaw_actors.actors.board import Board
from openclaw_actors.api.bodies import read_query
from openclaw_actors.api.models import RecordingQuery
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.sound_file import CONTENT_TYPES, SoundFormat
from openclaw_actors.store.records import RecordingRecord
from openclaw_actors.store.store import Store


class RecordingResources:
    """Recordings as resources.

    Args:
        board: the calls that live.
        store: which recordings there are.
        archive: their files; None where none are kept.
    """

    def __init__(self, board: Board, store: Store, archive: Archive | None) -> None:
        self._board = board
        self._store = store
        self._archive = archive

    async def read(self, request: web.Request) -> web.StreamResponse:
        """``GET /v1/calls/{call_id}/recording``: the file, whole or a range of it."""
        call_id = request.match_info["call_id"]
        part = read_query(request, RecordingQuery).part
        found = await self._find(call_id, part)
        path = None if self._archive is None else await self._archive.find(found.file)
        if path is None:
            raise RefusalError(404, "no_recording", "Its file is not on this host any more.")
        form: SoundFormat = "wav" if found.format == "wav" else "opus"
        return web.FileResponse(
            path,
            headers={
                hdrs.CONTENT_TYPE: CONTENT_TYPES[form],
                hdrs.CONTENT_DISPOSITION: f'attachment; filename="{path.name}"',
                hdrs.CACHE_CONTROL: "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def erase(self, call_id: str) -> None:
        """Remove the files of a call that is over.

        Raises:
            StoreUnavailableError: the disk does not let go of one.
        """
        if self._archive is not None:
            await self._archive.erase(call_id)

    async def _find(self, call_id: str, part: int) -> RecordingRecord:
        parts = await self._store.recordings(call_id)
        found = next((each for each in parts if each.part == part), None)
        if found is None:
            if not self._board.knows(call_id) and await self._store.call(call_id) is None:
                raise no_such_call()
            raise _none(part)
        if found.state == "recording":
            raise RefusalError(
                409, "still_recording", "It is being recorded; stop it first, or wait until the call has ended."
            )
        if found.state == "expired":
            raise RefusalError(410, "recording_expired", "It was kept for recordings.retain_days and is removed.")
        if found.state != "ready":
            raise RefusalError(404, "no_recording", f"The recording failed ({found.end_reason}): there is no file.")
        return found


def no_such_call() -> RefusalError:
    """404."""
    return RefusalError(404, "no_such_call", "There is no such call; it may have been erased.")


def _none(part: int) -> RefusalError:
    what = "The call was not recorded." if part == 1 else f"The call has no recording number {part}."
    return RefusalError(404, "no_recording", what)
