"""CallRecorder: when a call is recorded and when not, and what is told of it.

Each stretch from a start to a stop is a part, with a file of its own. Where a notice is configured, who is recorded is
told so first: nothing is recorded before it has been spoken to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from openclaw_actors.actors.archive import Archive
from openclaw_actors.actors.floor import Floor
from openclaw_actors.actors.keys import Keys
from openclaw_actors.actors.recording import Outcome, Recording
from openclaw_actors.actors.stage import CallContext
from openclaw_actors.messages import Noticed, Record
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.stamps import now_rfc3339
from openclaw_actors.store.entries import RecordingEntry

_log = get_logger(__name__)

By = Literal["setting", "api", "resumed"]
"""Who wanted it: `calls.recording`, a program, or the recording of the call whose conversation goes on."""

MOST_PARTS = 100
"""Of one call; more are a program that runs in circles."""


class CallRecorder:
    """One call's. It belongs to the Call.

    Args:
        context: the call's.
        archive: where recordings go; None where there is none: then nothing is recorded, and that is told.
        floor: who speaks.
        keys: what the caller presses.
        publish: tells an event.
    """

    def __init__(
        self, context: CallContext, archive: Archive | None, floor: Floor, keys: Keys, publish: Callable[..., None]
    ) -> None:
        self._context = context
        self._archive = archive
        self._floor = floor
        self._keys = keys
        self._publish = publish
        self._recording: Recording | None = None
        self._parts: list[dict[str, Any]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._orphaned = False
        self._wanted_by: By | None = None
        """Who wants the recording that begins when the notice has been heard; None: nobody (any more)."""
        self._greets = False
        """The greeting comes behind the notice."""

    # --- what is wanted ---------------------------------------------------------------------------

    def answered(self, *, goes_on: bool, announces: bool = False) -> bool:
        """The call is there: begin, if it is to be recorded from its beginning.

        Args:
            goes_on: the call whose conversation goes on here was being recorded, and its caller has heard the notice.
            announces: somebody is told something and not listened to; with a notice that is not recorded.

        Returns:
            Whether a notice is spoken, and behind it, by itself, the greeting.
        """
        settings = self._context.settings
        if goes_on:
            self.start("resumed")
        elif settings.calls.recording and not settings.recordings.notice:
            self.start("setting")
        elif settings.calls.recording and not announces:
            self._greets = not self._floor.history
            self._notify("setting")
            return True
        return False

    def take(self, message: Record | Noticed) -> None:
        """Somebody wants it, or wants it no more, or has been told of it."""
        match message:
            case Record(True) if self.is_on:
                pass
            case Record(True) if self._context.settings.recordings.notice:
                self._notify("api")
            case Record(True):
                self.start("api")
            case Record(False):
                self._wanted_by = None
                self.stop("api")
            case Noticed():
                self._noticed(message)

    def _notify(self, by: By) -> None:
        self._wanted_by = by
        self._floor.notify(self._context.settings.recordings.notice)

    def _noticed(self, noticed: Noticed) -> None:
        by, self._wanted_by = self._wanted_by, None
        if by and noticed.whole and self._context.playout.speaking(noticed.turn):
            self.start(by)
        elif by:
            detail = "The notice was not heard to its end; record_start says it anew."
            self._publish("call.recording.failed", reason="notice_cut", detail=detail)
        if self._greets:
            self._greets = False
            self._floor.greet(self._context.greeting, noticed=True)

    def _is_secret(self) -> bool:
        """Whether what passes now is a PIN, or a number that is being pressed or sent: no recording may hold it."""
        return self._keys.are_being_entered or self._floor.is_closed or self._floor.is_sending_keys

    def _is_deaf(self) -> bool:
        return self._context.memory.deaf

    # --- parts ------------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether the call is being recorded."""
        return self._recording is not None

    def describe(self) -> list[dict[str, Any]]:
        """Its parts, as the API shows them."""
        return [dict(part) for part in self._parts]

    def start(self, by: By) -> None:
        """Begin a part, unless one is being recorded."""
        if self._recording is not None:
            return
        part = len(self._parts) + 1
        if self._archive is None or part > MOST_PARTS:
            detail = "this host keeps no recordings" if self._archive is None else f"{MOST_PARTS} parts are recorded"
            self._publish("call.recording.failed", reason="refused", detail=detail)
            return
        form = self._archive.settings.format
        path = self._archive.path(self._context.call_id, part, form)
        self._recording = Recording(
            self._archive, path, form, is_masked=self._is_secret, is_deaf=self._is_deaf, on_fault=self.stop
        )
        self._context.playout.taps.add(self._recording)
        known = {"file": path.name, "format": form, "state": "recording", "started_at": now_rfc3339()}
        self._keep(part, known)
        shown = {name: value for name, value in known.items() if name != "file"}
        self._parts.append({"part": part, **shown, "duration_ms": 0, "bytes": 0, "end_reason": ""})
        metrics.recordings_active.inc()
        self._publish("call.recording.started", part=part, format=form, by=by, started_at=known["started_at"])

    def stop(self, reason: str) -> None:
        """End the part; its file is there when the event says so."""
        recording, self._recording = self._recording, None
        if recording is None or self._archive is None:
            return
        self._context.playout.taps.remove(recording)
        metrics.recordings_active.dec()
        ending = self._archive.spawn(self._end(recording, len(self._parts), reason))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, recording: Recording, part: int, reason: str) -> None:
        outcome = await recording.stop(reason)
        known = {
            "state": "ready" if outcome.path is not None else "failed",
            "duration_ms": round(outcome.seconds * 1000),
            "bytes": outcome.size,
            "end_reason": outcome.reason,
        }
        self._parts[part - 1] |= known
        self._keep(part, known)
        metrics.recordings_total.labels(result=_result(outcome)).inc()
        if self._orphaned:
            return
        told = {name: known[name] for name in ("state", "duration_ms", "bytes")}
        self._publish("call.recording.stopped", part=part, reason=outcome.reason, **told)

    async def settle(self) -> None:
        """End what is being recorded, with the call, and return when its file is there."""
        self.stop("call_ended")
        if self._ending:
            await asyncio.wait(self._ending)

    def abandon(self) -> None:
        """The Call has crashed, and has told its end: finish the file without a word."""
        self._orphaned = True
        self.stop("call_ended")

    def _keep(self, part: int, values: dict[str, Any]) -> None:
        if self._archive is not None:
            self._archive.rows.write(RecordingEntry(self._context.call_id, part, now_rfc3339(), values))


def _result(outcome: Outcome) -> str:
    if outcome.reason in {"disk_full", "disk_slow", "limit", "failed"}:
        return outcome.reason
    return "completed" if outcome.path is not None else "failed"
