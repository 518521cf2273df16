"""What a media stream's messages mean, whoever the carrier is: the only things that framings and the peer exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class FrameError(Exception):
    """A message that can't be read; the text says what is wrong with it, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket stands; nothing is known yet."""


@dataclass(frozen=True, slots=True)
class Started:
    """The stream begins. It comes once.

    Args:
        stream_id: what messages to the carrier must name.
        account_id: whose call it is.
        carrier_call_id: which call it is; empty where the carrier left it out.
        parameters: what our answer to the webhook gave the stream along.
        is_mulaw: the sound is mu-law, 8 kHz, mono: all that is taken.
    """

    stream_id: str
    account_id: str
    carrier_call_id: str
    parameters: Mapping[str, str]
    is_mulaw: bool


class Media(NamedTuple):
    """A piece of the caller's sound.

    Args:
        payload: mu-law at 8 kHz, of any length.
        chunk: counts the pieces; a gap means that pieces were thrown away.
        timestamp_ms: when it begins, since the stream's start.
    """

    payload: bytes
    chunk: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Digit:
    """The caller has pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class MarkEchoed:
    """All that was sent before this mark has been played, or was thrown away by a clear."""

    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The stream is over: the caller has hung up, or the call goes on without us."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message of a kind that means nothing to us: carriers add such."""


StreamEvent = Connected | Started | Media | Digit | MarkEchoed | Stopped | Ignored


class Framing(Protocol):
    """One carrier's way to say it. Pure."""

    carrier: str
    """Its name: the peer's ``transport``."""
    in_order: bool
    """Pieces of sound come in their order; else they are awaited for a little and put into it."""
    says_stop: bool
    """It says that the call is over before it closes the socket; else closing says it."""

    def parse(self, message: str) -> StreamEvent:
        """What a message says.

        Raises:
            FrameError: it can't be read.
        """

    def media(self, stream_id: str, payload: bytes) -> str:
        """Play this, after what was sent before."""

    def mark(self, stream_id: str, name: str) -> str:
        """Echo this when all that was sent before has been played."""

    def clear(self, stream_id: str) -> str:
        """Throw away what is not played yet; its marks are echoed at once."""
