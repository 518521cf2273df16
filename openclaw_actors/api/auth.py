"""Who may do what: bearer tokens, the anonymous-loopback rule, and what a client's address permits."""

from __future__ import annotations

import hashlib
import hmac

from aiohttp import web

from openclaw_actors.api.clients import Client, client_of, is_local_host, networks
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Settings

_CHALLENGE = 'Bearer realm="openclaw-actors"'


class Gate:
    """Decides on each request before anything of it is read but its head."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._proxies = networks(settings.server.trusted_proxies)
        # Digests: compare_digest gives away the length of what it compares.
        self._tokens = [_digest(token.get_secret_value()) for token in settings.auth.tokens]

    def client(self, request: web.Request) -> Client:
        """Where the request comes from."""
        return client_of(request.remote, request.headers, self._proxies)

    def takes_private_candidates(self, client: Client) -> bool:
        """Whether media may go to addresses in private networks: to clients that are in one themselves."""
        choice = self._settings.webrtc.allow_private
        return client.is_private if choice == "auto" else choice == "yes"

    def authorise(self, request: web.Request, *, offer: bool = False) -> None:
        """Let the request pass.

        Args:
            request: the request.
            offer: it is one that ``auth.offer = "open"`` frees.

        Raises:
            RefusalError: 401.
        """
        if offer and self._settings.auth.offer == "open":
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if self._is_token(given.strip()):
                return
            raise RefusalError(
                401,
                "invalid_token",
                "This token is not one of auth.tokens.",
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

    def admits(self, request: web.Request) -> bool:
        """Whether ``authorise`` would let the request pass."""
        try:
            self.authorise(request)
        except RefusalError:
            return False
        return True

    def _is_token(self, given: str) -> bool:
        digest = _digest(given)
        # All are compared, whichever matched: time does not tell.
        return True in [hmac.compare_digest(digest, token) for token in self._tokens]

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
