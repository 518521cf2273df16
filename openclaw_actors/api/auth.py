"""Who may do what: bearer tokens and their scopes, the anonymous-loopback rule, and what a client's address permits."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from aiohttp import web

from openclaw_actors.api.clients import Client, client_of, is_local_host, networks
from openclaw_actors.api.join_tokens import JoinGrant, JoinTokens
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Scope, Settings

_CHALLENGE = 'Bearer realm="openclaw-actors"'
ALL_SCOPES: frozenset[Scope] = frozenset({"call:join", "call:control", "call:listen", "read", "admin"})


@dataclass(frozen=True, slots=True)
class Principal:
    """On whose behalf a request comes.

    Args:
        name: what rate limits, logs and the keys of repeated commands go by; never the token itself.
        scopes: what it may do.
        grant: a join token's, whose use is still to be counted.
    """

    name: str
    scopes: frozenset[Scope]
    grant: JoinGrant | None = None


LOCAL = Principal("local", ALL_SCOPES)
"""A program or page on this machine, without a token."""
_OPEN = Principal("open", frozenset({"call:join"}))
"""Anybody, where ``auth.offer = "open"``."""

PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)
"""Who was let in."""


class Gate:
    """Decides on each request before anything of it is read but its head."""

    def __init__(self, settings: Settings, join_tokens: JoinTokens) -> None:
        self._settings = settings
        self._join_tokens = join_tokens
        self._proxies = networks(settings.server.trusted_proxies)
        # Digests: compare_digest gives away the length of what it compares.
        digests = [_digest(token.get_secret_value()) for token in settings.auth.tokens]
        self._tokens = [(digest, Principal(f"token-{digest.hex()[:8]}", ALL_SCOPES)) for digest in digests]
        self._tokens += [
            (_digest(each.token.get_secret_value()), Principal(each.name, frozenset(each.scopes)))
            for each in settings.auth.scoped_tokens
        ]

    def client(self, request: web.Request) -> Client:
        """Where the request comes from."""
        return client_of(request.remote, request.headers, self._proxies)

    def takes_private_candidates(self, client: Client) -> bool:
        """Whether media may go to addresses in private networks: to clients that are in one themselves."""
        choice = self._settings.webrtc.allow_private
        return client.is_private if choice == "auto" else choice == "yes"

    def authorise(self, request: web.Request, scope: Scope, *, offer: bool = False) -> Principal:
        """Let the request pass.

        Args:
            request: the request.
            scope: what it needs.
            offer: it is one that ``auth.offer = "open"`` frees. Of a join token only the signature is checked then:
                who comes back to a conversation has another proof, in the body.

        Raises:
            RefusalError: 401 ``token_required``, ``invalid_token`` or ``token_expired``; 403 ``insufficient_scope``.
        """
        freed = offer and self._settings.auth.offer == "open"
        principal = self._identify(request, otherwise=_OPEN if freed else None)
        if scope not in principal.scopes:
            raise RefusalError(
                403,
                "insufficient_scope",
                f"This token may not do that: it lacks the scope {scope}.",
                {"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'},
            )
        if principal.grant is not None and not offer:
            self._join_tokens.check_time(principal.grant)
        return principal

    def _identify(self, request: web.Request, otherwise: Principal | None) -> Principal:
        """Who asks; ``otherwise`` where nobody we know, as a guarding proxy's own credentials may stand there."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        has_token = scheme.lower() == "bearer"
        known = self._bearer(given.strip()) if has_token else None
        known = known or otherwise
        if known is not None:
            return known
        if has_token:
            raise RefusalError(
                401,
                "invalid_token",
                "This token is not one of auth.tokens or auth.scoped_tokens, and no join token of this host.",
                {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
            )
        if not self._is_anonymous_loopback(request):
            raise RefusalError(
                401,
                "token_required",
                "Send a token of auth.tokens as Authorization: Bearer. Without one, only programs and pages on the "
                "host's own machine may come, under http://localhost or http://127.0.0.1 and through no proxy.",
                {"WWW-Authenticate": _CHALLENGE},
            )
        return LOCAL

    def admits(self, request: web.Request) -> bool:
        """Whether ``authorise`` would let the request pass: to read."""
        try:
            self.authorise(request, "read")
        except RefusalError:
            return False
        return True

    def _bearer(self, given: str) -> Principal | None:
        digest = _digest(given)
        # All are compared, whichever matched: time does not tell.
        found = [principal for token, principal in self._tokens if hmac.compare_digest(digest, token)]
        if found:
            return found[0]
        grant = self._join_tokens.read(given)
        return None if grant is None else Principal(f"join-{grant.id}", frozenset({"call:join"}), grant)

    def _is_anonymous_loopback(self, request: web.Request) -> bool:
        """The rule of all conditions; behind a proxy or tunnel the whole internet is loopback, so any trace ends it."""
        peer = client_of(request.remote, request.headers, ())
        return (
            self._settings.auth.allow_anonymous_loopback
            and not self._settings.server.public_url
            and peer.is_local
            and is_local_host(request.headers)
            and request.headers.getall("Origin", [_own_origin(request)]) == [_own_origin(request)]
        )


def _own_origin(request: web.Request) -> str:
    return f"{request.scheme}://{request.headers.get('Host', '').lower()}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
