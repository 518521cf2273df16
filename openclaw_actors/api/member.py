"""What a host of a cluster is given by it, as far as its API is concerned; a host by itself is given nothing."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from openclaw_actors.api.problems import Handler
from openclaw_actors.names import BY_ITSELF, Names

FRONT = "X-Openclaw-Front"
"""A front's proof of being one: the secret that the host has told it, by way of the cluster."""
PEER = "X-Openclaw-Peer"
"""The other end of the connection on which a front took a request."""
SCHEME = "X-Openclaw-Scheme"


@dataclass(frozen=True, slots=True)
class Member:
    """A host's place in its cluster.

    Args:
        names: gives calls their ids.
        front_secret: what a front proves itself with; empty: there are none.
        nodes: describes all hosts of the cluster, as JSON; None: there is this one.
        restart: ends the process, for the cluster to start it anew; None: nothing would.
        alive: which hosts live, by their names on record (``Store.host``); None of it: that can't be told now.
    """

    names: Names = BY_ITSELF
    front_secret: str = ""
    nodes: Callable[[], Awaitable[Sequence[dict[str, Any]]]] | None = None
    restart: Callable[[], None] | None = None
    alive: Callable[[], Awaitable[set[str] | None]] | None = None

    def middleware(self) -> Any:
        """Let a request that a front passes on look as it did there: its client, its scheme. Outermost of all.

        From anybody else the three headers are taken away and say nothing.
        """

        @web.middleware
        async def behind_front(request: web.Request, handler: Handler) -> web.StreamResponse:
            if FRONT not in request.headers and PEER not in request.headers and SCHEME not in request.headers:
                return await handler(request)
            headers = request.headers.copy()
            given, peer, scheme = (headers.pop(name, "") for name in (FRONT, PEER, SCHEME))
            if not (self.front_secret and hmac.compare_digest(given.encode(), self.front_secret.encode())):
                return await handler(request.clone(headers=headers))
            return await handler(request.clone(headers=headers, remote=peer, scheme=scheme))

        return behind_front


ALONE = Member()
