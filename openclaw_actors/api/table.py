"""Every route, with what it takes and answers: the one table behind the application and its description."""

from __future__ import annotations

from openclaw_actors.api.actions import NOT_TO_BE_CALLED, Actions
from openclaw_actors.api.calls import CallResources
from openclaw_actors.api.carrier_routes import of_carriers
from openclaw_actors.api.commands import PROBLEMS
from openclaw_actors.api.event_streams import EventStreams
from openclaw_actors.api.health import Health
from openclaw_actors.api.join import JoinDesk
from openclaw_actors.api.listening import ListeningDesk
from openclaw_actors.api.models import (
    Alive,
    Answer,
    Call,
    Calls,
    CallsQuery,
    EventBody,
    IceServers,
    JoinRequest,
    JoinToken,
    Me,
    Node,
    NodeQuery,
    Nodes,
    Offer,
    OpenApi,
    PlaceCall,
    Readiness,
    RecordingQuery,
    ScrapeTargets,
    Transcript,
)
from openclaw_actors.api.offers import Offers
from openclaw_actors.api.reference import Reference
from openclaw_actors.api.routes import Answers, Route
from openclaw_actors.api.voice import Voice
from openclaw_actors.api.voicemails import VoicemailResources
from openclaw_actors.api.whip import CALL_ID_HEADER, FRAGMENT, RESUME_HEADER, SDP, Whip

_STORE = {503: ("store_unavailable",)}
_UNKNOWN = {404: ("no_such_call",), **_STORE}
_NO_PLACE = ("full", "draining", "not_ready", "setup_timeout")
_STREAM = (
    "Server-sent events; each `data` is an EventBody. In quiet a comment comes every 15 s. A reader who falls behind "
    "is disconnected after a comment that begins with `overflow`, and may come back with Last-Event-ID."
)


def all_routes(  # noqa: PLR0913 - one for each part of the API
    *,
    offers: Offers,
    whip: Whip,
    calls: CallResources,
    actions: Actions,
    streams: EventStreams,
    listening: ListeningDesk,
    join: JoinDesk,
    health: Health,
    reference: Reference,
    voice: Voice,
    voicemails: VoicemailResources,
) -> tuple[Route, ...]:
    """The table."""
    return (
        *_of_webrtc(offers, whip, join),
        *_of_calls(calls),
        *actions.routes(),
        *voicemails.routes(),
        *_of_events(streams),
        *_of_listening(listening),
        *_of_host(health, reference),
        *of_carriers(voice),
    )


def _of_webrtc(offers: Offers, whip: Whip, join: JoinDesk) -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            "/webrtc/offer",
            offers.take,
            "webrtc",
            "Call from a browser: an SDP offer comes in, the answer goes out.",
            (
                Answers(
                    200,
                    "The call begins.",
                    Answer,
                    headers={
                        "Location": "DELETE this to hang up; keep it secret.",
                        "ETag": "For If-Match, if candidates are to follow by PATCH.",
                    },
                ),
            ),
            scope="call:join",
            body=(Offer,),
            problems={
                400: ("bad_sdp",),
                401: ("token_used",),
                410: ("resume_expired",),
                413: ("sdp_too_large",),
                422: ("voicemail_off", "not_an_offer", "too_many_candidates", "no_audio", "no_codec", "ice_failed"),
                429: ("too_many_offers",),
                503: (*_NO_PLACE, "too_many_pending", "no_udp_ports"),
            },
            own_guard=True,
        ),
        Route(
            "POST",
            "/webrtc/whip",
            whip.take,
            "webrtc",
            "The same in WHIP's shape (RFC 9725): SDP in, SDP out.",
            (
                Answers(
                    201,
                    "The call begins.",
                    content_type=SDP,
                    headers={
                        "Location": "PATCH candidates to it, DELETE it to hang up; keep it secret.",
                        "ETag": "Names the ICE session, for If-Match.",
                        CALL_ID_HEADER: "The call.",
                        RESUME_HEADER: "Sent with another offer, it brings the caller back into the conversation.",
                    },
                ),
            ),
            scope="call:join",
            takes=SDP,
            problems={
                400: ("no_body", "bad_body", "bad_sdp"),
                401: ("token_used",),
                408: ("slow_body",),
                410: ("resume_expired",),
                413: ("body_too_large", "sdp_too_large"),
                415: ("unsupported_media_type",),
                422: ("invalid_fields", "too_many_candidates", "no_audio", "no_codec", "ice_failed"),
                429: ("too_many_offers",),
                503: (*_NO_PLACE, "too_many_pending", "no_udp_ports"),
            },
            own_guard=True,
            detail="Media go both ways. `Link` headers name the ICE servers, if there are any.",
        ),
        Route(
            "PATCH",
            "/webrtc/sessions/{secret}",
            whip.trickle,
            "webrtc",
            "Send candidates that were found after the offer (RFC 8840).",
            (Answers(204, "They are taken; those to which nothing may be sent are passed over."),),
            takes=FRAGMENT,
            problems={
                400: ("no_body", "bad_body", "bad_fragment"),
                404: ("no_such_session",),
                408: ("slow_body",),
                412: ("tag_mismatch",),
                413: ("body_too_large", "sdp_too_large"),
                415: ("unsupported_media_type",),
                422: ("no_ice_restart", "too_many_candidates"),
                428: ("tag_required",),
                429: ("too_many_requests",),
            },
        ),
        Route(
            "DELETE",
            "/webrtc/sessions/{secret}",
            offers.end,
            "webrtc",
            "Hang up, by the secret address that the answer's Location named.",
            (Answers(200, "The call ends."),),
            problems={404: ("no_such_session",)},
        ),
        Route(
            "GET",
            "/webrtc/ice-servers",
            offers.ice_servers,
            "webrtc",
            "What a browser needs before it offers.",
            (Answers(200, "STUN and TURN servers; credentials are short-lived.", IceServers),),
            scope="call:join",
            own_guard=True,
        ),
        Route(
            "POST",
            "/v1/join-tokens",
            join.mint,
            "webrtc",
            "Make a token with which somebody else's browser may make one call.",
            (Answers(201, "A token for Authorization: Bearer.", JoinToken),),
            scope="call:control",
            body=(JoinRequest,),
        ),
    )


