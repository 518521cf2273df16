"""Twilio's REST API over one account, and the numbers that can be called from it.

After twilio.com/docs/voice/api/call-resource and .../phone-numbers/api/incomingphonenumber-resource; errors in the
shape of twilio.com/docs/usage/twilios-response. A host reaches it by ``twilio.api_base_url``.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from openclaw_actors.settings.numbers import is_e164
from openclaw_actors.testkit.providers.carrier.account import NUMBER, PUBLIC_URL, FakeCarrier
from openclaw_actors.testkit.providers.carrier.dialled import FINAL
from openclaw_actors.testkit.providers.carrier.script import RestFault, Script
from openclaw_actors.testkit.providers.twilio.dialled import TwilioCall
from openclaw_actors.testkit.providers.twilio.exchange import Exchange, new_sid
from openclaw_actors.testkit.providers.twilio.twiml import TwimlError, parse

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of nobody


class FakeTwilio(FakeCarrier[Exchange, TwilioCall]):
    """As FakeCarrier.

    Args:
        public_url: ``server.public_url`` of the host.
        numbers: the account's.
        auth_token: its secret.
    """

    name = "twilio"

    def __init__(
        self, public_url: str = PUBLIC_URL, numbers: tuple[str, ...] = (NUMBER,), auth_token: str = AUTH_TOKEN
    ) -> None:
        super().__init__(Exchange(public_url, "", auth_token, new_sid("AC")))
        self.auth_token = auth_token
        self.account_sid = self.exchange.account_sid
        self.numbers = {new_sid("PN"): self._new_number(number) for number in numbers}
        """IncomingPhoneNumber resources by sid."""
        self.trial = False
        """A trial account: it calls verified numbers alone, and none is."""

    def routes(self) -> Sequence[web.RouteDef]:
        """As FakeCarrier.routes."""
        base = "/2010-04-01/Accounts/{account}"
        return (
            web.get(base + ".json", self._describe),
            web.post(base + "/Calls.json", self._place),
            web.get(base + "/Calls/{sid}.json", self._read),
            web.post(base + "/Calls/{sid}.json", self._update),
            web.get(base + "/Recordings.json", self._list_recordings),
            web.get(base + "/Recordings/{sid}.wav", self._recording),
            web.delete(base + "/Recordings/{sid}.json", self._erase_recording),
            web.get(base + "/IncomingPhoneNumbers.json", self._list_numbers),
            web.post(base + "/IncomingPhoneNumbers/{sid}.json", self._update_number),
        )

    def refuse(self, request: web.Request) -> web.Response | None:
        """As FakeCarrier.refuse."""
        given = request.headers.get("Authorization", "")
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if given != f"Basic {expected}":
            return _error(401, 20003, "Authenticate")
        if request.match_info.get("account") != self.account_sid:
            return _error(404, 20404, f"The requested resource {request.path} was not found")
        return None

    def fault(self, fault: RestFault) -> web.Response:
        """As FakeCarrier.fault."""
        return _error(fault.status, fault.code, fault.message)

    # --- the API ----------------------------------------------------------------------------------

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
        call = TwilioCall(self.exchange, form, self.scripts.get(to, Script()))
        self.dial(call)
        return web.json_response(call.as_json(), status=201)

    async def _read(self, request: web.Request) -> web.Response:
        call = self.find(request.match_info["sid"])
        return web.json_response(call.as_json()) if call is not None else _not_found(request)

    async def _update(self, request: web.Request) -> web.Response:
        call, form = self.find(request.match_info["sid"]), await _form(request)
        if call is None:
            return _not_found(request)
        if call.status in FINAL:
            return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
        if "Twiml" in form:
            if call.status != "in-progress":
                return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
            call.line.run(parse(form["Twiml"]))
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
