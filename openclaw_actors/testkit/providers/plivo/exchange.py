"""Plivo's side of HTTP: webhooks are forms, signed in version 3, 2 or both, and answered with Plivo XML."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from openclaw_actors.testkit.providers.carrier.exchange import Exchange as CarrierExchange
from openclaw_actors.testkit.providers.carrier.exchange import Reply
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Verb
from openclaw_actors.testkit.providers.plivo.stream import PlivoStream
from openclaw_actors.testkit.providers.plivo.xml import parse
from openclaw_actors.testkit.waiting import CallEndedError

if TYPE_CHECKING:
    from openclaw_actors.testkit.providers.carrier.line import Line

Version = Literal[2, 3]


class Exchange(CarrierExchange):
    """As Exchange.

    Args:
        public_url: ``server.public_url`` of the host.
        reach: where the host really listens.
        auth_token: of the account.
        auth_id: of the account.
        headers: that the tunnel adds.
    """

    versions: tuple[Version, ...] = (3, 2)
    """In which webhooks are signed."""

    def __init__(
        self,
        public_url: str,
        reach: str,
        auth_token: str,
        auth_id: str = "MA" + "0" * 18,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(public_url, reach, headers)
        self.auth_id = auth_id
        self._token = auth_token.encode()

    def new_call_id(self) -> str:
        """As Exchange.new_call_id."""
        return str(uuid4())

    async def ring(self, line: Line) -> list[Verb]:
        """As Exchange.ring."""
        return await self.ask(f"{self.public_url}/voice/plivo/webhook", self.form(line))

    async def ask(self, url: str, form: Mapping[str, str]) -> list[Verb]:
        """What the host wants done with a call.

        Raises:
            CallEndedError: it does not say.
        """
        reply = await self.post(url, form)
        if reply.status != 200:
            raise CallEndedError(f"the webhook answered {reply.status}: {reply.text}")
        return parse(reply.text)

    async def over(self, line: Line) -> None:
        """As Exchange.over: the application's hangup_url."""
        form = self.form(line, CallStatus="completed", Event="Hangup", HangupCauseCode="4000")
        await self.post(f"{self.public_url}/voice/plivo/status", form)

    def new_stream(self, line: Line, verb: ConnectStream) -> PlivoStream:
        """As Exchange.new_stream."""
        return PlivoStream(self, line.call_sid, verb, line.heard, line.tick)

    def upgrade_headers(self, url: str) -> Mapping[str, str]:
        """As Exchange.upgrade_headers: signed as a GET, though its own words do not agree on the URL's spelling."""
        nonce = token_hex(10)
        return {"X-Plivo-Signature-V3": self.sign_v3(url, {}, nonce), "X-Plivo-Signature-V3-Nonce": nonce}

    def sign(self, url: str, form: Mapping[str, str]) -> dict[str, str]:
        """The headers of a webhook."""
        headers = {}
        for version in self.versions:
            nonce = token_hex(10)
            signature = self.sign_v3(url, form, nonce) if version == 3 else self.sign_v2(url, nonce)
            headers[f"X-Plivo-Signature-V{version}"] = signature
            headers[f"X-Plivo-Signature-V{version}-Nonce"] = nonce
        return headers

    def sign_v3(self, url: str, form: Mapping[str, str], nonce: str) -> str:
        """Version 3: the URL with its query sorted, the fields sorted and run together, and the nonce."""
        base, _, query = url.partition("?")
        asked = "&".join("=".join(pair) for pair in sorted(parse_qsl(query, keep_blank_values=True)))
        fields = "".join(map("".join, sorted(form.items())))
        mark, dot = "?" if asked or form else "", "." if asked and form else ""
        return self._hmac(f"{base}{mark}{asked}{dot}{fields}.{nonce}")

    def sign_v2(self, url: str, nonce: str) -> str:
        """Version 2: the bare URL and the nonce."""
        return self._hmac(url.partition("?")[0] + nonce)

    def _hmac(self, text: str) -> str:
        return base64.b64encode(hmac.new(self._token, text.encode(), hashlib.sha256).digest()).decode()

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """Send a webhook, signed; ``headers`` go over what would be sent."""
        signed = {**self.sign(url, form), **(headers or {})}
        return await self.send(url, urlencode(form).encode(), "application/x-www-form-urlencoded", signed)

    def form(self, line: Line, **more: str) -> dict[str, str]:
        """The fields that every webhook of a call has. Plivo writes numbers without the plus."""
        return {
            "CallUUID": line.call_sid,
            "From": line.caller.removeprefix("+"),
            "To": line.callee.removeprefix("+"),
            "CallStatus": "ringing",
            "Direction": "inbound",
            "Event": "StartApp",
            "ParentAuthID": self.auth_id,
            **more,
        }
