"""The secret addresses by which callers end their own calls; they never give away the call's id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from openclaw_actors.names import BY_ITSELF, Names

Link = TypeVar("Link")

_SWEEP_FROM = 64
"""Below this many a sweep is not worth its while."""


@dataclass(slots=True)
class Session(Generic[Link]):
    """What a secret address leads to.

    Args:
        call_id: the call that it ends.
        link: what else belongs to it.
    """

    call_id: str
    link: Link


class Sessions(Generic[Link]):
    """Which secret ends which call. A call has one secret: a caller who comes back gets the next.

    Args:
        is_live: whether a call still runs; what has ended is forgotten in time.
        names: makes the secrets: 128 bits of chance (RFC 9725 §4.7 asks for so much).
    """

    def __init__(self, is_live: Callable[[str], bool], names: Names = BY_ITSELF) -> None:
        self._is_live = is_live
        self._names = names
        self._calls: dict[str, Session[Link]] = {}
        self._secrets: dict[str, str] = {}
        self._sweep_at = _SWEEP_FROM

    def __len__(self) -> int:
        return len(self._calls)

    def open(self, call_id: str, link: Link) -> str:
        """A new secret for the call; the one before is void, or the page that was left would end the call."""
        if len(self._calls) >= self._sweep_at:
            self._sweep()
        self._calls.pop(self._secrets.get(call_id, ""), None)
        secret = self._names.secret()
        self._calls[secret] = Session(call_id, link)
        self._secrets[call_id] = secret
        return secret

    def close(self, secret: str) -> str | None:
        """Void the secret; the id of its call, or None when there is no such secret."""
        session = self._calls.pop(secret, None)
        if session is None:
            return None
        del self._secrets[session.call_id]
        return session.call_id

    def find(self, secret: str) -> Session[Link] | None:
        """What the secret leads to; None when there is no such secret."""
        return self._calls.get(secret)

    def _sweep(self) -> None:
        """Forget ended calls. Twice the survivors before the next one: an amortised step for each call."""
        for call_id in [each for each in self._secrets if not self._is_live(each)]:
            del self._calls[self._secrets.pop(call_id)]
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._calls))
