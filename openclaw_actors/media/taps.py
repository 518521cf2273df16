"""Who hears a call beside its caller and its agent: those who listen in, and its recording."""

from __future__ import annotations

from typing import Protocol

from openclaw_actors.media.codecs import Codec
from openclaw_actors.messages import AudioIn


class Tap(Protocol):
    """One of them. It is told on the event loop, between the packets of the call: be short, and never raise."""

    def heard(self, frame: AudioIn) -> None:
        """The caller's next 20 ms have come, whatever their stages make of them."""

    def sent(self, packet: bytes, codec: Codec) -> None:
        """A packet leaves for a peer that plays in real time: speech, music, a clip, silence."""

    def played(self, packets: tuple[bytes, ...], codec: Codec) -> None:
        """A far end with a buffer has played these packets by now, one behind the other."""


class Taps:
    """One call's. They belong to its playout, which outlives every peer; the ear of each peer tells them too.

    Who tells goes through ``all`` itself: where nobody hears, that costs the loop 0.05 µs a packet.
    """

    def __init__(self) -> None:
        self.all: tuple[Tap, ...] = ()
        """Never changed but replaced, so that a tap may leave while it is being told."""

    def add(self, tap: Tap) -> None:
        """Let it hear from now on; once, however often it is added."""
        if tap not in self.all:
            self.all = (*self.all, tap)

    def remove(self, tap: Tap) -> None:
        """Let it hear nothing more."""
        self.all = tuple(other for other in self.all if other is not tap)
