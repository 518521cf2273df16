"""Steering: what programs and the caller's own client do to a live call beside talking on it.

Two of them may steer one call without knowing of each other: what is so already changes nothing, and no event tells
of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from openclaw_actors.actors.floor import Floor
from openclaw_actors.actors.stage import CallContext
from openclaw_actors.media.hold_music import HoldSound
from openclaw_actors.media.tones import check_digits
from openclaw_actors.messages import Hold, Mute, PlayAudio, SayText, SendDtmf, SendText, Silence, Unhold
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

Steer = SayText | SendText | Silence | Mute | Hold | Unhold | SendDtmf | PlayAudio

HoldSounds = Mapping[tuple[str, HoldSound], tuple[bytes, ...]]
"""The loops of media/hold_music.py by codec name and kind; what is not rendered yet is silence."""


class Steering:
    """One call's. It belongs to the Call.

    Args:
        context: the call's.
        floor: who speaks.
        publish: tells an event.
        hold_sounds: what can be heard on hold.
    """

    def __init__(
        self, context: CallContext, floor: Floor, publish: Callable[..., None], hold_sounds: HoldSounds
    ) -> None:
        self._context = context
        self._floor = floor
        self._publish = publish
        self._hold_sounds = hold_sounds
        self._sound: HoldSound = "music"
        self._held_at = 0.0
        self._held_until = 0.0
        """When the hold ends by itself; 0: it does not."""

    def steer(self, message: Steer) -> None:
        """Do it."""
        memory = self._context.memory
        match message:
            case SayText(text):
                self._floor.speak(text)
            case SendText(text):
                self._floor.typed(text)
            case Silence():
                self._floor.silence()
            case PlayAudio():
                self._floor.play(message)
            case SendDtmf(digits):
                self._send_keys(digits)
            case Mute(on) if on != memory.muted:
                memory.muted = on
                self._publish("call.muted" if on else "call.unmuted")
            case Hold(sound, seconds) if not memory.held:
                self._hold(sound, seconds)
            case Unhold() if memory.held:
                self._floor.unhold()
                self._publish("call.resumed", held_ms=round((time.monotonic() - self._held_at) * 1000))

    def tick(self, now: float) -> None:
        """Once a second: end a hold that was to last so long, and say so."""
        if self._context.memory.held and self._held_until and now >= self._held_until:
            self.steer(Unhold())
            if line := self._context.settings.agent.back_from_hold:
                self._floor.speak(line)

    def _hold(self, sound: HoldSound, seconds: float) -> None:
        self._sound, self._held_at = sound, time.monotonic()
        self._held_until = self._held_at + seconds if seconds else 0.0
        self._floor.hold(self._loop())
        self._publish("call.held", sound=sound)

    def _loop(self) -> tuple[bytes, ...]:
        return self._hold_sounds.get((self._context.playout.codec.name, self._sound), ())

    def _send_keys(self, digits: str) -> None:
        try:
            keys = check_digits(digits)
        except ValueError as error:
            _log.warning("keys that can't be sent", reason=str(error))
        else:
            self._floor.play(SendDtmf(keys))

    def codec_changed(self) -> None:
        """The playout's codec is another one from now on: so is what is heard on hold."""
        if self._context.memory.held:
            self._context.playout.hold(self._loop())
