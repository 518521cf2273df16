"""What the API needs of the Switchboard: admit a call, start, steer, describe and end it, describe the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from openclaw_actors.messages import NO_CARRIAGE, NO_PROFILE, CallProfile, Carriage
from openclaw_actors.transports.peer import Peer


@dataclass(frozen=True, slots=True)
class Admission:
    """A place kept for one call while its connection is set up. ``number`` tells two of them apart."""

    number: int
    transport: str
    direction: str


@dataclass(frozen=True, slots=True)
class StartedCall:
    """A call that runs. ``resume_token`` brings its caller back once, within ``calls.resume_s``."""

    call_id: str
    resume_token: str


class Board(Protocol):
    """The host's calls, seen from the API. All of it on the event loop."""

    def admit(self, transport: str, direction: str, *, resume: str = "", message: bool = False) -> Admission:
        """Keep a place for one more call, to be given to ``start`` or ``release``.

        Args:
            transport: ``webrtc``, or a carrier's name.
            direction: ``inbound`` or ``outbound``.
            resume: a ``resume_token``: the caller of a call that still runs needs no further place.
            message: the caller leaves a message (``CallProfile.takes_message``): there are places beside those for
                conversations, also while the host drains.

        Raises:
            RefusalError: 503 ``full`` or ``draining``, with ``Retry-After``.
        """

    async def start(
        self,
        admission: Admission,
        peer: Peer,
        *,
        caller: str,
        metadata: Mapping[str, Any],
        resume: str = "",
        callee: str = "",
        profile: CallProfile = NO_PROFILE,
        carriage: Carriage = NO_CARRIAGE,
    ) -> StartedCall:
        """Begin the call on ``peer``, or give ``peer`` to the call that ``resume`` names.

        Once it returns, the place is used and the peer is the call's. When it raises (or is cancelled) neither
        was taken: the API releases the one and closes the other.

        Args:
            admission: the place kept by ``admit``.
            peer: a connection that has answered its client's offer.
            caller: who calls, for records and agents: an address, or a number in E.164.
            metadata: what the client sent along; JSON, bounded by ``limits.body_bytes``.
            resume: a ``resume_token``; empty for a new call.
            callee: who is called, as ``caller``.
            profile: what the call has of its own.
            carriage: what its carrier adds; ``Dialled`` tells the call when it has been dialled.

        Raises:
            RefusalError: 409 or 410 (such as ``resume_expired``), or 503 as in ``admit``.
        """

    def release(self, admission: Admission) -> None:
        """Give the place back. Does nothing when it was used or released already."""

    async def hang_up(self, call_id: str, reason: str) -> bool:
        """End the call; False when there is no such call any more."""

    async def tell(self, call_id: str, message: Any) -> bool:
        """Give the call a message of messages.py ("From outside"); False when it does not live (any more)."""

    async def describe_call(self, call_id: str) -> dict[str, Any] | None:
        """The live call's record as JSON, with ``stages``; None when it does not live (any more)."""

    def live_calls(self) -> list[str]:
        """The ids of the calls that run, the oldest first."""

    def drain(self, on: bool) -> None:
        """Take no new calls, or take them again. Those that run go on."""

    async def forget(self, call_id: str) -> None:
        """Keep nothing of an ended call: its caller can't come back to it."""

    def knows(self, call_id: str) -> bool:
        """Whether the call still runs, or waits for its caller to come back."""

    def describe(self) -> dict[str, Any]:
        """The host as JSON: ``calls``, ``limit``, ``draining``, ``engines``."""
