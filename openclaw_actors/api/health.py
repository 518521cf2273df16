"""What machines ask: alive, ready, metrics, and the host in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from openclaw_actors.actors.board import Board
from openclaw_actors.api.auth import Gate
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)


class Health:
    """Answers probes.

    Args:
        board: the host's calls.
        gate: decides who is shown why an engine does not serve.
        ready: whether new calls can be taken, and what to show of it; ``engines`` as Catalogue.describe puts them.
    """

    def __init__(self, board: Board, gate: Gate, ready: Callable[[], tuple[bool, dict[str, Any]]]) -> None:
        self._board = board
        self._gate = gate
        self._ready = ready

    async def livez(self, _: web.Request) -> web.Response:
        """``GET /livez``: the loop turns. Never less, or an orchestrator would kill a host that only drains."""
        return web.json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """``GET /readyz``: 200 when new calls are taken, else 503. Why an engine does not serve is for who may ask."""
        ready, detail = self._ready()
        if not self._gate.admits(request):
            detail = _without_reasons(detail)
        return web.json_response({"ready": ready, **detail}, status=200 if ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """``GET /metrics``: for Prometheus, in the text format that it asks for."""
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=encode(metrics.REGISTRY), headers={hdrs.CONTENT_TYPE: content_type})

    async def node(self, _: web.Request) -> web.Response:
        """``GET /v1/node``: calls, limit, draining, engines."""
        return web.json_response(self._board.describe())

    async def drain(self, _: web.Request) -> web.Response:
        """``POST /v1/node/drain``: take no new calls; those that run go on."""
        return self._draining(True)

    async def end_drain(self, _: web.Request) -> web.Response:
        """``DELETE /v1/node/drain``: take new calls again."""
        return self._draining(False)

    def _draining(self, on: bool) -> web.Response:
        self._board.drain(on)
        log.info("draining" if on else "taking calls again", by="the API")
        return web.json_response(self._board.describe())


def _without_reasons(detail: dict[str, Any]) -> dict[str, Any]:
    """Reasons name addresses and paths of the operator's."""
    engines = {
        kind: {**stage, "engines": [{**engine, "reason": ""} for engine in stage["engines"]]}
        for kind, stage in detail.get("engines", {}).items()
    }
    return {**detail, "engines": engines}