def _of_calls(calls: CallResources) -> tuple[Route, ...]:
    return (
        Route(
            "POST",
            "/v1/calls",
            calls.place,
            "calls",
            "Place a call.",
            (Answers(201, "The call is placed.", Call, headers={"Location": "The call."}),),
            scope="call:control",
            body=(PlaceCall,),
            idempotent=True,
            problems={
                400: ("bad_idempotency_key",),
                409: PROBLEMS[409],
                422: (
                    "no_carrier",
                    "not_supported_on_transport",
                    "message_missing",
                    "from_not_ours",
                    "voicemail_off",
                    "carrier_refused",
                    *PROBLEMS[422],
                ),
                **NOT_TO_BE_CALLED,
                502: ("carrier_refused",),
                503: (*_NO_PLACE, "carrier_busy", "carrier_unreachable", *PROBLEMS[503]),
            },
        ),
        Route(
            "GET",
            "/v1/calls",
            calls.list,
            "calls",
            "List calls, newest first.",
            (Answers(200, "A page of calls, live and past.", Calls),),
            scope="read",
            query=CallsQuery,
            problems=_STORE,
        ),
        Route(
            "GET",
            "/v1/calls/{call_id}",
            calls.read,
            "calls",
            "Read a call.",
            (Answers(200, "The call, as it is now or as it ended.", Call),),
            scope="read",
            problems=_UNKNOWN,
        ),
        Route(
            "DELETE",
            "/v1/calls/{call_id}",
            calls.erase,
            "calls",
            "Erase a call: its record, transcript, events and recordings.",
            (Answers(204, "It is erased."),),
            scope="admin",
            problems={**_UNKNOWN, 409: ("call_is_live",)},
        ),
        Route(
            "GET",
            "/v1/calls/{call_id}/transcript",
            calls.transcript,
            "calls",
            "Read what was said; of the agent's lines, what was really spoken.",
            (Answers(200, "The final lines, in order.", Transcript),),
            scope="read",
            problems=_UNKNOWN,
        ),
        Route(
            "GET",
            "/v1/calls/{call_id}/recording",
            calls.recordings.read,
            "calls",
            "Hear what was recorded: the caller left, the agent right.",
            (
                Answers(200, "An Ogg file of Opus, or a WAV file.", content_type="audio/ogg"),
                Answers(206, "The part of it that Range asked for.", content_type="audio/ogg"),
            ),
            scope="read",
            query=RecordingQuery,
            problems={
                404: ("no_such_call", "no_recording"),
                409: ("still_recording",),
                410: ("recording_expired",),
                **_STORE,
            },
        ),
    )


