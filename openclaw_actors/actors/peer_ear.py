"""What a peer tells its Call, turned into mail: audio goes straight to the Transport, the rest to the Call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import pykka

from openclaw_actors.errors import RefusalError
from openclaw_actors.media.taps import Taps
from openclaw_actors.messages import (
    AudioIn,
    Dtmf,
    HangUp,
    MediaStarted,
    Mute,
    PeerEnded,
    PeerState,
    SayText,
    SendText,
    Silence,
)

KEYS = frozenset("0123456789ABCD*#")
KEYS_LIMIT = 64
TEXT_LIMIT = 4096
"""Characters in one line that a client sends: what /audio/speech takes at once."""


class Hearer(Protocol):
    """Where the caller's sound goes: the Port of a Transport, or a MessageTaker."""

    def tell(self, message: Any) -> None:
        """Take an AudioIn."""


class PeerEar:
    """Listens to one peer of one call.

    Args:
        call: whose mail it is.
        number: tells this peer from those before it.
        taps: are told of each frame beside the Transport.
    """

    def __init__(self, call: pykka.ActorRef[Any], number: int, taps: Taps) -> None:
        self.number = number
        self.transport: Hearer | None = None
        self.media_at = 0.0
        """When the last frame that really came from the caller arrived; monotonic, 0: none yet."""
        self._taps = taps
        self._call: pykka.ActorRef[Any] | None = call

    def retire(self) -> None:
        """Another peer has taken over: hear nothing more."""
        self._call = self.transport = None
        self._taps = Taps()

    def on_audio(self, frame: AudioIn) -> None:
        """As PeerListener.on_audio."""
        if not frame.concealed:
            if not self.media_at:
                self._tell(MediaStarted(frame.arrived_at))
            self.media_at = frame.arrived_at
        if self.transport is not None:
            self.transport.tell(frame)
        if self._taps.all:
            self._tap(frame)

    def _tap(self, audio: AudioIn) -> None:
        for frame in audio.frames():
            for tap in self._taps.all:
                tap.heard(frame)

    def on_state(self, state: str) -> None:
        """The connection's state."""
        self._tell(PeerState(state, self.number))

    def on_command(self, command: Mapping[str, Any]) -> None:
        """A JSON object from the client.

        Raises:
            RefusalError: it is no command; the peer tells the client.
        """
        self._tell(parse_command(command))

    def on_dtmf(self, digit: str) -> None:
        """A key."""
        self._tell(Dtmf(digit))

    def on_end(self, status: str, reason: str) -> None:
        """The far end is over."""
        self._tell(PeerEnded(cast("Any", status), reason, self.number))

    def _tell(self, message: Any) -> None:
        if self._call is not None and self._call.is_alive():
            self._call.tell(message)


def parse_command(command: Mapping[str, Any]) -> Any:
    """The message that a client's JSON object stands for.

    Raises:
        RefusalError: 422, with what is wrong with it.
    """
    kind = command.get("type")
    if kind == "interrupt":
        return Silence()
    if kind == "hangup":
        return HangUp("caller_hangup")
    if kind == "mute":
        on = command.get("on", True)
        if not isinstance(on, bool):
            raise RefusalError(422, "bad_command", "mute needs on: true or false")
        return Mute(on)
    if kind == "dtmf":
        return _keys(command.get("digits"))
    if kind in {"say", "text"}:
        text = command.get("text")
        if not isinstance(text, str) or not text.strip():
            raise RefusalError(422, "bad_command", f"{kind} needs a text that is not empty")
        if len(text) > TEXT_LIMIT:
            raise RefusalError(422, "bad_command", f"a text may have {TEXT_LIMIT} characters; this has {len(text)}")
        return SayText(text.strip()) if kind == "say" else SendText(text.strip())
    raise RefusalError(422, "bad_command", "type must be say, text, interrupt, mute, dtmf or hangup")


def _keys(digits: Any) -> Dtmf:
    keys = digits.upper() if isinstance(digits, str) else ""
    if not 0 < len(keys) <= KEYS_LIMIT or not set(keys) <= KEYS:
        raise RefusalError(422, "bad_command", f"dtmf needs digits: 1 to {KEYS_LIMIT} of 0-9, A-D, * and #")
    return Dtmf(keys)
