"""Telnyx, as the rest of telephony sees it: Call Control, which is told by REST what to do with a call."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

from multidict import MultiMapping

from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import (
    TOKEN,
    Abilities,
    Answer,
    CarrierError,
    Dial,
    OwnNumber,
    Standing,
    Told,
    Webhook,
    is_given_once,
)
from openclaw_actors.telephony.json_api import JsonApi
from openclaw_actors.telephony.telnyx import events
from openclaw_actors.telephony.telnyx.errors import OVER, fault_of
from openclaw_actors.telephony.telnyx.signature import SIGNATURE, TIMESTAMP, Signatures
from openclaw_actors.telephony.urls import Urls
from openclaw_actors.transports.media_streams.framing import Framing
from openclaw_actors.transports.media_streams.telnyx import TelnyxFraming

_DETECTION = {"start": "detect", "end": "greeting_end"}


class TelnyxCarrier:
    """As Carrier.

    Args:
        settings: all settings; ``telnyx`` and ``server.public_url`` are set.
        host: as `configured` takes it.

    Raises:
        SettingsError: nothing could be verified.
    """

    name = "telnyx"
    title = "Telnyx"
    # With greeting_end a machine is told of 30 s after it has answered, at the latest.
    abilities = Abilities(
        signs_upgrades=False,
        names_placed_calls=True,
        tells_ringing=False,
        hears_beep=True,
        takes_messages=False,
        verdict_s=35.0,
    )
    framing: Framing = TelnyxFraming()
    content_type = "application/json"
    nothing = "{}"

    def __init__(self, settings: Settings, host: str = "") -> None:
        own = settings.telnyx
        self.from_number = own.from_number
        self.urls = Urls(settings.server.public_url, "/voice/telnyx", host)
        self.webhook_url = self.urls.hook("webhook")
        self.stream_url = self.urls.stream
        self.signatures = Signatures(own.public_key)
        self._public_key = own.public_key
        self._connection_id = own.connection_id
        key = own.api_key.get_secret_value()
        base = own.api_base_url or "https://api.telnyx.com"
        self._api = JsonApi(self.title, f"{base.rstrip('/')}/v2", {"Authorization": f"Bearer {key}"}, fault_of)

    async def open(self) -> None:
        """As Carrier.open."""
        await self._api.open()

    async def aclose(self) -> None:
        """As Carrier.aclose."""
        await self._api.aclose()

    # --- who asks ---------------------------------------------------------------------------------

    def unsigned(self, headers: MultiMapping[str]) -> str:
        """As Carrier.unsigned."""
        return next((each for each in (SIGNATURE, TIMESTAMP) if not is_given_once(headers, each)), "")

    def signs(self, target: str, body: bytes, headers: MultiMapping[str]) -> bool:  # noqa: ARG002 - the body alone is
        """As Carrier.signs. The URL is not signed, so nothing is read from it."""
        return self.signatures.signs(headers[TIMESTAMP], body, headers[SIGNATURE])

    def signs_upgrade(self, target: str, headers: MultiMapping[str]) -> bool:  # noqa: ARG002 - Telnyx signs none
        """As Carrier.signs_upgrade."""
        return False

    def read(self, webhook: Webhook) -> Told:
        """As Carrier.read."""
        return events.read(webhook.body)

    # --- answers ----------------------------------------------------------------------------------

    def connect(self, carrier_call_id: str, token: str) -> Answer:
        """As Carrier.connect: by the command ``answer``, which opens the stream as well."""

        async def answer() -> None:
            await self._command(carrier_call_id, "answer", **self._stream(token))

        return Answer(self.nothing, answer)

    def reject(self, carrier_call_id: str, reason: Literal["rejected", "busy"]) -> Answer:
        """As Carrier.reject."""
        if not carrier_call_id:
            return Answer(self.nothing)

        async def reject() -> None:
            cause = "USER_BUSY" if reason == "busy" else "CALL_REJECTED"
            await self._command(carrier_call_id, "reject", cause=cause)

        return Answer(self.nothing, reject)

    def notice(self, words: str) -> None:
        """As Carrier.notice: a call would have to be taken, spoken to and ended in three commands."""

    def record(self, message_id: str, words: str, longest_s: int, silence_s: int) -> None:
        """As Carrier.record: not here."""

    def dial_on(self, ticket: str) -> Answer:  # noqa: ARG002 - Telnyx does not ask
        """As Carrier.dial_on."""
        return Answer(self.nothing)

    def _stream(self, token: str) -> dict[str, Any]:
        """Sound in both directions, as it is on the line; the token is in the URL, as Telnyx signs no upgrade."""
        return {
            "stream_url": f"{self.stream_url}?{urlencode({TOKEN: token})}",
            "stream_track": "inbound_track",
            "stream_codec": "PCMU",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_bidirectional_sampling_rate": 8000,
            "stream_bidirectional_target_legs": "self",
        }

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, dial: Dial) -> str:
        """As Carrier.place."""
        detection = {"answering_machine_detection": _DETECTION[dial.machine]} if dial.machine else {}
        placed = await self._api.ask(
            "POST",
            "/calls",
            {
                "connection_id": self._connection_id,
                "to": dial.to,
                "from": dial.sender,
                "timeout_secs": dial.ring_timeout_s,
                "time_limit_secs": dial.time_limit_s,
                "webhook_url": self.webhook_url,
                "client_state": events.state(dial.call_id, waits_for_end=dial.machine == "end"),
                "command_id": dial.call_id,
                **detection,
                **self._stream(dial.token),
            },
        )
        return _field(placed, "call_control_id")

    async def hang_up(self, carrier_call_id: str) -> None:
        """As Carrier.hang_up."""
        try:
            await self._command(carrier_call_id, "hangup")
        except CarrierError as error:
            if error.number not in OVER:
                raise

    async def transfer(self, carrier_call_id: str, to: str, caller_id: str, time_limit_s: int) -> None:
        """As Carrier.transfer; without a ``caller_id`` the number that was called is shown."""
        shown = {"from": caller_id} if caller_id else {}
        await self._command(carrier_call_id, "transfer", to=to, time_limit_secs=time_limit_s, **shown)

    async def _command(self, carrier_call_id: str, name: str, **asked: Any) -> None:
        """A command to a call; one that is repeated is done once (``command_id``)."""
        once = hashlib.sha256(repr((carrier_call_id, name, sorted(asked.items()))).encode()).hexdigest()[:32]
        path = f"/calls/{quote(carrier_call_id, safe='')}/actions/{name}"
        await self._api.ask("POST", path, {"command_id": once, **asked})

    # --- the account ------------------------------------------------------------------------------

    async def describe(self) -> Standing:
        """As Carrier.describe: the balance, and whether the public key is the account's."""
        balance = await self._api.ask("GET", "/balance")
        said = f"{_field(balance, 'balance')} {_field(balance, 'currency')} of balance"
        key = await self._account_key()
        if key and key != self._public_key:
            return Standing(
                f"{said}; its public key is {key}", "set telnyx.public_key to that: webhooks are refused", usable=False
            )
        if _field(balance, "available_credit").startswith(("-", "0.00")):
            return Standing(said, "top the account up: it can't call")
        return Standing(said)

    async def _account_key(self) -> str:
        """With which the account's webhooks are verified; empty where Telnyx does not tell."""
        try:
            return _field(await self._api.ask("GET", "/public_key"), "public")
        except CarrierError as error:
            if error.undecided:
                raise
            return ""

    async def number(self, number: str) -> OwnNumber | None:
        """As Carrier.number."""
        listed = await self._api.ask("GET", "/phone_numbers", query={"filter[phone_number]": number})
        rows = listed.get("data") if isinstance(listed, dict) else None
        found = next((each for each in rows or () if each.get("phone_number") == number), None)
        if found is None:
            return None
        connection = str(found.get("connection_id") or "")
        if connection != self._connection_id:
            name = found.get("connection_name") or connection
            return OwnNumber(number, str(found["id"]), f"connection {name}" if name else "", is_ours=False)
        application = await self._api.ask("GET", f"/call_control_applications/{quote(connection, safe='')}")
        url = _field(application, "webhook_event_url")
        return OwnNumber(number, str(found["id"]), url, url == self.webhook_url)

    async def point(self, number: OwnNumber) -> None:
        """As Carrier.point: the number at our application, and that at this host."""
        path = f"/call_control_applications/{quote(self._connection_id, safe='')}"
        application = await self._api.ask("GET", path)
        await self._api.ask(
            "PATCH",
            path,
            {
                "application_name": _field(application, "application_name") or "openclaw_actors",
                "webhook_event_url": self.webhook_url,
                "webhook_api_version": "2",
            },
        )
        await self._api.ask(
            "PATCH", f"/phone_numbers/{quote(number.id, safe='')}", {"connection_id": self._connection_id}
        )

    def probe(self) -> tuple[str, bytes, Mapping[str, str]]:
        """As Carrier.probe: only Telnyx has the key that signs."""
        return self.webhook_url, b"{}", {}

    def probe_stream(self) -> tuple[str, Mapping[str, str]]:
        """As Carrier.probe_stream."""
        return self.stream_url, {}


def _field(answer: Any, name: str) -> str:
    data = answer.get("data") if isinstance(answer, dict) else None
    value = data.get(name) if isinstance(data, dict) else None
    return "" if value is None else str(value)
