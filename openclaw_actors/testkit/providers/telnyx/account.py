"""Telnyx's Call Control API over one account (developers.telnyx.com/api-reference).

Errors are ``{"errors": [{"code", "title", "detail"}]}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from openclaw_actors.settings.numbers import is_e164
from openclaw_actors.testkit.providers.carrier.account import NUMBER, PUBLIC_URL, FakeCarrier
from openclaw_actors.testkit.providers.carrier.dialled import FINAL
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.carrier.script import RestFault, Script
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Dial, HangUp, Park, Reject, Verb
from openclaw_actors.testkit.providers.telnyx.dialled import TelnyxCall
from openclaw_actors.testkit.providers.telnyx.exchange import Exchange

API_KEY = "KEY0123456789ABCDEF"
_TRANSFER = frozenset({"from", "time_limit_secs"})
_STREAMS = {
    "stream_track": "inbound_track",
    "stream_codec": "PCMU",
    "stream_bidirectional_mode": "rtp",
    "stream_bidirectional_codec": "PCMU",
    "stream_bidirectional_sampling_rate": 8000,
}
"""What is played here; with the default mode Telnyx would take MP3 files, and play nothing else."""


class FakeTelnyx(FakeCarrier[Exchange, TelnyxCall]):
    """As FakeCarrier.

    Args:
        public_url: ``server.public_url`` of the host.
        numbers: the account's.
    """

    name = "telnyx"

    def __init__(self, public_url: str = PUBLIC_URL, numbers: tuple[str, ...] = (NUMBER,)) -> None:
        super().__init__(Exchange(public_url, ""))
        self.application: dict[str, Any] = {
            "id": self.exchange.connection_id,
            "application_name": "voice",
            "webhook_event_url": "https://example.com/telnyx",
            "webhook_api_version": "2",
            "active": True,
        }
        self.numbers = [
            {"id": f"17{index:017}", "phone_number": number, "connection_id": "", "connection_name": ""}
            for index, number in enumerate(numbers)
        ]
        self.balance = "9.50"
        self._done: set[str] = set()

    def routes(self) -> Sequence[web.RouteDef]:
        """As FakeCarrier.routes."""
        return (
            web.get("/v2/balance", self._balance),
            web.get("/v2/public_key", self._public_key),
            web.post("/v2/calls", self._place),
            web.post("/v2/calls/{id}/actions/{command}", self._command),
            web.get("/v2/phone_numbers", self._list_numbers),
            web.patch("/v2/phone_numbers/{id}", self._update_number),
            web.get("/v2/call_control_applications/{id}", self._read_application),
            web.patch("/v2/call_control_applications/{id}", self._update_application),
        )

    def refuse(self, request: web.Request) -> web.Response | None:
        """As FakeCarrier.refuse."""
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            return _error(401, 10009, "Authentication failed")
        return None

    def fault(self, fault: RestFault) -> web.Response:
        """As FakeCarrier.fault."""
        return _error(fault.status, fault.code, fault.message)

    async def _balance(self, _: web.Request) -> web.Response:
        balance = {"balance": self.balance, "available_credit": self.balance, "currency": "USD"}
        return _data({"record_type": "balance", **balance})

    async def _public_key(self, _: web.Request) -> web.Response:
        return _data({"public": self.exchange.public_key})

    # --- calls ------------------------------------------------------------------------------------

    async def _place(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if not is_e164(str(asked.get("to"))):
            return _error(422, 10016, "The 'to' parameter must be in +E.164 format")
        if asked.get("from") not in {each["phone_number"] for each in self.numbers}:
            return _error(403, 90049, "The 'from' number is not verified")
        if asked.get("connection_id") != self.exchange.connection_id:
            return _error(422, 10015, "Invalid value for connection_id (Call Control App ID)")
        if (wrong := _wrong_stream(asked)) is not None:
            return wrong
        call = TelnyxCall(self.exchange, asked, self.scripts.get(asked["to"], Script()))
        self.dial(call)
        ids = self.exchange.payload(call.sid, "", "")
        answer = {name: ids[name] for name in ("call_control_id", "call_leg_id", "call_session_id")}
        return _data({"record_type": "call", **answer, "is_alive": False})

    async def _command(self, request: web.Request) -> web.Response:
        call_id, command, asked = request.match_info["id"], request.match_info["command"], await request.json()
        call, line = self.find(call_id), self.exchange.lines.get(call_id)
        if call is None and line is None:
            return _error(404, 10005, "Resource not found")
        if (call is not None and call.status in FINAL) or (line is not None and line.over):
            return _error(422, 90018, "This call is no longer active and can't receive commands")
        if asked.get("command_id") in self._done:
            return _data({"result": "ok"})
        self._done.add(str(asked.get("command_id")))
        if call is not None and command == "hangup":
            await call.hang_up()
            return _data({"result": "ok"})
        verbs = _verbs(command, asked)
        if isinstance(verbs, web.Response):
            return verbs
        self._tell(call.line if call is not None else line, call_id, verbs)
        return _data({"result": "ok"})

    def _tell(self, line: Line | None, call_id: str, verbs: list[Verb]) -> None:
        waits = self.exchange.commands.get(call_id)
        if waits is not None and not waits.done():
            waits.set_result(verbs)
        elif line is not None:
            line.run(verbs)

    # --- numbers ----------------------------------------------------------------------------------

    async def _list_numbers(self, request: web.Request) -> web.Response:
        wanted = request.query.get("filter[phone_number]", "").removeprefix("+")
        return _data([each for each in self.numbers if wanted in each["phone_number"]])

    async def _update_number(self, request: web.Request) -> web.Response:
        number = next((each for each in self.numbers if each["id"] == request.match_info["id"]), None)
        if number is None:
            return _error(404, 10005, "Resource not found")
        number |= await request.json()
        return _data(number)

    async def _read_application(self, request: web.Request) -> web.Response:
        if request.match_info["id"] != self.application["id"]:
            return _error(404, 10005, "Resource not found")
        return _data(self.application)

    async def _update_application(self, request: web.Request) -> web.Response:
        if request.match_info["id"] != self.application["id"]:
            return _error(404, 10005, "Resource not found")
        asked = await request.json()
        if not asked.get("application_name") or not asked.get("webhook_event_url"):
            return _error(422, 10004, "application_name and webhook_event_url are required")
        self.application |= asked
        return _data(self.application)


def _verbs(command: str, asked: dict[str, Any]) -> list[Verb] | web.Response:
    if command == "answer":
        return _wrong_stream(asked) or [ConnectStream(asked["stream_url"]), Park()]
    if command == "reject":
        if asked.get("cause") not in {"CALL_REJECTED", "USER_BUSY"}:
            return _error(422, 10015, "Invalid cause")
        return [Reject("busy" if asked["cause"] == "USER_BUSY" else "rejected")]
    if command == "hangup":
        return [HangUp()]
    if command == "transfer":
        attributes: dict[str, str] = {name: str(asked[name]) for name in _TRANSFER & asked.keys()}
        return [Dial(asked["to"], attributes)]
    return _error(404, 10005, "Resource not found")


def _wrong_stream(asked: dict[str, Any]) -> web.Response | None:
    if any(asked.get(name) != value for name, value in _STREAMS.items()):
        return _error(422, 10015, "this stream would carry no telephone sound both ways")
    if urlsplit(str(asked.get("stream_url", ""))).scheme not in {"ws", "wss"}:
        return _error(422, 10003, "stream_url is no wss URL")
    return None


def _data(data: Any) -> web.Response:
    return web.json_response({"data": data})


def _error(status: int, code: int, detail: str) -> web.Response:
    return web.json_response(
        {"errors": [{"code": str(code), "title": detail, "detail": detail, "meta": {}}]}, status=status
    )
