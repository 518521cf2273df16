"""The aiohttp application: every route and what stands before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from openclaw_actors.actors.archive import Archive
from openclaw_actors.actors.board import Board
from openclaw_actors.actors.events import EventHub
from openclaw_actors.api import observe
from openclaw_actors.api.actions import Actions
from openclaw_actors.api.auth import Gate
from openclaw_actors.api.calls import CallResources
from openclaw_actors.api.commands import Commands
from openclaw_actors.api.console import Console
from openclaw_actors.api.cors import Origins
from openclaw_actors.api.event_streams import EventStreams
from openclaw_actors.api.guard import Guard
from openclaw_actors.api.health import Health
from openclaw_actors.api.join import JoinDesk
from openclaw_actors.api.join_tokens import JoinTokens
from openclaw_actors.api.listening import ListeningDesk
from openclaw_actors.api.member import ALONE, Member
from openclaw_actors.api.offers import AnsweringPeer, Offers
from openclaw_actors.api.problems import problems
from openclaw_actors.api.recordings import RecordingResources
from openclaw_actors.api.reference import Reference
from openclaw_actors.api.routes import Route
from openclaw_actors.api.table import all_routes
from openclaw_actors.api.voice import Voice
from openclaw_actors.api.voicemails import VoicemailResources
from openclaw_actors.api.whip import Whip
from openclaw_actors.settings.sections import Settings
from openclaw_actors.store.store import Store
from openclaw_actors.telephony.phone import Phone
from openclaw_actors.telephony.voicemail.desk import Desk
from openclaw_actors.transports.quiet_line import QuietLine
from openclaw_actors.transports.webrtc.peer import WebRtcPeer

ROUTES: web.AppKey[tuple[Route, ...]] = web.AppKey("routes", tuple)
"""What the application serves, but for the pages."""


def build_app(  # noqa: PLR0913 - all that a host is made of, by name
    settings: Settings,
    board: Board,
    store: Store,
    hub: EventHub,
    *,
    ready: Callable[[], tuple[bool, dict[str, Any]]],
    new_peer: Callable[[], AnsweringPeer] | None = None,
    phone: Phone | None = None,
    desk: Desk | None = None,
    archive: Archive | None = None,
    clock: Callable[[], float] = time.monotonic,
    member: Member = ALONE,
) -> web.Application:
    """Build the application; ``listen`` of api/server.py serves it.

    Args:
        settings: all settings.
        board: the host's calls.
        store: the host's records.
        hub: what the calls tell.
        ready: whether new calls can be taken, and what ``/readyz`` shows of it.
        new_peer: makes the connection of one call; None for WebRTC by the settings.
        phone: calls by phone; None where no carrier is configured.
        desk: the voicemail; None where it is not enabled.
        archive: the files of recordings; None where none are kept.
        clock: monotonic seconds.
        member: its place in a cluster, if it is in one.
    """
    join_tokens = JoinTokens(settings.auth.join_secret.get_secret_value(), store)
    gate = Gate(settings, join_tokens)
    guard = Guard(gate, settings.limits, clock)
    origins = Origins(settings)
    commands = Commands(store)
    pool = ThreadPoolExecutor(1, "sounds")
    make_peer = new_peer or (lambda: WebRtcPeer(settings.webrtc, settings.limits))
    offers = Offers(settings, board, gate, join_tokens, make_peer, clock, desk=desk, names=member.names)
    streams = EventStreams(settings.limits, board, store, hub)
    listening = ListeningDesk(settings, board, store)
    reference = Reference()
    outbound = phone.outbound if phone is not None else None
    recordings = RecordingResources(board, store, archive)
    routes = all_routes(
        offers=offers,
        whip=Whip(settings, offers, gate),
        calls=CallResources(
            settings.limits,
            board,
            store,
            commands,
            QuietLine,
            outbound,
            recordings=recordings,
            takes_messages=desk is not None,
        ),
        actions=Actions(settings.limits, board, store, commands, pool, outbound),
        streams=streams,
        listening=listening,
        join=JoinDesk(settings.limits, join_tokens),
        health=Health(board, gate, ready, member),
        voice=Voice(settings.limits, gate, phone),
        reference=reference,
        voicemails=VoicemailResources(settings.limits, store, commands, desk),
    )
    reference.describe(routes)

    async def close_pool(_: web.Application) -> None:
        pool.shutdown(wait=True)

    # Outermost first: what is refused by a later one is still counted, and still a problem.
    app = web.Application(middlewares=[member.middleware(), observe.observed, problems, origins.middleware()])
    app[ROUTES] = routes
    app.on_response_prepare.append(observe.label)
    app.on_response_prepare.append(origins.label)
    app.on_startup.append(streams.begin)
    app.on_shutdown.append(streams.end)
    app.on_shutdown.append(listening.end)
    app.on_cleanup.extend([offers.settle, commands.settle, close_pool])
    app.add_routes(_served(routes, guard))
    app.add_routes(_pages(reference))
    return app


def _served(routes: Iterable[Route], guard: Guard) -> Iterable[web.RouteDef]:
    for route in routes:
        handler = guard.before(route)
        if route.method == "GET":
            yield web.get(route.path, handler, allow_head=not route.streams)
        else:
            yield web.route(route.method, route.path, handler)


def _pages(reference: Reference) -> list[web.RouteDef]:
    console = Console()
    return [
        web.get("/", console.page),
        web.get("/client.js", console.client),
        web.get("/console/{name:.+}", console.asset),
        web.get("/docs", reference.page),
        web.get("/docs/{name}", reference.asset),
    ]
