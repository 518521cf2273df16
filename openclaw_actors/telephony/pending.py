"""Calls whose media stream is still to come, each behind a token that is good once.

Who opens a stream says no more than which call it is of, so the token is what lets a stream in: 128 bits, given to the
carrier in the signed answer to its webhook (or in the request that places a call), bound to the carrier's name for the
call, and forgotten when it was used or was not in time.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from openclaw_actors.actors.board import Admission
from openclaw_actors.messages import NO_PROFILE, CallProfile
from openclaw_actors.transports.media_streams.peer import MediaStreamPeer


@dataclass(frozen=True, slots=True)
class Expected:
    """A call that waits for its stream.

    Args:
        caller: who calls, in E.164; empty: withheld.
        callee: who is called, likewise.
        profile: what the call has of its own.
        admission: the place that is kept for a call that begins with its stream; None: it runs already.
        peer: of a call that runs already, as we have placed it; None: it begins with its stream.
        call_id: our name for a call that runs already.
        resumed_from: the call whose conversation goes on, where its host is gone.
    """

    caller: str
    callee: str
    profile: CallProfile = NO_PROFILE
    admission: Admission | None = None
    peer: MediaStreamPeer | None = None
    call_id: str = ""
    resumed_from: str = ""


@dataclass(slots=True)
class _Waiting:
    expected: Expected
    carrier_call_id: str
    timer: asyncio.TimerHandle


class Pending:
    """The tokens of one host. All of it on the event loop.

    Args:
        release: gives back the place of a call whose stream did not come.
    """

    def __init__(self, release: Callable[[Admission], None]) -> None:
        self._release = release
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, expected: Expected, ttl_s: float, carrier_call_id: str = "") -> str:
        """Await a call's stream for ``ttl_s`` seconds.

        Args:
            expected: the call.
            ttl_s: then the token is worth nothing any more.
            carrier_call_id: the carrier's name for the call; empty: ``name`` tells it later, or the stream does,
                as one may come before the carrier has answered the request that placed the call.

        Returns:
            The token.
        """
        token = secrets.token_urlsafe(16)
        timer = asyncio.get_running_loop().call_later(ttl_s, self.withdraw, token)
        self._waiting[token] = _Waiting(expected, carrier_call_id, timer)
        return token

    def name(self, token: str, carrier_call_id: str) -> None:
        """The carrier has told its name for the call."""
        waiting = self._waiting.get(token)
        if waiting is not None:
            waiting.carrier_call_id = carrier_call_id

    def knows(self, token: str) -> bool:
        """Whether a call waits behind this token, which is not used up by that."""
        return self._find(token) is not None

    def _find(self, token: str) -> str | None:
        found = None
        for known in [*self._waiting]:  # all are compared: time does not tell how much of one was right
            if hmac.compare_digest(known.encode(), token.encode()):
                found = known
        return found

    def claim(self, token: str, carrier_call_id: str) -> Expected | None:
        """The call whose stream this is, once; None: there is none, or the token is another call's.

        A token that comes with the wrong call is spent: somebody has it who should not.
        """
        found = self._find(token)
        if found is None:
            return None
        waiting = self._waiting[found]
        if waiting.carrier_call_id not in {"", carrier_call_id}:
            self.withdraw(found)
            return None
        waiting.timer.cancel()
        del self._waiting[found]
        return waiting.expected

    def withdraw(self, token: str) -> None:
        """The call's stream will not come, or not in time."""
        waiting = self._waiting.pop(token, None)
        if waiting is None:
            return
        waiting.timer.cancel()
        if waiting.expected.admission is not None:
            self._release(waiting.expected.admission)

    def withdraw_call(self, carrier_call_id: str) -> None:
        """The carrier says that this call is over."""
        for token in [token for token, each in self._waiting.items() if each.carrier_call_id == carrier_call_id]:
            self.withdraw(token)

    def close(self) -> None:
        """Await nothing any more."""
        for token in [*self._waiting]:
            self.withdraw(token)
