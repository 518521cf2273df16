"""What stands before a handler: the client's rate, then its token, then the token's rate."""

from __future__ import annotations

import math
from collections.abc import Callable

from aiohttp import web

from openclaw_actors.api.auth import PRINCIPAL, Gate
from openclaw_actors.api.problems import Handler
from openclaw_actors.api.rates import TokenBuckets
from openclaw_actors.api.routes import Route
from openclaw_actors.errors import RefusalError
from openclaw_actors.settings.sections import Limits


class Guard:
    """Lets requests through to the routes' handlers.

    Args:
        gate: who may.
        limits: how often.
        clock: monotonic seconds.
    """

    def __init__(self, gate: Gate, limits: Limits, clock: Callable[[], float]) -> None:
        self._gate = gate
        self._limits = limits
        self._clock = clock
        self._rates = TokenBuckets(limits.requests_per_second, limits.requests_burst)

    def before(self, route: Route) -> Handler:
        """The route's handler behind its guards."""
        if route.own_guard or (route.scope is None and not route.is_limited):
            return route.handler

        async def guarded(request: web.Request) -> web.StreamResponse:
            client = self._gate.client(request)
            limited = route.is_limited and not client.is_local
            # The address first, whoever it says it is: that bounds how many tokens one can try.
            if limited:
                self._take(f"address {client.key}")
            if route.scope is not None:
                principal = request[PRINCIPAL] = self._gate.authorise(request, route.scope)
                if limited:
                    self._take(f"token {principal.name}")
            return await route.handler(request)

        return guarded

    def _take(self, key: str) -> None:
        wait = self._rates.take(key, self._clock())
        if wait:
            raise RefusalError(
                429,
                "too_many_requests",
                f"At most {self._limits.requests_burst} requests at once and {self._limits.requests_per_second:g} a "
                "second (limits.requests_per_second).",
                {"Retry-After": str(math.ceil(wait))},
            )
