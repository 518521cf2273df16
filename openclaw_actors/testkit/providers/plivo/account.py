"""Plivo's REST API over one account (plivo.com/docs/voice/api). Errors are ``{"api_id", "error"}``."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from aiohttp import web

from openclaw_actors.settings.numbers import is_e164
from openclaw_actors.testkit.providers.carrier.account import NUMBER, PUBLIC_URL, FakeCarrier
from openclaw_actors.testkit.providers.carrier.dialled import FINAL
from openclaw_actors.testkit.providers.carrier.script import RestFault, Script
from openclaw_actors.testkit.providers.plivo.dialled import PlivoCall
from openclaw_actors.testkit.providers.plivo.exchange import Exchange
from openclaw_actors.testkit.waiting import CallEndedError

AUTH_ID, AUTH_TOKEN = "MAXXXXXXXXXXXXXXXXXX", "0123456789abcdef0123456789abcdef01234567"


class FakePlivo(FakeCarrier[Exchange, PlivoCall]):
    """As FakeCarrier.

    Args:
        public_url: ``server.public_url`` of the host.
        numbers: the account's.
    """

    name = "plivo"

    def __init__(self, public_url: str = PUBLIC_URL, numbers: tuple[str, ...] = (NUMBER,)) -> None:
        super().__init__(Exchange(public_url, "", AUTH_TOKEN, AUTH_ID))
        self.applications: dict[str, dict[str, Any]] = {
            "1001": {"app_id": "1001", "app_name": "Direct Dial", "answer_url": "https://example.com/answer"}
        }
        self.numbers = {number.removeprefix("+"): "1001" for number in numbers}
        """The application of each."""
        self.trial = False

    def routes(self) -> Sequence[web.RouteDef]:
        """As FakeCarrier.routes."""
        base = "/v1/Account/{account}"
        return (
            web.get(base + "/", self._describe),
            web.post(base + "/Call/", self._place),
            web.post(base + "/Call/{uuid}/", self._transfer),
            web.delete(base + "/Call/{uuid}/", self._hang_up),
            web.delete(base + "/Request/{uuid}/", self._cancel),
            web.get(base + "/Number/{number}/", self._read_number),
            web.post(base + "/Number/{number}/", self._update_number),
            web.get(base + "/Application/", self._list_applications),
            web.post(base + "/Application/", self._make_application),
            web.get(base + "/Application/{id}/", self._read_application),
            web.post(base + "/Application/{id}/", self._update_application),
        )

    def refuse(self, request: web.Request) -> web.Response | None:
        """As FakeCarrier.refuse."""
        expected = base64.b64encode(f"{AUTH_ID}:{AUTH_TOKEN}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}" or request.match_info.get("account") != AUTH_ID:
            return _error(401, "authentication failed")
        return None

    def fault(self, fault: RestFault) -> web.Response:
        """As FakeCarrier.fault."""
        return _error(fault.status, fault.message)

    async def _describe(self, _: web.Request) -> web.Response:
        kind = "trial" if self.trial else "standard"
        return _answer({"name": "Test", "cash_credits": "9.5000", "enabled": True, "account_type": kind})

    # --- calls ------------------------------------------------------------------------------------

    async def _place(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if not is_e164(str(asked.get("to"))):
            return _error(400, f"{asked.get('to')} is not a valid phone number")
        if str(asked.get("from", "")).removeprefix("+") not in self.numbers:
            return _error(400, f"{asked.get('from')} is not a number of this account")
        if not asked.get("answer_url"):
            return _error(400, "answer_url parameter not present")
        call = PlivoCall(self.exchange, asked, self.scripts.get(asked["to"], Script()))
        self.dial(call)
        return _answer({"message": "call fired", "request_uuid": call.request_uuid}, 201)

    async def _transfer(self, request: web.Request) -> web.Response:
        uuid, asked = request.match_info["uuid"], await request.json()
        call = self.find(uuid)
        line = call.line if call is not None and call.status == "in-progress" else self.exchange.lines.get(uuid)
        if line is None or line.over:
            return _error(404, "call not found")
        try:
            line.run(await self.exchange.ask(asked["aleg_url"], self.exchange.form(line, CallStatus="in-progress")))
        except CallEndedError:
            await line.hang_up()
        return _answer({"message": "call transferred"}, 202)

    async def _hang_up(self, request: web.Request) -> web.Response:
        uuid = request.match_info["uuid"]
        call, line = self.find(uuid), self.exchange.lines.get(uuid)
        if call is not None and call.status not in FINAL:
            await call.hang_up()
        elif line is not None and not line.over:
            await line.hang_up()
        else:
            return _error(404, "call not found")
        return web.Response(status=204)

    async def _cancel(self, request: web.Request) -> web.Response:
        uuid = request.match_info["uuid"]
        call = next((each for each in self.calls if each.request_uuid == uuid), None)
        if call is None or call.status in FINAL | {"in-progress"}:
            return _error(404, "request not found")
        await call.hang_up()
        return web.Response(status=204)

    # --- numbers ----------------------------------------------------------------------------------

    async def _read_number(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if number not in self.numbers:
            return _error(404, "not found")
        application = f"/v1/Account/{AUTH_ID}/Application/{self.numbers[number]}/"
        return _answer({"number": number, "application": application, "voice_enabled": True})

    async def _update_number(self, request: web.Request) -> web.Response:
        number, asked = request.match_info["number"], await request.json()
        if number not in self.numbers or asked.get("app_id") not in self.applications:
            return _error(404, "not found")
        self.numbers[number] = asked["app_id"]
        return _answer({"message": "changed"}, 202)

    async def _list_applications(self, request: web.Request) -> web.Response:
        wanted = request.query.get("app_name", "")
        found = [each for each in self.applications.values() if each["app_name"].startswith(wanted)]
        return _answer({"meta": {"total_count": len(found)}, "objects": found})

    async def _make_application(self, request: web.Request) -> web.Response:
        asked = await request.json()
        app_id = str(1001 + len(self.applications))
        self.applications[app_id] = {"app_id": app_id, **asked}
        return _answer({"message": "created", "app_id": app_id}, 201)

    async def _read_application(self, request: web.Request) -> web.Response:
        found = self.applications.get(request.match_info["id"])
        return _answer(found) if found is not None else _error(404, "not found")

    async def _update_application(self, request: web.Request) -> web.Response:
        found = self.applications.get(request.match_info["id"])
        if found is None:
            return _error(404, "not found")
        found |= await request.json()
        return _answer({"message": "changed"}, 202)


def _answer(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response({"api_id": str(uuid4()), **body}, status=status)


def _error(status: int, error: str) -> web.Response:
    return web.json_response({"api_id": str(uuid4()), "error": error}, status=status)
