"""Plivo, as the rest of telephony sees it."""

from __future__ import annotations

import base64
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote

from multidict import MultiMapping

from openclaw_actors.settings.numbers import is_e164
from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import (
    CALL,
    Abilities,
    Answer,
    CarrierError,
    Dial,
    Incoming,
    News,
    Over,
    OwnNumber,
    Picked,
    Progress,
    Standing,
    StreamNews,
    Told,
    Transferring,
    Verdict,
    Webhook,
)
from openclaw_actors.telephony.forms import key_of, read_form
from openclaw_actors.telephony.json_api import JsonApi
from openclaw_actors.telephony.plivo import xml
from openclaw_actors.telephony.plivo.errors import OVER, fault_of
from openclaw_actors.telephony.plivo.signature import V3, V3_NONCE, Signatures
from openclaw_actors.telephony.urls import Urls
from openclaw_actors.transports.media_streams.framing import Framing
from openclaw_actors.transports.media_streams.plivo import PlivoFraming

Form = Mapping[str, str]

APPLICATION = "openclaw_actors"
"""The name of the application that ``point`` makes at Plivo: numbers ask applications, and applications ask URLs."""
_TICKET = "ticket"
_TICKETS = 256
"""Transfers under way: Plivo asks for each within a second."""
_ENDS: Mapping[str, Over] = {
    "completed": Over("completed", "caller_hangup"),
    "busy": Over("busy", "busy"),
    "no-answer": Over("no-answer", "no_answer"),
    "timeout": Over("no-answer", "no_answer"),
    "cancel": Over("canceled", "canceled"),
    "canceled": Over("canceled", "canceled"),
    "failed": Over("failed", "carrier_failed"),
}


