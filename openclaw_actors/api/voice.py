"""``/voice``: where carriers call. Nothing is believed, parsed or started before its signature was checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

from aiohttp import web

from openclaw_actors.api.aiohttp_private import TappedWebSocket
from openclaw_actors.api.auth import Gate
from openclaw_actors.api.bodies import read_raw
from openclaw_actors.api.problems import route_of
from openclaw_actors.api.stream_socket import CLOSE_S, StreamSocket
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Limits
from openclaw_actors.telephony.carrier import AGAIN, TOKEN, Carrier, Webhook
from openclaw_actors.telephony.crowd import Crowd
from openclaw_actors.telephony.phone import Phone
from openclaw_actors.telephony.trunk import Trunk

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Voice:
    """The carriers' routes.

    Args:
        limits: of bodies and streams.
        gate: knows where a request comes from.
        phone: telephony; None where no carrier is configured.
    """

    def __init__(self, limits: Limits, gate: Gate, phone: Phone | None) -> None:
        self._limits = limits
        self._gate = gate
        self._phone = phone
        self._webhooks = Crowd(0, limits.carrier_requests_per_address)

    def hook(self, carrier: str, name: str) -> Handler:
        """The handler of one of a carrier's webhooks; ``name`` is the last part of its route."""

        async def hook(request: web.Request) -> web.StreamResponse:
            trunk = self._reach(carrier)
            body = await self._signed(request, trunk.carrier)
            try:
                webhook = Webhook(name, request.raw_path, request.query, body)
                document = await trunk.take_again(webhook) if name == AGAIN else trunk.take(webhook)
            except ValueError:
                raise RefusalError(400, "bad_form", "The body is not what this carrier sends.") from None
            return web.Response(body=document.encode(), content_type=trunk.carrier.content_type, charset="utf-8")

        return hook

    def stream(self, carrier: str) -> Handler:
        """The handler of a carrier's media streams, each until its call is over."""

        async def stream(request: web.Request) -> web.StreamResponse:
            trunk = self._reach(carrier)
            token = self._admit(request, trunk)
            response = TappedWebSocket(max_msg_size=self._limits.stream_message_bytes, compress=False, timeout=CLOSE_S)
            if not response.can_prepare(request).ok:
                raise RefusalError(426, "upgrade_required", "This is a WebSocket.", {"Upgrade": "websocket"})
            await response.prepare(request)
            socket = StreamSocket(request, response, self._limits.stream_outgoing_bytes)
            await trunk.streams.serve(socket, self._address(request), token)
            return response

        return stream

    # --- before anything else -----------------------------------------------------------------------

    async def _signed(self, request: web.Request, carrier: Carrier) -> bytes:
        """The body of a webhook that the carrier has signed.

        Raises:
            RefusalError: 401 ``signature_missing`` before the body is read, 429 ``too_many_webhooks``, what
                ``read_raw`` raises, 401 ``bad_signature``.
        """
        _demand_signature(request, carrier)
        address = self._address(request)
        if not self._webhooks.enter(address):
            raise RefusalError(
                429, "too_many_webhooks", "Too many webhooks of this address are in progress.", {"Retry-After": "1"}
            )
        try:
            body = await read_raw(request, self._limits)
        finally:
            self._webhooks.leave(address)
        if not carrier.signs(request.raw_path, body, request.headers):
            _refuse(request, carrier)
        return body

    def _admit(self, request: web.Request, trunk: Trunk) -> str:
        """Let a carrier's media stream in; the token, where its URL holds it.

        Raises:
            RefusalError: 401.
        """
        carrier = trunk.carrier
        if carrier.abilities.signs_upgrades:
            _demand_signature(request, carrier)
            if not carrier.signs_upgrade(request.raw_path, request.headers):
                _refuse(request, carrier)
            return ""
        token = request.query.get(TOKEN, "")
        if not trunk.knows(token):
            _refuse(request, carrier, "bad_token", "No call waits for a stream with this token.")
        return token

    def _reach(self, carrier: str) -> Trunk:
        trunk = self._phone.trunks.get(carrier) if self._phone is not None else None
        if trunk is None:
            raise RefusalError(404, "no_carrier", "This carrier is not configured here.")
        return trunk

    def _address(self, request: web.Request) -> str:
        """What a request is counted by; programs on this machine are not."""
        client = self._gate.client(request)
        return "" if client.is_local else client.key


def _demand_signature(request: web.Request, carrier: Carrier) -> None:
    missing = carrier.unsigned(request.headers)
    if missing:
        _refuse(request, carrier, "signature_missing", f"The request must have one {missing}.")


def _refuse(request: web.Request, carrier: Carrier, code: str = "bad_signature", detail: str = "") -> NoReturn:
    metrics.webhook_signature_failures_total.labels(carrier=carrier.name).inc()
    log.warning("a carrier's request without a good signature", route=route_of(request), code=code)
    why = detail or f"It is not signed by {carrier.title} for this host: {carrier.name}'s secrets, server.public_url."
    raise RefusalError(401, code, why, {"WWW-Authenticate": carrier.name})
