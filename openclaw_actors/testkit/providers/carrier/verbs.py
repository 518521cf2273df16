"""What a carrier is told to do with a call, whatever its document says it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ConnectStream:
    """A bidirectional stream; what follows waits until its socket is closed by the server. Then ``action`` is asked."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    status_callback: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """The carrier's own voice speaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Reject:
    """The call is not answered."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dial:
    """The caller talks with somebody else from now on."""

    number: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HangUp:
    """The call ends."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Park:
    """Nothing, until the call is told to do something or ends."""


@dataclass(frozen=True, slots=True)
class Record:
    """The carrier itself records what the caller says; the callbacks' URLs are ``action`` and ``told``."""

    action: str
    told: str
    attributes: Mapping[str, str] = field(default_factory=dict)


Verb = ConnectStream | Say | Reject | Dial | HangUp | Pause | Park | Record
