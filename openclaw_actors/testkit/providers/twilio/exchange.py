"""Twilio's side of HTTP: webhooks are forms, signed with X-Twilio-Signature, and answered with TwiML."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from multidict import MultiDict
from twilio.request_validator import RequestValidator

from openclaw_actors.media.resample import Resampler
from openclaw_actors.testkit.providers.carrier.exchange import Exchange as CarrierExchange
from openclaw_actors.testkit.providers.carrier.exchange import Reply
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Record, Verb
from openclaw_actors.testkit.providers.twilio.stream import TwilioStream
from openclaw_actors.testkit.providers.twilio.twiml import parse
from openclaw_actors.testkit.waiting import CallEndedError

if TYPE_CHECKING:
    from openclaw_actors.testkit.providers.carrier.line import Line

Form = Mapping[str, str] | Sequence[tuple[str, str]]


class Exchange(CarrierExchange):
    """An account's webhooks and streams; an async context.

    Args:
        public_url: ``server.public_url`` of the host.
        reach: where the host really listens.
        auth_token: of the account.
        account_sid: of the account.
        headers: that the tunnel adds.
    """

    def __init__(
        self,
        public_url: str,
        reach: str,
        auth_token: str,
        account_sid: str = "AC" + "0" * 32,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(public_url, reach, headers)
        self.account_sid = account_sid
        self._validator = RequestValidator(auth_token)
        self.recordings: dict[str, tuple[str, bytes]] = {}
        """What Twilio has recorded and not erased: CallSid and WAV file by RecordingSid."""

    def keep_recording(self, call_sid: str, pcm: bytes) -> str:
        """Keep a recording (s16 mono at 16 kHz) as Twilio does, at 8 kHz; its RecordingSid."""
        file = io.BytesIO()
        with wave.open(file, "wb") as written:
            written.setnchannels(1)
            written.setsampwidth(2)
            written.setframerate(8_000)
            written.writeframes(Resampler(16_000, 8_000).push(pcm))
        sid = new_sid("RE")
        self.recordings[sid] = (call_sid, file.getvalue())
        return sid

    async def record(self, line: Line, verb: Record) -> None:
        """As Exchange.record: then the action is asked, and the callback told (RecordingSource RecordVerb)."""
        form = self.form(line.call_sid, line.caller, line.callee, CallStatus="in-progress")
        told = {"CallSid": line.call_sid, "AccountSid": self.account_sid, "RecordingSource": "RecordVerb"}
        if line.message is None:
            await self.post(verb.told, {**told, "RecordingStatus": "absent"})
            return
        sid = self.keep_recording(line.call_sid, line.message.pcm)
        about = {
            "RecordingSid": sid,
            "RecordingUrl": f"{self.public_url}/not-to-be-called/{sid}",
            "RecordingDuration": str(round(len(line.message.pcm) / 32_000)),
        }
        reply = await self.post(verb.action, {**form, **about})
        if reply.status == 200:
            parse(reply.text)
        await self.post(verb.told, {**told, **about, "RecordingStatus": "completed"})

    def new_call_id(self) -> str:
        """As Exchange.new_call_id."""
        return new_sid("CA")

    async def ring(self, line: Line) -> list[Verb]:
        """As Exchange.ring."""
        form = self.form(line.call_sid, line.caller, line.callee)
        reply = await self.post(f"{self.public_url}/voice/webhook", form)
        if reply.status != 200:
            raise CallEndedError(f"11200: the webhook answered {reply.status}: {reply.text}")
        return parse(reply.text)

    async def again(self, line: Line, action: str) -> list[Verb]:
        """As Exchange.again."""
        reply = await self.post(action, self.form(line.call_sid, line.caller, line.callee, CallStatus="in-progress"))
        return parse(reply.text) if reply.status == 200 else []

    def new_stream(self, line: Line, verb: ConnectStream) -> TwilioStream:
        """As Exchange.new_stream."""
        return TwilioStream(self, line.call_sid, verb, line.heard, line.tick)

    def upgrade_headers(self, url: str) -> Mapping[str, str]:
        """As Exchange.upgrade_headers."""
        return {"X-Twilio-Signature": self.sign(url)}

    def sign(self, url: str, form: Form = ()) -> str:
        """The signature of a request to ``url`` with these fields."""
        return str(self._validator.compute_signature(url, MultiDict(form)))

    async def post(self, url: str, form: Form, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a webhook, signed; ``headers`` go over what would be sent."""
        pairs = list(MultiDict(form).items())
        signed = {"X-Twilio-Signature": self.sign(url, form), **(headers or {})}
        return await self.send(url, urlencode(pairs).encode(), "application/x-www-form-urlencoded", signed)

    def form(self, call_sid: str, caller: str, callee: str, **more: str) -> dict[str, str]:
        """The fields that every webhook of a call has."""
        return {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": call_sid,
            "CallStatus": "ringing",
            "Called": callee,
            "Caller": caller,
            "Direction": "inbound",
            "From": caller,
            "To": callee,
            **more,
        }


def new_sid(kind: str) -> str:
    """An id as Twilio makes them: ``CA`` (call), ``MZ`` (stream) ... and 32 hex digits."""
    return kind + token_hex(16)
