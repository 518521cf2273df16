"""``/voice``: where carriers call. Nothing is believed, parsed or started before its signature was checked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from aiohttp import web
from multidict import MultiDict

from openclaw_actors.api.auth import Gate
from openclaw_actors.api.bodies import read_raw
from openclaw_actors.api.problems import route_of
from openclaw_actors.api.stream_socket import CLOSE_S, StreamSocket
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Limits
from openclaw_actors.telephony.crowd import Crowd
from openclaw_actors.telephony.once import Once
from openclaw_actors.telephony.phone import Phone
from openclaw_actors.telephony.twilio.signature import HEADER, read_form
from openclaw_actors.telephony.twilio.twiml import EMPTY

log = get_logger(__name__)

Form = Mapping[str, str]


class Voice:
    """The carrier's routes.

    Args:
        limits: of bodies and streams.
        gate: knows where a request comes from.
        phone: telephony; None where no carrier is configured.
        clock: monotonic seconds.
    """

    def __init__(
        self, limits: Limits, gate: Gate, phone: Phone | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._gate = gate
        self._phone = phone
        self._callbacks = Once(clock)
        self._webhooks = Crowd(0, limits.carrier_requests_per_address)

    async def webhook(self, request: web.Request) -> web.Response:
        """``POST /voice/webhook``: somebody calls one of our numbers."""
        phone, form = await self._signed(request)
        return _twiml(phone.inbound.answer(form))

    async def status(self, request: web.Request) -> web.Response:
        """``POST /voice/status``."""
        phone, form = await self._signed(request)
        return self._told(request, form, phone.on_status)

    async def amd(self, request: web.Request) -> web.Response:
        """``POST /voice/amd``."""
        phone, form = await self._signed(request)
        return self._told(request, form, phone.on_amd)

    async def recording(self, request: web.Request) -> web.Response:
        """``POST /voice/recording``."""
        phone, form = await self._signed(request)
        return self._told(request, form, phone.on_recording)

    async def stream_status(self, request: web.Request) -> web.Response:
        """``POST /voice/stream-status``."""
        phone, form = await self._signed(request)
        return self._told(request, form, phone.on_stream_status)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """``GET /voice/stream``: a media stream, until its call is over."""
        phone = self._reach()
        if not phone.signatures.signs_upgrade(request.raw_path, _signature(request)):
            _refuse_signature(request)
        response = web.WebSocketResponse(
            max_msg_size=self._limits.stream_message_bytes, compress=False, timeout=CLOSE_S
        )
        if not response.can_prepare(request).ok:
            raise RefusalError(426, "upgrade_required", "This is a WebSocket.", {"Upgrade": "websocket"})
        await response.prepare(request)
        socket = StreamSocket(request, response, self._limits.stream_outgoing_bytes)
        await phone.streams.serve(socket, self._address(request))
        return response

    def _told(self, request: web.Request, form: Form, tell: Callable[[Form, str], None]) -> web.Response:
        """Pass a callback on, unless it was already."""

        def once() -> str:
            tell(form, request.query.get("call", ""))
            return EMPTY

        told = hashlib.sha256(repr((request.raw_path, sorted(form.items()))).encode()).hexdigest()
        return _twiml(self._callbacks.answer(told, once))

    # --- before anything else -----------------------------------------------------------------------

    async def _signed(self, request: web.Request) -> tuple[Phone, Form]:
        """The fields of a webhook that the carrier has signed.

        Raises:
            RefusalError: 401 ``signature_missing`` before the body is read, 429 ``too_many_webhooks``, what
                ``read_raw`` raises, 401 ``bad_signature``.
        """
        phone = self._reach()
        given = _signature(request)
        address = self._address(request)
        if not self._webhooks.enter(address):
            raise RefusalError(
                429, "too_many_webhooks", "Too many webhooks of this address are in progress.", {"Retry-After": "1"}
            )
        try:
            body = await read_raw(request, self._limits)
        finally:
            self._webhooks.leave(address)
        if not phone.signatures.signs_request(request.raw_path, body, given):
            _refuse_signature(request)
        try:
            form: MultiDict[str] = read_form(body)
        except ValueError:
            raise RefusalError(400, "bad_form", "The body is no form.") from None
        return phone, dict(form)

    def _reach(self) -> Phone:
        if self._phone is None:
            raise RefusalError(404, "no_carrier", "No carrier is configured here.")
        return self._phone

    def _address(self, request: web.Request) -> str:
        """What a request is counted by; programs on this machine are not."""
        client = self._gate.client(request)
        return "" if client.is_local else client.key


def _signature(request: web.Request) -> str:
    given = request.headers.getall(HEADER, [])
    if len(given) != 1:
        _refuse_signature(request, "signature_missing", f"The request must have one {HEADER}.")
    return given[0]


def _refuse_signature(
    request: web.Request,
    code: str = "bad_signature",
    detail: str = "It is not signed with twilio.auth_token, for the URL that server.public_url gives.",
) -> NoReturn:
    metrics.webhook_signature_failures_total.labels(carrier="twilio").inc()
    log.warning("a carrier's request without a good signature", route=route_of(request), code=code)
    raise RefusalError(401, code, detail, {"WWW-Authenticate": HEADER})


def _twiml(text: str) -> web.Response:
    return web.Response(body=text.encode(), content_type="text/xml", charset="utf-8")
