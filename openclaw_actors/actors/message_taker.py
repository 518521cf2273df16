"""MessageTaker: a call on which nobody talks with the caller; they hear a line and a tone, and leave a message.

It has no stages: a playout, a recorder and a voice detector are all of it, so it works when no engine does, and beside
the calls that fill the host. The message is on record before the tone, and its sound goes to the disk as it comes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pykka

from openclaw_actors.actors.course import CallSpec, Course
from openclaw_actors.actors.events import EventHub, EventLog
from openclaw_actors.actors.loop_actor import LoopActor
from openclaw_actors.actors.peer_ear import PeerEar
from openclaw_actors.errors import RefusalError
from openclaw_actors.media.codecs import Codec
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import (
    SAMPLE_RATE,
    AudioIn,
    Describe,
    Dialled,
    Dtmf,
    Ended,
    HangUp,
    MediaStarted,
    PeerEnded,
    PeerState,
    Rejoin,
    Tick,
    ToneOver,
    Unwanted,
)
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings import Settings
from openclaw_actors.turns.vad import WINDOW, SileroVad

_log = get_logger(__name__)

TICK_S = 1.0
_VOICED = 0.5
"""Silero's own threshold, as in turns/endpointing.py."""
_FULL_SCALE = np.float32(1 / 32_768)
_TAIL_S = 0.5
"""Kept after the last voice: a final consonant is softer than the detector hears."""
_NO_ENGINES = {"stt": "", "agent": "", "tts": ""}


class Tape(Protocol):
    """Where one message goes."""

    def write(self, pcm: bytes) -> None:
        """The next sound: s16 mono at 16 kHz. Never blocks."""

    async def close(self, seconds: float, voiced_s: float) -> None:
        """The message is complete: its first ``seconds`` are to be kept, ``voiced_s`` of which are voice."""

    def abandon(self) -> None:
        """Nobody will close it: what there is of it is the message."""


class MessageBook(Protocol):
    """Where messages are kept (telephony/voicemail)."""

    async def open_tape(self, spec: CallSpec) -> Tape:
        """Put a message on record that is about to be left in this call.

        Raises:
            RefusalError: there is no room for it, or it can't be put on record.
        """

    async def words(self, codec: Codec, text: str) -> tuple[bytes, ...]:
        """A line as packets; none where no voice speaks it in time."""

    async def tone(self, codec: Codec) -> tuple[bytes, ...]:
        """The tone after which one speaks, as packets."""


