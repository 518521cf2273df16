"""The aiohttp application: every route and what stands before it, on one page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from openclaw_actors.actors.board import Board
from openclaw_actors.api import observe
from openclaw_actors.api.auth import Gate
from openclaw_actors.api.console import Console
from openclaw_actors.api.cors import Origins
from openclaw_actors.api.health import Health
from openclaw_actors.api.offers import AnsweringPeer, Offers
from openclaw_actors.api.problems import problems
from openclaw_actors.settings.sections import Settings
from openclaw_actors.transports.webrtc.peer import WebRtcPeer


def build_app(
    settings: Settings,
    board: Board,
    *,
    ready: Callable[[], tuple[bool, dict[str, Any]]],
    new_peer: Callable[[], AnsweringPeer] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Build the application; ``listen`` of api/server.py serves it.

    Args:
        settings: all settings.
        board: the host's calls.
        ready: whether new calls can be taken, and what ``/readyz`` shows of it.
        new_peer: makes the connection of one call; None for WebRTC by the settings.
        clock: monotonic seconds.
    """
    gate = Gate(settings)
    origins = Origins(settings)
    console = Console()
    health = Health(board, gate, ready)
    offers = Offers(settings, board, gate, new_peer or (lambda: WebRtcPeer(settings.webrtc, settings.limits)), clock)
    # Outermost first: what is refused by a later one is still counted, and still a problem.
    app = web.Application(
        middlewares=[observe.observed, problems, origins.middleware()],
        client_max_size=settings.limits.body_bytes,
    )
    app.on_response_prepare.append(observe.label)
    app.on_response_prepare.append(origins.label)
    app.on_cleanup.append(offers.settle)
    app.add_routes(
        [
            web.post("/webrtc/offer", offers.take),
            web.get("/webrtc/ice-servers", offers.ice_servers),
            web.delete("/webrtc/sessions/{secret}", offers.end),
            web.get("/v1/node", health.node),
            web.get("/livez", health.livez),
            web.get("/readyz", health.readyz),
            web.get("/metrics", health.metrics),
            web.get("/", console.page),
            web.get("/client.js", console.client),
            web.get("/console/{name:.+}", console.asset),
        ]
    )
    return app
