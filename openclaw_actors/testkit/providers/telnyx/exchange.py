"""Telnyx's side of HTTP: webhooks are JSON, signed with Ed25519; what is to be done is told by REST."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openclaw_actors.testkit.providers.carrier.exchange import Exchange as CarrierExchange
from openclaw_actors.testkit.providers.carrier.exchange import Reply
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Verb
from openclaw_actors.testkit.providers.telnyx.stream import TelnyxStream
from openclaw_actors.testkit.waiting import CallEndedError

if TYPE_CHECKING:
    from openclaw_actors.testkit.providers.carrier.line import Line

_COMMAND_S = 10.0


class Exchange(CarrierExchange):
    """As Exchange.

    Args:
        public_url: ``server.public_url`` of the host.
        reach: where the host really listens.
        seed: of the key that signs; 32 bytes.
        headers: that the tunnel adds.
    """

    def __init__(
        self, public_url: str, reach: str, seed: bytes = bytes(range(32)), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(public_url, reach, headers)
        self.user_id = str(uuid4())
        self.connection_id = "1684641123236054244"
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
        self.commands: dict[str, asyncio.Future[list[Verb]]] = {}
        """What is to be done with each call that rings, once a command says it."""

    @property
    def webhook_url(self) -> str:
        """The application's."""
        return f"{self.public_url}/voice/telnyx/webhook"

    def new_call_id(self) -> str:
        """As Exchange.new_call_id."""
        return f"v3:{token_urlsafe(40)}"

    async def ring(self, line: Line) -> list[Verb]:
        """As Exchange.ring: the webhook is only taken note of, then a command comes."""
        command = self.commands[line.call_sid] = asyncio.get_running_loop().create_future()
        try:
            payload = self.payload(line.call_sid, line.caller, line.callee, direction="incoming", state="parked")
            reply = await self.event("call.initiated", payload)
            if reply.status != 200:
                raise CallEndedError(f"the webhook answered {reply.status}: {reply.text}")
            async with asyncio.timeout(_COMMAND_S):
                verbs: list[Verb] = await command
                return verbs
        except TimeoutError:
            raise CallEndedError("nobody said what to do with the call") from None
        finally:
            del self.commands[line.call_sid]

    async def over(self, line: Line) -> None:
        """As Exchange.over."""
        payload = self.payload(line.call_sid, line.caller, line.callee, hangup_cause="normal_clearing")
        await self.event("call.hangup", payload)

    def new_stream(self, line: Line, verb: ConnectStream) -> TelnyxStream:
        """As Exchange.new_stream."""
        return TelnyxStream(self, line.call_sid, verb, line.heard, line.tick)

    def upgrade_headers(self, url: str) -> Mapping[str, str]:  # noqa: ARG002 - Telnyx signs none
        """As Exchange.upgrade_headers."""
        return {}

    def sign(self, body: bytes, timestamp: str = "") -> dict[str, str]:
        """The headers of a webhook."""
        timestamp = timestamp or str(int(time.time()))
        signature = base64.b64encode(self._key.sign(f"{timestamp}|".encode() + body)).decode()
        return {"telnyx-signature-ed25519": signature, "telnyx-timestamp": timestamp}

    async def event(
        self, kind: str, payload: Mapping[str, Any], *, url: str = "", event_id: str = "", attempt: int = 1
    ) -> Reply:
        """Send a webhook, signed."""
        url = url or self.webhook_url
        body = json.dumps(
            {
                "data": {
                    "record_type": "event",
                    "event_type": kind,
                    "id": event_id or str(uuid4()),
                    "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
                    "payload": payload,
                },
                "meta": {"attempt": attempt, "delivered_to": url},
            }
        ).encode()
        return await self.post(url, body)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a body, signed; ``headers`` go over what would be sent."""
        return await self.send(url, body, "application/json", {**self.sign(body), **(headers or {})})

    def payload(self, call_control_id: str, caller: str, callee: str, **more: Any) -> dict[str, Any]:
        """What every event of a call has."""
        return {
            "call_control_id": call_control_id,
            "call_leg_id": str(uuid4()),
            "call_session_id": str(uuid4()),
            "client_state": None,
            "connection_id": self.connection_id,
            "from": caller,
            "to": callee,
            **more,
        }