class MessageTaker(LoopActor):
    """One such call. The Switchboard starts it in place of a Call and hears its end."""

    patient = frozenset({AudioIn})

    def __init__(
        self, spec: CallSpec, settings: Settings, hub: EventHub, book: MessageBook, switchboard: pykka.ActorRef[Any]
    ) -> None:
        super().__init__()
        self.spec = spec
        self.peer = spec.peer
        self.log = _log.bind(call_id=spec.call_id)
        self._settings = settings
        self._book = book
        self._switchboard = switchboard
        self._playout = Playout(spec.peer.codec, lambda: None)
        self._events = EventLog(spec.call_id, hub, self._send_to_client)
        self._ear = PeerEar(self.actor_ref, 1, self._playout.taps)
        self._course = Course(spec, _NO_ENGINES, self._events.publish)
        self._media_state = "new"
        self._closing = False
        self._tape: Tape | None = None
        self._opened = False
        self._speaks = False
        """The tone is over: what comes is the message."""
        self._vad = SileroVad()
        self._window = b""
        self._samples = self._voiced_to = self._voiced = 0
        self._loop = asyncio.get_running_loop()

    # --- life -------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Put the message on record while the line is set up."""
        self._course.begin()
        self._ear.transport = self.actor_ref
        self.peer.attach(self._playout, self._ear)
        self.spawn(self._open())
        self._later(TICK_S, Tick())

    async def _open(self) -> None:
        try:
            self._tape = await self._book.open_tape(self.spec)
        except RefusalError as refusal:
            self.log.warning("a message can't be taken", code=refusal.code, detail=refusal.detail)
        self._opened = True
        if self._course.is_answered:
            self.spawn(self._greet())

    def on_down(self, reason: BaseException | None, unread: list[Any]) -> None:  # noqa: ARG002 - nobody re-reads it
        """Tell the Switchboard, once, however it ended; it closes a peer that is still open."""
        if self._tape is not None:
            self._tape.abandon()
        if reason is not None:
            self._course.end("failed", "internal_error")
            self._course.tell_end()
        self._tell_switchboard(Ended(self.spec.call_id, self._course.status, self._course.end_reason))

    def _tell_switchboard(self, message: Any) -> None:
        try:
            self._switchboard.tell(message)
        except pykka.ActorDeadError:
            self.log.debug("the switchboard has ended before its call")

    def _send_to_client(self, event: Mapping[str, Any]) -> None:
        self.peer.send_event(event)

    def _later(self, delay: float, message: Any) -> None:
        self._loop.call_later(delay, self._tell_self, message)

    def _tell_self(self, message: Any) -> None:
        if not self.actor_stopped.is_set():
            self.actor_ref.tell(message)

    # --- mail -------------------------------------------------------------------------------------

    def on_receive(self, message: Any) -> Any:
        """One line a kind of mail; what steers a conversation finds none here."""
        if isinstance(message, Describe):
            return self._describe()
        if isinstance(message, Rejoin):
            self._tell_switchboard(Unwanted(message.peer))
        elif isinstance(message, PeerState | PeerEnded | Dialled | MediaStarted | HangUp):
            self._line(message)
        elif not self._closing:
            self._own(message)
        return None

    def _own(self, message: Any) -> None:
        match message:
            case AudioIn():
                self._hear(message)
            case ToneOver():
                self._tone_over()
            case Dtmf(digits) if "#" in digits and self._speaks:
                self._say_goodbye()
            case Tick():
                self._tick()

    def _line(self, message: PeerState | PeerEnded | Dialled | MediaStarted | HangUp) -> None:
        if self._closing:
            return
        match message:
            case PeerState():
                self._peer_state(message.state)
            case PeerEnded():
                self._end(message.status, message.reason)
            case Dialled():
                self._course.dialled(message.carrier_call_id)
            case MediaStarted():
                self._events.publish("call.media.connected")
            case HangUp():
                self._end("canceled" if self._course.is_unanswered else "completed", message.reason)

    def _peer_state(self, state: str) -> None:
        if state == "ringing":
            self._course.ringing()
            return
        self._media_state = state
        if state == "connected" and self._course.answered() and self._opened:
            self.spawn(self._greet())
        elif state in {"failed", "closed"}:
            self._end("completed" if self._course.is_answered else "failed", f"peer_{state}")

    # --- the message ------------------------------------------------------------------------------

    async def _greet(self) -> None:
        voicemail, codec = self._settings.voicemail, self._playout.codec
        if self._tape is None:
            self._playout.play_clip(await self._book.words(codec, voicemail.mailbox_full))
            self._hang_up_after_words("mailbox_full")
            return
        own = self.spec.profile.greeting if self.spec.direction == "outbound" else None
        self._playout.play_clip(await self._book.words(codec, own or voicemail.greeting))
        self._playout.play_clip(await self._book.tone(codec))
        self._tone_over()

    def _tone_over(self) -> None:
        """Look whether all has been heard; the far end's buffer may still hold some of it."""
        left_s = self._playout.clip_seconds
        if left_s:
            self._later(left_s, ToneOver())
        else:
            self._speaks = True

    def _hear(self, frame: AudioIn) -> None:
        if not self._speaks or self._tape is None:
            return
        self._tape.write(frame.pcm)
        self._samples += len(frame.pcm) // 2
        self._window += frame.pcm
        while len(self._window) >= 2 * WINDOW:
            window, self._window = self._window[: 2 * WINDOW], self._window[2 * WINDOW :]
            if self._vad.probability(np.frombuffer(window, np.int16) * _FULL_SCALE) >= _VOICED:
                self._voiced += WINDOW
                self._voiced_to = self._samples
        settings = self._settings.voicemail
        quiet = self._samples - self._voiced_to > settings.silence_s * SAMPLE_RATE
        if quiet or self._samples >= settings.max_seconds * SAMPLE_RATE:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        self._speaks = False
        self.spawn(self._goodbye())

    async def _goodbye(self) -> None:
        await self._close_tape()
        self._playout.play_clip(await self._book.words(self._playout.codec, self._settings.voicemail.goodbye))
        self._hang_up_after_words("message_taken")

    def _hang_up_after_words(self, reason: str) -> None:
        # A far end that buffers has its own idea of when it has played all: a moment more costs nothing.
        self._later(self._playout.clip_seconds + 0.2, HangUp(reason))

    async def _close_tape(self) -> None:
        tape, self._tape = self._tape, None
        if tape is not None:
            kept = min(self._samples, self._voiced_to + round(_TAIL_S * SAMPLE_RATE))
            await tape.close(kept / SAMPLE_RATE, self._voiced / SAMPLE_RATE)

    # --- the end ----------------------------------------------------------------------------------

    def _tick(self) -> None:
        now, calls, course = time.monotonic(), self._settings.calls, self._course
        if course.rings_too_long:
            self._end("no-answer", "ring_timeout")
        elif course.is_answered and now - max(self._ear.media_at, course.answered_at) > calls.no_media_timeout_s:
            self._end("completed", "no_media")
        elif course.is_answered and now - course.answered_at > calls.max_duration_s:
            self._end("completed", "max_duration")
        else:
            self._later(TICK_S, Tick())

    def _end(self, status: str, reason: str) -> None:
        if status == "completed" and self._course.is_unanswered:
            status, reason = "failed", "no_stream"
        self._closing = True
        self._course.end(status, reason)
        self.spawn(self._close())

    async def _close(self) -> None:
        await self._close_tape()
        self._ear.retire()
        self._course.tell_end()
        await self.peer.aclose()
        self.log.info("call ended", status=self._course.status, reason=self._course.end_reason)
        self.stop()

    def _describe(self) -> dict[str, Any]:
        return {
            **self._course.describe(),
            "media_state": self._media_state,
            "muted": False,
            "held": False,
            "transport": self.peer.transport,
            "engines": {},
            "restarts": {},
            "latency": {},
            "stages": {},
        }