class PlivoCarrier:
    """As Carrier.

    Args:
        settings: all settings; ``plivo`` and ``server.public_url`` are set.
        host: as `configured` takes it.

    Raises:
        SettingsError: nothing could be verified.
    """

    name = "plivo"
    title = "Plivo"
    # A machine is told of within machine_detection_time, 5 s; of a person nothing need come.
    abilities = Abilities(
        signs_upgrades=False,
        names_placed_calls=False,
        tells_ringing=True,
        hears_beep=False,
        takes_messages=False,
        verdict_s=7.0,
    )
    framing: Framing = PlivoFraming()
    content_type = "text/xml"
    nothing = xml.EMPTY

    def __init__(self, settings: Settings, host: str = "") -> None:
        own, url = settings.plivo, settings.server.public_url
        token = own.auth_token.get_secret_value()
        self.from_number = own.from_number
        self.urls = Urls(url, "/voice/plivo", host)
        self.webhook_url = self.urls.hook("webhook")
        self.stream_url = self.urls.stream
        self.signatures = Signatures(token, url)
        self._transfers: OrderedDict[str, str] = OrderedDict()
        basic = base64.b64encode(f"{own.auth_id}:{token}".encode()).decode()
        base = f"{(own.api_base_url or 'https://api.plivo.com').rstrip('/')}/v1/Account/{quote(own.auth_id, safe='')}"
        self._api = JsonApi(self.title, base, {"Authorization": f"Basic {basic}"}, fault_of)

    async def open(self) -> None:
        """As Carrier.open."""
        await self._api.open()

    async def aclose(self) -> None:
        """As Carrier.aclose."""
        await self._api.aclose()

    # --- who asks ---------------------------------------------------------------------------------

    def unsigned(self, headers: MultiMapping[str]) -> str:
        """As Carrier.unsigned."""
        return self.signatures.missing(headers)

    def signs(self, target: str, body: bytes, headers: MultiMapping[str]) -> bool:
        """As Carrier.signs."""
        return self.signatures.signs(target, body, headers)

    def signs_upgrade(self, target: str, headers: MultiMapping[str]) -> bool:  # noqa: ARG002 - see docs/carriers.md
        """As Carrier.signs_upgrade."""
        return False

    def read(self, webhook: Webhook) -> Told:
        """As Carrier.read."""
        form: Form = dict(read_form(webhook.body))
        call_id = webhook.query.get(CALL, "")
        news: News
        if webhook.hook == "webhook":
            came = Incoming(e164(form.get("From", "")), e164(form.get("To", "")))
            news = Picked() if call_id else came
        elif webhook.hook == "transfer":
            news = Transferring(webhook.query.get(_TICKET, ""))
        else:
            news = _READ[webhook.hook](form)
        return Told(news, form.get("CallUUID", "").strip(), call_id, key_of(webhook.target, form))

    # --- answers ----------------------------------------------------------------------------------

    def connect(self, carrier_call_id: str, token: str) -> Answer:  # noqa: ARG002 - the answer is for that call
        """As Carrier.connect."""
        return Answer(xml.stream(self.urls, token))

    def reject(self, carrier_call_id: str, reason: Literal["rejected", "busy"]) -> Answer:  # noqa: ARG002 - as above
        """As Carrier.reject."""
        return Answer(xml.hang_up(reason))

    def notice(self, words: str) -> Answer:
        """As Carrier.notice."""
        return Answer(xml.notice(words))

    def record(self, message_id: str, words: str, longest_s: int, silence_s: int) -> None:
        """As Carrier.record: not here."""

    def dial_on(self, ticket: str) -> Answer:
        """As Carrier.dial_on: whom a call is to be connected with is kept here, and is no part of a URL."""
        return Answer(self._transfers.pop(ticket, self.nothing))

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, dial: Dial) -> str:
        """As Carrier.place; the name is the request's, by which a call that rings can be ended as well."""
        named = {CALL: dial.call_id}
        detection = {
            "machine_detection": "true",
            "machine_detection_url": self.urls.hook("amd", **named),
            "machine_detection_method": "POST",
        } if dial.machine else {}  # fmt: skip
        placed = await self._api.ask(
            "POST",
            "/Call/",
            {
                "from": dial.sender,
                "to": dial.to,
                "answer_url": self.urls.hook("webhook", **named),
                "answer_method": "POST",
                "ring_url": self.urls.hook("status", **named),
                "ring_method": "POST",
                "hangup_url": self.urls.hook("status", **named),
                "hangup_method": "POST",
                "ring_timeout": dial.ring_timeout_s,
                "time_limit": dial.time_limit_s,
                **detection,
            },
        )
        uuid = placed.get("request_uuid") if isinstance(placed, dict) else ""
        return str(uuid[0] if isinstance(uuid, list) and uuid else uuid or "")

    async def hang_up(self, carrier_call_id: str) -> None:
        """As Carrier.hang_up, of a call or of a request that has not become one."""
        for kind in ("Call", "Request"):
            try:
                await self._api.ask("DELETE", f"/{kind}/{quote(carrier_call_id, safe='')}/")
            except CarrierError as error:
                if error.number not in OVER:
                    raise
            else:
                return

    async def transfer(self, carrier_call_id: str, to: str, caller_id: str, time_limit_s: int) -> None:
        """As Carrier.transfer: Plivo asks what to do with the call, and is told to dial."""
        ticket = secrets.token_urlsafe(16)
        self._transfers[ticket] = xml.dial(to, caller_id, time_limit_s)
        if len(self._transfers) > _TICKETS:
            self._transfers.popitem(last=False)
        try:
            await self._api.ask(
                "POST",
                f"/Call/{quote(carrier_call_id, safe='')}/",
                {"legs": "aleg", "aleg_url": self.urls.hook("transfer", **{_TICKET: ticket}), "aleg_method": "POST"},
            )
        except BaseException:
            self._transfers.pop(ticket, None)
            raise

    # --- the account ------------------------------------------------------------------------------

    async def describe(self) -> Standing:
        """As Carrier.describe."""
        account = await self._api.ask("GET", "/")
        told = account if isinstance(account, dict) else {}
        credit = str(told.get("cash_credits", "?"))
        said = f"{told.get('name', '?')} ({credit} of credit)"
        if told.get("enabled") is False:
            return Standing(said, "the account is disabled: see Plivo's console", usable=False)
        if str(told.get("account_type", "")) == "trial":
            return Standing(said, "a trial account calls verified numbers only: upgrade it")
        return Standing(said)

    async def number(self, number: str) -> OwnNumber | None:
        """As Carrier.number."""
        digits = number.removeprefix("+")
        try:
            found = await self._api.ask("GET", f"/Number/{quote(digits, safe='')}/")
        except CarrierError as error:
            if error.number in OVER:
                return None
            raise
        # A resource: /v1/Account/MA…/Application/123/
        application = str(found.get("application") or "").rstrip("/").rpartition("/")[2]
        if not application:
            return OwnNumber(number, digits, "", is_ours=False)
        asked = await self._api.ask("GET", f"/Application/{quote(application, safe='')}/")
        url, method = str(asked.get("answer_url") or ""), str(asked.get("answer_method") or "POST")
        return OwnNumber(number, digits, f"{url} by {method}", url == self.webhook_url and method == "POST")

    async def point(self, number: OwnNumber) -> None:
        """As Carrier.point: an application of our own asks this host, others are left as they are."""
        asks = {
            "answer_url": self.webhook_url,
            "answer_method": "POST",
            "hangup_url": self.urls.hook("status"),
            "hangup_method": "POST",
        }
        listed = await self._api.ask("GET", "/Application/", query={"app_name": APPLICATION})
        rows = listed.get("objects") if isinstance(listed, dict) else None
        ours = next((str(each["app_id"]) for each in rows or () if each.get("app_name") == APPLICATION), "")
        if ours:
            await self._api.ask("POST", f"/Application/{quote(ours, safe='')}/", asks)
        else:
            made: Any = await self._api.ask("POST", "/Application/", {"app_name": APPLICATION, **asks})
            ours = str(made["app_id"])
        await self._api.ask("POST", f"/Number/{quote(number.id, safe='')}/", {"app_id": ours})

    def probe(self) -> tuple[str, bytes, Mapping[str, str]]:
        """As Carrier.probe."""
        nonce = secrets.token_hex(8)
        return (
            self.urls.hook("status"),
            b"",
            {V3: self.signatures.sign_v3("/voice/plivo/status", b"", nonce), V3_NONCE: nonce},
        )

    def probe_stream(self) -> tuple[str, Mapping[str, str]]:
        """As Carrier.probe_stream."""
        return self.stream_url, {}


def e164(number: str) -> str:
    """Plivo leaves out the plus; what is no number is left as it is."""
    return f"+{number}" if is_e164(f"+{number}") else number


def _state(form: Form) -> News:
    status = form.get("CallStatus", "")
    over = _ENDS.get(status)
    if over is None:
        return Progress(rings=status == "ringing")
    code = form.get("HangupCauseCode") or form.get("HangupCause") or ""
    return Over(over.status, f"{over.reason}:{code[:32]}") if status == "failed" and code else over


def _machine(form: Form) -> News:
    return Verdict("machine_start" if form.get("Machine", "").lower() == "true" else "human")


def _stream(form: Form) -> News:
    event = form.get("Event", "")
    return StreamNews(event, form.get("StreamError", "") or "it was dropped" if event == "DroppedStream" else "")


_READ: Mapping[str, Callable[[Form], News]] = {"status": _state, "amd": _machine, "stream-status": _stream}
"""By the last part of the route, but for what Plivo asks rather than tells."""
