"""Twilio's REST API over one account, and the numbers that can be called from it.

After twilio.com/docs/voice/api/call-resource and .../phone-numbers/api/incomingphonenumber-resource; errors in the
shape of twilio.com/docs/usage/twilios-response. A host reaches it by ``twilio.api_base_url``.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from aiohttp import web

from openclaw_actors.settings.numbers import is_e164
from openclaw_actors.testkit.providers.twilio.dialled import FINAL, DialledCall
from openclaw_actors.testkit.providers.twilio.exchange import Exchange, new_sid
from openclaw_actors.testkit.providers.twilio.script import RestFault, Script
from openclaw_actors.testkit.providers.twilio.twiml import TwimlError, parse
from openclaw_actors.testkit.waiting import Waits

PUBLIC_URL = "https://voice.example.test"
"""What a host under test has for ``server.public_url``: nobody resolves it, the exchange knows where it leads."""
NUMBER = "+15550100002"
"""The account's."""
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of nobody


class FakeTwilio:
    """The account and its people; an async context.

    Set ``exchange.reach`` to where the host listens before anything is called: the host must know ``api_base_url``,
    so this starts first.

    Args:
        public_url: ``server.public_url`` of the host.
        numbers: the account's.
        auth_token: its secret.
    """

    def __init__(
        self, public_url: str = PUBLIC_URL, numbers: tuple[str, ...] = (NUMBER,), auth_token: str = AUTH_TOKEN
    ) -> None:
        self.exchange = Exchange(public_url, "", auth_token, new_sid("AC"))
        self.auth_token = auth_token
        self.account_sid = self.exchange.account_sid
        self.api_base_url = ""
        self.scripts: dict[str, Script] = {}
        """By number; a person answers at all others."""
        self.calls: list[DialledCall] = []
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request to the REST API."""
        self.numbers = {new_sid("PN"): self._new_number(number) for number in numbers}
        """IncomingPhoneNumber resources by sid."""
        self.trial = False
        """A trial account: it calls verified numbers alone, and none is."""
        self._faults: deque[RestFault] = deque()
        self._waits = Waits(lambda: f"{len(self.calls)} calls, {len(self.requests)} requests")
        self._runner: web.AppRunner | None = None
        self._held = asyncio.Event()
        self._held.set()

    async def __aenter__(self) -> Self:
        await self.exchange.__aenter__()
        base = "/2010-04-01/Accounts/{account}"

        @web.middleware
        async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[guarded])
        app.router.add_get(base + ".json", self._describe)
        app.router.add_post(base + "/Calls.json", self._place)
        app.router.add_get(base + "/Calls/{sid}.json", self._read)
        app.router.add_post(base + "/Calls/{sid}.json", self._update)
        app.router.add_get(base + "/Recordings.json", self._list_recordings)
        app.router.add_get(base + "/Recordings/{sid}.wav", self._recording)
        app.router.add_delete(base + "/Recordings/{sid}.json", self._erase_recording)
        app.router.add_get(base + "/IncomingPhoneNumbers.json", self._list_numbers)
        app.router.add_post(base + "/IncomingPhoneNumbers/{sid}.json", self._update_number)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.api_base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.set()
        await asyncio.gather(*(call.aclose() for call in self.calls))
        if self._runner is not None:
            await self._runner.cleanup()
        await self.exchange.__aexit__(kind, error, trace)

    # --- for tests --------------------------------------------------------------------------------

    def fail(self, *faults: RestFault) -> None:
        """Let the next requests go wrong, one fault each."""
        self._faults.extend(faults)

    def hold(self) -> Callable[[], None]:
        """Answer no request until what is returned is called; what it asks for is done at once."""
        self._held.clear()
        return self._held.set

    async def placed(self, number: int = 1, timeout_s: float = 10.0) -> DialledCall:
        """The call that was placed as the ``number``-th."""
        await self._waits.until(lambda _: len(self.calls) >= number, timeout_s, f"call number {number}")
        return self.calls[number - 1]

    async def asked(self, requests: int, timeout_s: float = 10.0) -> None:
        """Return when so many requests have come to the REST API."""
        await self._waits.until(lambda _: len(self.requests) >= requests, timeout_s, f"request number {requests}")

    def forget(self) -> None:
        """Begin anew: no calls, no scripts, no faults."""
        self.calls.clear()
        self.requests.clear()
        self.scripts.clear()
        self._faults.clear()

    # --- the API ----------------------------------------------------------------------------------

    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self._waits.check(0.0)
        given = request.headers.get("Authorization", "")
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if given != f"Basic {expected}":
            return _error(401, 20003, "Authenticate")
        if request.match_info.get("account") != self.account_sid:
            return _error(404, 20404, f"The requested resource {request.path} was not found")
        fault = self._faults.popleft() if self._faults else None
        if fault is not None and fault.hangs:
            await asyncio.Event().wait()
        if fault is None or fault.done:
            response: web.StreamResponse = await handler(request)
            await self._held.wait()
        if fault is None:
            return response
        if not fault.status:
            assert request.transport is not None  # noqa: S101 - it has just asked
            request.transport.close()
            return web.Response()
        return _error(fault.status, fault.code, fault.message)

    async def _describe(self, _: web.Request) -> web.Response:
        kind = "Trial" if self.trial else "Full"
        return web.json_response({"sid": self.account_sid, "friendly_name": "Test", "status": "active", "type": kind})

    async def _place(self, request: web.Request) -> web.Response:
        form = await _form(request)
        to, sender = form.get("To", ""), form.get("From", "")
        if not is_e164(to):
            return _error(400, 21211, f"The phone number you are attempting to call, {to}, is not valid.")
        if sender not in {each["phone_number"] for each in self.numbers.values()}:
            return _error(400, 21210, f"The source phone number provided, {sender}, is not yet verified")
        if self.trial:
            return _error(400, 21219, f"The number {to} is unverified. Trial accounts may only call verified numbers.")
        if not 5 <= int(form.get("Timeout", "60")) <= 600:
            return _error(400, 21226, "Timeout parameter is not valid")
        try:
            parse(form.get("Twiml", ""))
        except TwimlError as error:
            return _error(400, 21218, f"The Twiml is not valid: {error}")
        call = DialledCall(self.exchange, form, self.scripts.get(to, Script()))
        self.calls.append(call)
        self._waits.check(0.0)
        call.begin()
        return web.json_response(call.as_json(), status=201)

    async def _read(self, request: web.Request) -> web.Response:
        call = self._find(request)
        return web.json_response(call.as_json()) if call is not None else _not_found(request)

    async def _update(self, request: web.Request) -> web.Response:
        call, form = self._find(request), await _form(request)
        if call is None:
            return _not_found(request)
        if call.status in FINAL:
            return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
        if "Twiml" in form:
            if call.status != "in-progress":
                return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
            call.redirect(form["Twiml"])
        elif form.get("Status") in {"completed", "canceled"}:
            await call.hang_up()
        return web.json_response(call.as_json())

    async def _list_recordings(self, request: web.Request) -> web.Response:
        wanted = request.query.get("CallSid", "")
        found = [
            {"sid": sid, "call_sid": call, "status": "completed", "source": "RecordVerb"}
            for sid, (call, _) in self.exchange.recordings.items()
            if wanted in {"", call}
        ]
        return web.json_response(
            {"recordings": found, "page": 0, "page_size": 50, "next_page_uri": None, "uri": request.path}
        )

    async def _recording(self, request: web.Request) -> web.Response:
        found = self.exchange.recordings.get(request.match_info["sid"])
        return _not_found(request) if found is None else web.Response(body=found[1], content_type="audio/x-wav")

    async def _erase_recording(self, request: web.Request) -> web.Response:
        gone = self.exchange.recordings.pop(request.match_info["sid"], None)
        return _not_found(request) if gone is None else web.Response(status=204)

    async def _list_numbers(self, request: web.Request) -> web.Response:
        wanted = request.query.get("PhoneNumber", "")
        found = [each for each in self._all_numbers() if wanted in each["phone_number"]]
        return web.json_response(
            {"incoming_phone_numbers": found, "page": 0, "page_size": 50, "next_page_uri": None, "uri": request.path}
        )

    async def _update_number(self, request: web.Request) -> web.Response:
        number = self.numbers.get(request.match_info["sid"])
        if number is None:
            return _not_found(request)
        for name, value in (await _form(request)).items():
            number[_snake(name)] = value
        return web.json_response({"sid": request.match_info["sid"], **number})

    def _find(self, request: web.Request) -> DialledCall | None:
        return next((call for call in self.calls if call.sid == request.match_info["sid"]), None)

    def _all_numbers(self) -> list[dict[str, Any]]:
        return [{"sid": sid, **number} for sid, number in self.numbers.items()]

    def _new_number(self, number: str) -> dict[str, Any]:
        return {
            "account_sid": self.account_sid,
            "phone_number": number,
            "friendly_name": number,
            # What a number has when it is bought.
            "voice_url": "https://demo.twilio.com/welcome/voice/",
            "voice_method": "POST",
            "voice_application_sid": "",
            "trunk_sid": None,
            "status_callback": "",
            "status_callback_method": "POST",
        }


async def _form(request: web.Request) -> dict[str, Any]:
    fields = parse_qs((await request.read()).decode(), keep_blank_values=True)
    return {name: values if name == "StatusCallbackEvent" else values[-1] for name, values in fields.items()}


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _error(status: int, code: int, message: str) -> web.Response:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return web.json_response({"code": code, "message": message, "more_info": more, "status": status}, status=status)


def _not_found(request: web.Request) -> web.Response:
    return _error(404, 20404, f"The requested resource {request.path} was not found")
