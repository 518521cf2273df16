"""Join tokens: a browser's leave to make one call, signed (JWT, RFC 7519, HS256), short-lived and good for one use."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt

from openclaw_actors.api.models import MAX_JOIN_S, JoinToken
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.store.records import Fresh
from openclaw_actors.store.store import Store

_log = get_logger(__name__)

AUDIENCE = "openclaw-actors"
LEEWAY_S = 5
"""Between our clock and that of a backend which signs tokens itself."""
_LONGEST_ID = 128
"""As a command's id: the store's column."""
_SWEEP_FROM = 1024
"""Below this many remembered ids a sweep is not worth its while."""
_STORE_SCOPE = "join-token"


@dataclass(frozen=True, slots=True)
class JoinGrant:
    """What a signed token lets its bearer do. ``expires_at`` is in seconds since the epoch."""

    id: str
    expires_at: float
    identity: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class JoinTokens:
    """Makes tokens, reads them, and sees that none is used twice.

    Args:
        secret: the key; empty for one that lives as long as the process.
        store: remembers what was used over a restart.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: str, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode() or secrets.token_bytes(32)
        self._store = store
        self._clock = clock
        self._used: dict[str, float] = {}
        self._sweep_at = _SWEEP_FROM

    def mint(self, *, ttl_s: int, identity: str, metadata: Mapping[str, Any]) -> JoinToken:
        """A new token, good for ``ttl_s`` seconds."""
        now = int(self._clock())
        claims = {
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + ttl_s,
            "jti": secrets.token_urlsafe(16),
            "sub": identity,
            "metadata": dict(metadata),
        }
        token = jwt.encode(claims, self._secret, algorithm="HS256")
        expires_at = datetime.fromtimestamp(now + ttl_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return JoinToken(token=token, expires_at=expires_at)

    def read(self, token: str) -> JoinGrant | None:
        """What the token grants; None when we did not sign it, or it claims to live for longer than any may.

        That it is over is for the caller to see: see `check_time`.
        """
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                options={"require": ["exp", "jti", "aud"], "verify_exp": False, "verify_iat": False},
            )
            expires_at = float(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
            return None
        metadata, jti, identity = claims.get("metadata", {}), claims["jti"], claims.get("sub", "")
        if not (isinstance(metadata, dict) and isinstance(jti, str) and isinstance(identity, str)):
            return None
        if not 0 < len(jti) <= _LONGEST_ID or expires_at > self._clock() + MAX_JOIN_S + LEEWAY_S:
            return None
        return JoinGrant(jti, expires_at, identity[:128], metadata)

    def check_time(self, grant: JoinGrant) -> None:
        """See that the grant is not over.

        Raises:
            RefusalError: 401 ``token_expired``.
        """
        if grant.expires_at + LEEWAY_S < self._clock():
            raise _refusal("token_expired", "This join token has expired; ask for another.")

    @asynccontextmanager
    async def use(self, grant: JoinGrant) -> AsyncIterator[None]:
        """Use the grant for what happens within; when that fails, the grant may be used again.

        Raises:
            RefusalError: 401 ``token_expired`` or ``token_used``.
        """
        self.check_time(grant)
        if grant.id in self._used:
            raise _used()
        # Before the first await: two offers at the same moment must not both have it.
        self._remember(grant)
        if not await self._begin(grant):
            raise _used()
        try:
            yield
        except BaseException:
            await self._tell_store(self._store.forget_command(_STORE_SCOPE, grant.id))
            self._used.pop(grant.id, None)
            raise
        await self._tell_store(self._store.finish_command(_STORE_SCOPE, grant.id, 200, ""))

    async def _begin(self, grant: JoinGrant) -> bool:
        try:
            return isinstance(await self._store.begin_command(_STORE_SCOPE, grant.id, ""), Fresh)
        except RefusalError as refusal:
            # The store is down: calls go on, and this process's memory still holds what it has seen.
            _log.warning("a used join token can't be recorded; a restart would forget it", code=refusal.code)
            return True

    async def _tell_store(self, work: Awaitable[None]) -> None:
        try:
            await work
        except RefusalError as refusal:
            _log.warning("the use of a join token could not be recorded", code=refusal.code)

    def _remember(self, grant: JoinGrant) -> None:
        if len(self._used) >= self._sweep_at:
            now = self._clock()
            self._used = {jti: until for jti, until in self._used.items() if until + LEEWAY_S >= now}
            self._sweep_at = max(_SWEEP_FROM, 2 * len(self._used))
        self._used[grant.id] = grant.expires_at


def _used() -> RefusalError:
    return _refusal("token_used", "This join token was used for another call; each is good for one. Ask for another.")


def _refusal(code: str, detail: str) -> RefusalError:
    challenge = f'Bearer realm="openclaw-actors", error="invalid_token", error_description="{code}"'
    return RefusalError(401, code, detail, {"WWW-Authenticate": challenge})
