"""A machine's front: takes any request and passes it on to the host that it is for. It holds no calls."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from openclaw_actors.api import observe
from openclaw_actors.api.bodies import read_raw
from openclaw_actors.api.cors import Origins
from openclaw_actors.api.problems import REQUEST_ID, Handler, problems
from openclaw_actors.cluster.carrier_mail import CarrierMail
from openclaw_actors.cluster.forwarding import Forwarder, HostLostError
from openclaw_actors.cluster.merging import MergedEvents, all_answers, merged_calls, summed_nodes
from openclaw_actors.cluster.placement import place
from openclaw_actors.cluster.report import Report
from openclaw_actors.cluster.roster import Roster
from openclaw_actors.cluster.routing import Way, needs_body, way_of
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Settings

_log = get_logger(__name__)

LOOK_S = 0.5
"""Between two looks at how the hosts do: placing by what is a second old costs it little (placement.py)."""
_TRIES = 3
"""Hosts that are asked to take one call: the first may have filled up, or died, since it last told."""
_NO_ROOM = frozenset({"full", "draining", "not_ready"})
"""Codes of 503 with which nothing was begun, so that another host may be asked."""
_REFUSAL_BYTES = 65_536


class Front:
    """One machine's. All of it on the event loop.

    Args:
        settings: all settings.
        roster: the hosts.
        machine: the id of this machine's Ray node.
        draw: a number below its argument, by chance.
    """

    def __init__(
        self, settings: Settings, roster: Roster, machine: str, draw: Callable[[int], int] = secrets.randbelow
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._machine = machine
        self._draw = draw
        self._forwarder = Forwarder(settings.limits.stream_message_bytes)
        self._mail = CarrierMail(settings)
        self._looking: asyncio.Task[None] | None = None

    def build_app(self) -> web.Application:
        """The application; ``listen`` of api/server.py serves it."""
        origins = Origins(self._settings)

        async def label(request: web.Request, response: web.StreamResponse) -> None:
            if "X-Request-Id" not in response.headers:  # of the front's own; what a host answers has all it needs
                await observe.label(request, response)
                await origins.label(request, response)

        # A host bounds bodies as its settings say; what passes through here without being read needs no bound of ours.
        app = web.Application(middlewares=[_numbered, problems], client_max_size=0)
        app.on_response_prepare.append(label)
        app.cleanup_ctx.append(self._open)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def _open(self, _: web.Application) -> AsyncIterator[None]:
        async with self._forwarder:
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="front: roster")
            yield
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            try:
                await self._roster.look()
            except Exception:  # noqa: BLE001 - whatever it is, the next look must come
                _log.exception("the hosts could not be asked")
            metrics.cluster_head_up.set(not self._roster.head_is_away)
            for state, count in self._census().items():
                metrics.cluster_hosts.labels(state=state).set(count)
            await asyncio.sleep(LOOK_S)

    def _census(self) -> dict[str, int]:
        census = dict.fromkeys(("open", "full", "draining", "unready"), 0)
        for report in self._roster.reports():
            state = report.state
            name = "draining" if state.draining else "unready" if not state.ready else "open"
            census["full" if name == "open" and not state.has_room else name] += 1
        return census

    # --- one request ------------------------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        path = request.path
        kept = needs_body(request.method, path)
        body = await read_raw(request, self._settings.limits) if kept else None
        way = way_of(request.method, path, request.query, request.headers, body or b"")
        try:
            return await self._go(way, request, body)
        except HostLostError as lost:
            self._roster.doubt(lost.host)
            _log.warning("a host did not answer a request", host=lost.host, sent=lost.sent)
            raise RefusalError(
                502, "host_lost", f"The host {lost.host} is gone, or does not answer; ask again.", {"Retry-After": "2"}
            ) from lost

    async def _go(  # noqa: PLR0911 - one for each way
        self, way: Way, request: web.Request, body: bytes | None
    ) -> web.StreamResponse:
        match way.to:
            case "front":
                return await self._own(request)
            case "place":
                return await self._place(request, body or b"")
            case "carrier":
                return await self._carrier(request, body or b"")
            case "host":
                return await self._to_host(way, request, body)
            case "events":
                merged = MergedEvents(self._forwarder, self._up, self._settings.limits.event_heartbeat_s)
                return await merged.serve(request)
            case "calls":
                limit = request.query.get("limit", "50")
                most = int(limit) if limit.isdecimal() else 50
                return await self._merged(request, self._up(), lambda pages: merged_calls(pages, most))
            case "machine":
                here = [each for each in self._up() if each.machine == self._machine]
                return await self._merged(request, here, summed_nodes)
            case _:
                return await self._any(request, body)

    def _up(self) -> list[Report]:
        """Hosts that answer, this machine's first."""
        up = [each for each in self._roster.reports() if each.url]
        return sorted(up, key=lambda each: each.machine != self._machine)

    async def _to_host(self, way: Way, request: web.Request, body: bytes | None) -> web.StreamResponse:
        host = self._roster.find(way.host)
        if host is not None:
            try:
                return await self._forwarder.pass_on(host, request, body)
            except HostLostError as lost:
                if lost.sent and request.method not in {"GET", "HEAD"} and way.otherwise != "place":
                    raise
                self._roster.doubt(lost.host)
        if way.otherwise == "place":
            return await self._place(request, body or b"")
        if way.otherwise == "any":
            return await self._any(request, body, but=way.host)
        raise RefusalError(404, "no_such_host", f"There is no host {way.host[:40]!r}; GET /v1/nodes names them.")

    async def _any(self, request: web.Request, body: bytes | None, but: str = "") -> web.StreamResponse:
        """The nearest host that answers: what it is asked for is on record, or the same everywhere."""
        for host in [each for each in self._up() if each.name != but][:_TRIES]:
            try:
                return await self._forwarder.pass_on(host, request, body)
            except HostLostError as lost:
                self._roster.doubt(lost.host)
                if lost.sent and request.method not in {"GET", "HEAD", "OPTIONS"}:
                    raise
        raise _no_host()

    # --- new calls --------------------------------------------------------------------------------

    async def _place(self, request: web.Request, body: bytes, carrier_call_id: str = "") -> web.StreamResponse:
        """Have a host take a new call.

        Raises:
            RefusalError: 503 ``head_away``, ``full`` or ``not_ready``, with Retry-After.
            HostLostError: a host may have begun it, and is gone.
        """
        if self._roster.head_is_away:
            metrics.cluster_placements_total.labels(result="head_away").inc()
            detail = "The cluster's head does not answer, so no new calls are placed; those that run go on."
            raise RefusalError(503, "head_away", detail, {"Retry-After": "5"})
        tried: set[str] = set()
        refused: web.StreamResponse | None = None
        while len(tried) < _TRIES:
            host = self._choose(tried)
            if host is None:
                await self._roster.look()  # before anybody is refused: a host may have come up since the last look
                host = self._choose(tried)
            if host is None:
                break
            tried.add(host.name)
            self._roster.placed(host.name)
            try:
                answer = await self._forwarder.pass_on(host, request, body)
            except HostLostError as lost:
                if lost.sent and request.path == "/v1/calls":
                    raise  # somebody may have been dialled
                self._roster.doubt(lost.host)
                continue
            if not _has_no_room(answer):
                self._mail.went(carrier_call_id, host.name)
                metrics.cluster_placements_total.labels(result="placed" if len(tried) == 1 else "placed_again").inc()
                return answer
            refused = answer
        metrics.cluster_placements_total.labels(result="no_room").inc()
        if refused is not None:
            return refused
        if any(each.state.ready for each in self._up()):
            # A host says it best, and counts it: to phones in the carrier's words, to others as a problem.
            return await self._any(request, body)
        raise _no_host()

    def _choose(self, tried: set[str]) -> Report | None:
        """The host that is to take a call; None: none has room that was not tried."""
        chosen = place([each.state for each in self._up() if each.name not in tried], self._draw)
        return self._roster.find(chosen) if chosen else None

    async def _carrier(self, request: web.Request, body: bytes) -> web.StreamResponse:
        addressee = self._mail.addressee(request.path, request.raw_path, request.query, body)
        host = self._roster.find(addressee.host) if addressee.host else None
        if host is not None:
            try:
                return await self._forwarder.pass_on(host, request, body)
            except HostLostError as lost:
                self._roster.doubt(lost.host)  # another answers: its carrier would give the call up
        if addressee.to == "any" or not addressee.carrier_call_id:
            return await self._any(request, body)
        return await self._place(request, body, addressee.carrier_call_id)

    # --- several hosts as one ---------------------------------------------------------------------

    async def _merged(
        self, request: web.Request, hosts: Sequence[Report], merge: Callable[[list[Any]], dict[str, Any]]
    ) -> web.StreamResponse:
        if not hosts:
            raise _no_host()
        found, refused = await all_answers(self._forwarder, hosts, request)
        if refused is not None:
            return await self._forwarder.pass_back(refused, request)
        if not found:
            raise _no_host()
        return web.json_response(merge(found))

    # --- the front itself -------------------------------------------------------------------------

    async def _own(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/livez":
            return web.json_response({"status": "ok"})
        if request.path == "/readyz":
            census = self._census()
            ready = census["open"] > 0 and not self._roster.head_is_away
            shown = {"ready": ready, "engines": {}, "hosts": census, "head": not self._roster.head_is_away}
            return web.json_response(shown, status=200 if ready else 503)
        async with self._allowed(request) as refused:
            if refused is not None:
                return refused
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=encode(metrics.REGISTRY), headers={hdrs.CONTENT_TYPE: content_type})

    @asynccontextmanager
    async def _allowed(self, request: web.Request) -> AsyncIterator[web.StreamResponse | None]:
        """Have a host see whether a client may read; what it is refused with, if it may not."""
        hosts = self._up()
        if not hosts:
            raise _no_host()
        async with await self._forwarder.ask(hosts[0], request) as answer:
            yield await self._forwarder.pass_back(answer, request) if answer.status != 200 else None


@web.middleware
async def _numbered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A problem of the front's own has a number too."""
    request[REQUEST_ID] = secrets.token_hex(8)
    return await handler(request)


def _has_no_room(answer: web.StreamResponse) -> bool:
    if answer.status != 503 or not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
        return False
    try:
        problem = json.loads(answer.body[:_REFUSAL_BYTES])
    except ValueError:
        return False
    return isinstance(problem, dict) and problem.get("code") in _NO_ROOM


def _no_host() -> RefusalError:
    return RefusalError(503, "no_host", "No host of the cluster answers now; come back.", {"Retry-After": "5"})
