"""What machines ask: alive, ready, metrics, and the host in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from openclaw_actors.actors.board import Board
from openclaw_actors.api.auth import Gate
from openclaw_actors.api.bodies import read_query
from openclaw_actors.api.member import ALONE, Member
from openclaw_actors.api.models import NodeQuery
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.stamps import now_rfc3339

log = get_logger(__name__)


class Health:
    """Answers probes.

    Args:
        board: the host's calls.
        gate: decides who is shown why an engine does not serve.
        ready: whether new calls can be taken, and what to show of it; ``engines`` as Catalogue.describe puts them.
        member: its place in a cluster, if it is in one.
    """

    def __init__(
        self, board: Board, gate: Gate, ready: Callable[[], tuple[bool, dict[str, Any]]], member: Member = ALONE
    ) -> None:
        self._board = board
        self._member = member
        self._started_at = now_rfc3339()
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

    async def node(self, request: web.Request) -> web.Response:
        """``GET /v1/node``: calls, limit, draining, engines."""
        self._is_meant(request)
        return web.json_response(self.describe())

    def describe(self) -> dict[str, Any]:
        """This host, as ``GET /v1/node`` shows it."""
        own = {"name": self._member.names.host, "ready": self._ready()[0], "started_at": self._started_at}
        return {**own, **self._board.describe()}

    async def nodes(self, _: web.Request) -> web.Response:
        """``GET /v1/nodes``: all hosts of the cluster; without one, this."""
        return web.json_response({"nodes": await self._all()})

    async def scrape_targets(self, request: web.Request) -> web.Response:
        """``GET /v1/nodes/prometheus``: for Prometheus' HTTP service discovery: each host, by way of this address."""
        names = [node["name"] for node in await self._all()]
        return web.json_response([_target(request.host, name) for name in names])

    async def _all(self) -> list[dict[str, Any]]:
        return [self.describe()] if self._member.nodes is None else [*await self._member.nodes()]

    async def drain(self, request: web.Request) -> web.Response:
        """``POST /v1/node/drain``: take no new calls; those that run go on."""
        return self._draining(request, True)

    async def end_drain(self, request: web.Request) -> web.Response:
        """``DELETE /v1/node/drain``: take new calls again."""
        return self._draining(request, False)

    def _draining(self, request: web.Request, on: bool) -> web.Response:
        self._is_meant(request)
        self._board.drain(on)
        log.info("draining" if on else "taking calls again", by="the API")
        return web.json_response(self.describe())

    async def restart(self, request: web.Request) -> web.Response:
        """``POST /v1/node/restart``: end the process of a host of a cluster, which starts it anew."""
        self._is_meant(request)
        if self._member.restart is None:
            raise RefusalError(
                409, "not_in_cluster", "Only a cluster starts a host anew (serve --workers, or [cluster])."
            )
        calls = len(self._board.live_calls())
        if calls:
            detail = f"{calls} calls would end; drain the host first (POST /v1/node/drain), and wait."
            raise RefusalError(409, "calls_left", detail)
        self._board.drain(True)
        self._member.restart()
        return web.json_response(self.describe(), status=202)

    def _is_meant(self, request: web.Request) -> None:
        """See that a request which names a host has come to it.

        Raises:
            RefusalError: 404 ``no_such_host``.
        """
        meant = read_query(request, NodeQuery).host
        if meant and meant != self._member.names.host:
            raise RefusalError(404, "no_such_host", f"There is no host {meant[:40]!r}; GET /v1/nodes names them.")


def _target(address: str, host: str) -> dict[str, Any]:
    labels = {"__param_host": host, "host": host} if host else {}
    return {"targets": [address], "labels": {"__metrics_path__": "/metrics", **labels}}


def _without_reasons(detail: dict[str, Any]) -> dict[str, Any]:
    """Reasons name addresses and paths of the operator's."""
    engines = {
        kind: {**stage, "engines": [{**engine, "reason": ""} for engine in stage["engines"]]}
        for kind, stage in detail.get("engines", {}).items()
    }
    return {**detail, "engines": engines}