def _of_events(streams: EventStreams) -> tuple[Route, ...]:
    answers = Answers(200, "The stream.", EventBody, content_type="text/event-stream")
    problems = {400: ("bad_last_event_id",), 503: ("too_many_streams", "store_unavailable")}
    return (
        Route(
            "GET",
            "/v1/calls/{call_id}/events",
            streams.of_call,
            "events",
            "Follow a call, from its first event to its end.",
            (answers, Answers(204, "The call is over and Last-Event-ID was its last event: do not come back.")),
            scope="read",
            problems={**problems, 404: ("no_such_call",)},
            streams=True,
            detail=_STREAM,
        ),
        Route(
            "GET",
            "/v1/events",
            streams.of_all,
            "events",
            "Follow all calls from now on.",
            (answers,),
            scope="read",
            problems=problems,
            streams=True,
            detail=_STREAM,
        ),
    )


def _of_listening(listening: ListeningDesk) -> tuple[Route, ...]:
    return (
        Route(
            "GET",
            "/v1/calls/{call_id}/listen",
            listening.listen,
            "calls",
            "Listen in on a call, from now to its end.",
            (
                Answers(
                    200,
                    "A WAV stream without an end: mu-law, 16 kHz, the caller left, the agent right.",
                    content_type="audio/wav",
                ),
            ),
            scope="call:listen",
            problems={
                403: ("listening_off",),
                **_UNKNOWN,
                409: ("call_ended",),
                503: ("too_many_listeners", *_STORE[503]),
            },
            streams=True,
            detail="Where `calls.listen_in` is on. Events tell of it (`call.listener.joined`, "
            "`call.listener.left`). Who reads too slowly hears gaps; the call is not slowed.",
        ),
        Route(
            "GET",
            "/v1/me",
            listening.me,
            "host",
            "On whose behalf you come, and what you may do.",
            (Answers(200, "You.", Me),),
            scope="read",
        ),
    )


def _of_host(health: Health, reference: Reference) -> tuple[Route, ...]:
    drained = Answers(200, "The host, as it is now.", Node)
    unknown = {404: ("no_such_host",)}
    return (
        Route(
            "GET",
            "/v1/node",
            health.node,
            "host",
            "Describe this host.",
            (Answers(200, "The host.", Node),),
            scope="read",
            query=NodeQuery,
            problems=unknown,
        ),
        Route(
            "GET",
            "/v1/nodes",
            health.nodes,
            "host",
            "Describe all hosts of the cluster.",
            (Answers(200, "Them; without a cluster, this one.", Nodes),),
            scope="read",
        ),
        Route(
            "GET",
            "/v1/nodes/prometheus",
            health.scrape_targets,
            "host",
            "Where Prometheus finds the metrics of each host (http_sd).",
            (Answers(200, "A target for each, at this address.", ScrapeTargets),),
            scope="read",
        ),
        Route(
            "POST",
            "/v1/node/drain",
            health.drain,
            "host",
            "Take no new calls; those that run go on.",
            (drained,),
            scope="admin",
            query=NodeQuery,
            problems=unknown,
        ),
        Route(
            "DELETE",
            "/v1/node/drain",
            health.end_drain,
            "host",
            "Take new calls again.",
            (drained,),
            scope="admin",
            query=NodeQuery,
            problems=unknown,
        ),
        Route(
            "POST",
            "/v1/node/restart",
            health.restart,
            "host",
            "End the process of a cluster's host that has no calls; it is started anew.",
            (Answers(202, "It ends.", Node),),
            scope="admin",
            query=NodeQuery,
            problems={**unknown, 409: ("not_in_cluster", "calls_left")},
        ),
        Route("GET", "/livez", health.livez, "host", "Is the process alive?", (Answers(200, "It is.", Alive),)),
        Route(
            "GET",
            "/readyz",
            health.readyz,
            "host",
            "Are new calls taken?",
            (Answers(200, "They are.", Readiness), Answers(503, "They are not.", Readiness)),
        ),
        Route(
            "GET",
            "/metrics",
            health.metrics,
            "host",
            "For Prometheus.",
            (Answers(200, "In the text format that Accept asks for.", content_type="text/plain"),),
            scope="read",
        ),
        Route(
            "GET",
            "/openapi.json",
            reference.openapi,
            "host",
            "This document.",
            (Answers(200, "OpenAPI 3.1.", OpenApi), Answers(304, "You have it.")),
        ),
    )
