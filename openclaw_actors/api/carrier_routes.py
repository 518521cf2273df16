"""The routes that carriers call: what each is told there, and how the carrier shows that it is itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openclaw_actors.api.routes import Answers, Route
from openclaw_actors.api.voice import Voice

_SIGNED = {401: ("signature_missing", "bad_signature"), 404: ("no_carrier",)}
_WEBHOOK = {
    **_SIGNED,
    400: ("bad_body", "bad_form"),
    408: ("slow_body",),
    413: ("body_too_large",),
    429: ("too_many_webhooks",),
}
_BY_TOKEN = {401: ("bad_token",), 404: ("no_carrier",), 426: ("upgrade_required",)}
_LET_IN = "Let in by the `token` in its query: single use, of one call, given to the carrier for that call alone."
_ASKS = "For the same call it is always the same."
_TAKEN = "Taken. The same callback is taken once, and answered the same again."


@dataclass(frozen=True, slots=True)
class _CarrierRoutes:
    """One carrier's: what it calls by POST, by the last part of the path, and how it shows that it is itself."""

    name: str
    title: str
    base: str
    content_type: str
    signed: str
    hooks: Mapping[str, tuple[str, str]]
    """What is told, and what is answered."""
    stream_problems: Mapping[int, tuple[str, ...]]
    stream_guard: str


_CARRIERS = (
    _CarrierRoutes(
        "twilio",
        "Twilio",
        "/voice",
        "text/xml",
        "Signed by Twilio (X-Twilio-Signature), for the URL that `server.public_url` gives.",
        {
            "webhook": ("asks what to do with a call that comes in", f"TwiML. {_ASKS}"),
            "status": ("tells what has become of a call", _TAKEN),
            "amd": ("tells who or what has answered a call", _TAKEN),
            "recording": ("tells of a recording", _TAKEN),
            "stream-status": ("tells what has become of a media stream", _TAKEN),
            "again": ("asks what to do when a stream has ended, of a host in a cluster", f"TwiML. {_ASKS}"),
        },
        {**_SIGNED, 426: ("upgrade_required",)},
        "Signed as `/voice/webhook`, over the wss URL.",
    ),
    _CarrierRoutes(
        "telnyx",
        "Telnyx",
        "/voice/telnyx",
        "application/json",
        "Signed by Telnyx: Telnyx-Signature-Ed25519 over Telnyx-Timestamp, `|` and the body, within five minutes.",
        {"webhook": ("tells all of a call; what is to be done with it goes by REST", _TAKEN)},
        _BY_TOKEN,
        _LET_IN,
    ),
    _CarrierRoutes(
        "plivo",
        "Plivo",
        "/voice/plivo",
        "text/xml",
        "Signed by Plivo (X-Plivo-Signature-V3, else -V2), for the URL that `server.public_url` gives.",
        {
            "webhook": ("asks what to do with a call that comes in, or that was answered", f"Plivo XML. {_ASKS}"),
            "status": ("tells that a call rings, or has ended", _TAKEN),
            "amd": ("tells whether a machine has answered", _TAKEN),
            "transfer": ("asks whom to connect a call with that is given away", "Plivo XML, once."),
            "stream-status": ("tells what has become of a media stream", _TAKEN),
        },
        _BY_TOKEN,
        _LET_IN,
    ),
)


def of_carriers(voice: Voice) -> Iterable[Route]:
    """All carriers' routes; those of one that is not configured answer 404."""
    for carrier in _CARRIERS:
        for name, (does, answer) in carrier.hooks.items():
            yield Route(
                "POST",
                f"{carrier.base}/{name}",
                voice.hook(carrier.name, name),
                "carriers",
                f"{carrier.title} {does}.",
                (Answers(200, answer, content_type=carrier.content_type),),
                problems=_WEBHOOK,
                own_guard=True,
                detail=carrier.signed,
            )
        for path in ("stream", "stream/{host}"):
            yield Route(
                "GET",
                f"{carrier.base}/{path}",
                voice.stream(carrier.name),
                "carriers",
                f"{carrier.title} brings a call's sound: a WebSocket.",
                (Answers(101, "The stream begins."),),
                problems=carrier.stream_problems,
                own_guard=True,
                detail=carrier.stream_guard,
            )
