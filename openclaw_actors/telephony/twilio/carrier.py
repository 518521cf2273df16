"""Twilio, as the rest of telephony sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from multidict import MultiMapping

from openclaw_actors.settings.sections import Settings
from openclaw_actors.telephony.carrier import (
    CALL,
    Abilities,
    Answer,
    Dial,
    Incoming,
    News,
    Over,
    OwnNumber,
    Passing,
    Progress,
    Recorded,
    Standing,
    StreamNews,
    Told,
    Verdict,
    Webhook,
    is_given_once,
)
from openclaw_actors.telephony.forms import key_of, read_form
from openclaw_actors.telephony.twilio import twiml
from openclaw_actors.telephony.twilio.rest import TwilioAccount
from openclaw_actors.telephony.twilio.signature import HEADER, Signatures
from openclaw_actors.telephony.urls import Urls
from openclaw_actors.transports.media_streams.framing import Framing
from openclaw_actors.transports.media_streams.twilio import TwilioFraming

Form = Mapping[str, str]

_ENDS: Mapping[str, Over] = {
    "completed": Over("completed", "caller_hangup"),
    "busy": Over("busy", "busy"),
    "no-answer": Over("no-answer", "no_answer"),
    "canceled": Over("canceled", "canceled"),
    "failed": Over("failed", "carrier_failed"),
}
_MACHINE = {"start": "Enable", "end": "DetectMessageEnd"}


class TwilioCarrier:
    """As Carrier.

    Args:
        settings: all settings; ``twilio`` and ``server.public_url`` are set.
        host: as `configured` takes it.

    Raises:
        SettingsError: nothing could be verified.
    """

    name = "twilio"
    title = "Twilio"
    # "unknown" is told after 30 s (MachineDetectionTimeout).
    abilities = Abilities(
        signs_upgrades=True,
        names_placed_calls=True,
        tells_ringing=True,
        hears_beep=True,
        takes_messages=True,
        verdict_s=35.0,
        asks_again=True,
    )
    framing: Framing = TwilioFraming()
    content_type = "text/xml"
    nothing = twiml.EMPTY

    def __init__(self, settings: Settings, host: str = "") -> None:
        own, url = settings.twilio, settings.server.public_url
        self.from_number = own.from_number
        self.urls = Urls(url, host=host)
        self.webhook_url = self.urls.hook("webhook")
        self.stream_url = self.urls.stream
        self.signatures = Signatures(own.auth_token.get_secret_value(), url)
        self.account = TwilioAccount(own)
        self._account_sid = own.account_sid

    async def open(self) -> None:
        """As Carrier.open."""
        await self.account.open()

    async def aclose(self) -> None:
        """As Carrier.aclose."""
        await self.account.aclose()

    # --- who asks ---------------------------------------------------------------------------------

    def unsigned(self, headers: MultiMapping[str]) -> str:
        """As Carrier.unsigned."""
        return "" if is_given_once(headers, HEADER) else HEADER

    def signs(self, target: str, body: bytes, headers: MultiMapping[str]) -> bool:
        """As Carrier.signs."""
        return self.signatures.signs_request(target, body, headers[HEADER])

    def signs_upgrade(self, target: str, headers: MultiMapping[str]) -> bool:
        """As Carrier.signs_upgrade."""
        return self.signatures.signs_upgrade(target, headers[HEADER])

    def read(self, webhook: Webhook) -> Told:
        """As Carrier.read."""
        form: Form = dict(read_form(webhook.body))
        sid = form.get("CallSid", "").strip()
        return Told(_READ[webhook.hook](form), sid, webhook.query.get(CALL, ""), key_of(webhook.target, form))

    # --- answers ----------------------------------------------------------------------------------

    def connect(self, carrier_call_id: str, token: str) -> Answer:  # noqa: ARG002 - the answer is for that call
        """As Carrier.connect."""
        return Answer(twiml.connect_stream(self.urls, token))

    def reject(self, carrier_call_id: str, reason: Literal["rejected", "busy"]) -> Answer:  # noqa: ARG002 - as above
        """As Carrier.reject."""
        return Answer(twiml.reject(reason))

    def notice(self, words: str) -> Answer:
        """As Carrier.notice."""
        return Answer(twiml.notice(words))

    def record(self, message_id: str, words: str, longest_s: int, silence_s: int) -> Answer:
        """As Carrier.record."""
        told = self.urls.hook("recording", **{CALL: message_id})
        return Answer(twiml.record(told, words, longest_s, silence_s))

    def dial_on(self, ticket: str) -> Answer:  # noqa: ARG002 - Twilio does not ask
        """As Carrier.dial_on."""
        return Answer(self.nothing)

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, dial: Dial) -> str:
        """As Carrier.place."""
        named = {CALL: dial.call_id}
        detection = {
            "machine_detection": _MACHINE[dial.machine],
            "async_amd": "true",
            "async_amd_status_callback": self.urls.hook("amd", **named),
            "async_amd_status_callback_method": "POST",
        } if dial.machine else {}  # fmt: skip
        return await self.account.place(
            to=dial.to,
            from_=dial.sender,
            twiml=twiml.connect_stream(self.urls, dial.token),
            status_callback=self.urls.hook("status", **named),
            status_callback_event=["initiated", "ringing", "answered", "completed"],
            status_callback_method="POST",
            timeout=dial.ring_timeout_s,
            time_limit=dial.time_limit_s,
            **detection,
        )

    async def hang_up(self, carrier_call_id: str) -> None:
        """As Carrier.hang_up."""
        await self.account.hang_up(carrier_call_id)

    async def transfer(self, carrier_call_id: str, to: str, caller_id: str, time_limit_s: int) -> None:
        """As Carrier.transfer; without a ``caller_id`` the caller's own number is shown."""
        await self.account.redirect(carrier_call_id, twiml.dial(to, caller_id, time_limit_s))

    # --- the account ------------------------------------------------------------------------------

    async def describe(self) -> Standing:
        """As Carrier.describe: ``My account (active, full)``."""
        account = await self.account.read()
        kind = (account.type or "").lower()
        said = f"{account.friendly_name} ({', '.join(filter(None, (account.status, kind)))})"
        if account.status != "active":
            return Standing(said, "see Twilio's console: only an active account can call", usable=False)
        if kind == "trial":
            return Standing(said, "a trial account calls verified numbers only, and speaks a notice first: upgrade it")
        return Standing(said)

    async def number(self, number: str) -> OwnNumber | None:
        """As Carrier.number."""
        found = await self.account.number(number)
        if found is None:
            return None
        elsewhere = found.voice_application_sid or found.trunk_sid
        method = found.voice_method or "POST"
        asks = f"application or trunk {elsewhere}" if elsewhere else f"{found.voice_url} by {method}"
        ours = not elsewhere and found.voice_url == self.webhook_url and method == "POST"
        return OwnNumber(number, found.sid, asks if elsewhere or found.voice_url else "", ours)

    async def point(self, number: OwnNumber) -> None:
        """As Carrier.point."""
        await self.account.point(number.id, self.webhook_url, self.urls.hook("status"))

    def probe(self) -> tuple[str, bytes, Mapping[str, str]]:
        """As Carrier.probe."""
        url = self.urls.hook("status")
        return url, b"", {HEADER: self.signatures.sign(url)}

    def probe_stream(self) -> tuple[str, Mapping[str, str]]:
        """As Carrier.probe_stream."""
        return self.stream_url, {HEADER: self.signatures.sign(self.stream_url)}


