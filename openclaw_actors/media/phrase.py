"""What the Playout keeps: phrases as they arrive and are played, and what lies in a far end's own buffer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from openclaw_actors.media.codecs import PhraseEncoder
from openclaw_actors.media.packets import PacketQueue
from openclaw_actors.messages import WordTime

PACKET_S = 0.02
"""Seconds of sound in one packet."""

_LETTERS_A_SECOND = 15
"""Of English speech: how long a phrase will be of which only a part has been made."""


@dataclass(slots=True)
class Phrase:
    """One phrase as it arrives and as it is played.

    ``packets`` are still to send, ``on_the_way`` counts those that were sent and are not heard yet, ``played`` those
    that were heard.
    """

    turn: int
    index: int
    text: str = ""
    packets: PacketQueue = field(default_factory=PacketQueue)
    pcm: bytearray = field(default_factory=bytearray)
    on_the_way: int = 0
    played: int = 0
    dry: bool = False
    """Its next packet was due and not there."""
    complete: bool = False
    ends_turn: bool = False
    encoder: PhraseEncoder | None = None
    """Of what is still to arrive, where its packets are made anew since a pause."""
    words: list[WordTime] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """All of it was heard."""
        return self.complete and not self.packets and not self.on_the_way

    def spoken_part(self) -> str:
        """The words that were heard: exactly, where its voice told when each ends, else by the share of its sound."""
        if self.words and self.text:
            heard_s = self.played * PACKET_S
            return self.text[: max((word.chars for word in self.words if word.at <= heard_s), default=0)]
        total = len(self.packets) + self.on_the_way + self.played
        if not self.complete:
            total = max(total, round(len(self.text) / _LETTERS_A_SECOND / PACKET_S))
        words = self.text.split()
        return " ".join(words[: round(len(words) * min(1.0, self.played / max(1, total)))])


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet in the far end's buffer, and what it is of: a phrase, a clip, or (neither) the music of a hold."""

    packet: bytes
    phrase: Phrase | None = None
    of_clip: bool = False


class FarBuffer(Protocol):
    """A far end that buffers what it is sent. Told from within the Playout, so it must not call back at once."""

    def clear(self) -> None:
        """Throw away what is not played yet: it was taken back, or is not wanted any more."""

    def more(self) -> None:
        """There may be something to send."""