def _state(form: Form) -> News:
    status = form.get("CallStatus", "")
    over = _ENDS.get(status)
    if over is None:
        return Progress(rings=status == "ringing")
    code = form.get("ErrorCode") or form.get("SipResponseCode") if status == "failed" else ""
    return Over(over.status, f"{over.reason}:{code}") if code else over


def _stream(form: Form) -> News:
    event = form.get("StreamEvent", "")
    return StreamNews(event, form.get("StreamError", "") or "unknown" if event == "stream-error" else "")


def _recording(form: Form) -> News:
    """Of a message that Twilio took in our place, or one that somebody asked Twilio for, which stays there."""
    status = form.get("RecordingStatus", "")
    if status not in {"completed", "absent"}:
        return Passing(f"recording {status}")
    return Recorded(form.get("RecordingSid", "") if status == "completed" else "")


_READ: Mapping[str, Callable[[Form], News]] = {
    "again": lambda form: Incoming(form.get("From", ""), form.get("To", "")),
    "webhook": lambda form: Incoming(form.get("From", ""), form.get("To", "")),
    "status": _state,
    "amd": lambda form: Verdict(form.get("AnsweredBy", "unknown")),
    "recording": _recording,
    "stream-status": _stream,
}
HOOKS = tuple(_READ)
"""The last parts of its webhooks' routes."""
