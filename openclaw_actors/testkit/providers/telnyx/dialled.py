"""A call that the host has placed at Telnyx: Call Control's events tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from openclaw_actors.testkit.providers.carrier.dialled import DialledCall
from openclaw_actors.testkit.providers.carrier.script import Script
from openclaw_actors.testkit.providers.carrier.verbs import ConnectStream, Park, Verb
from openclaw_actors.testkit.providers.telnyx.exchange import Exchange

_CAUSES = {
    "completed": "normal_clearing",
    "busy": "user_busy",
    "no-answer": "timeout",
    "canceled": "originator_cancel",
    "failed": "unspecified",
}
_RESULTS = {"human": "human", "unknown": "not_sure"}
_GREETINGS = {"machine_end_beep": "beep_detected", "machine_end_silence": "ended"}


class TelnyxCall(DialledCall):
    """As DialledCall.

    Args:
        exchange: the account's.
        asked: what the REST request asked for.
        script: what happens at the number.
    """

    def __init__(self, exchange: Exchange, asked: Mapping[str, Any], script: Script) -> None:
        super().__init__(
            exchange, script, to=asked["to"], sender=asked["from"], ring_timeout_s=asked.get("timeout_secs", 30)
        )
        self.form = asked
        self._exchange = exchange

    async def picked(self) -> list[Verb]:
        """As DialledCall.picked: the request said so. A stream that ends does not end the call."""
        return [ConnectStream(self.form["stream_url"]), Park()]

    async def tell(self, status: str) -> None:
        """As DialledCall.tell: nothing tells that it rings."""
        if status == "initiated":
            await self._event("call.initiated", direction="outgoing", state="bridging")
        elif status == "in-progress":
            await self._event("call.answered")
        elif status in _CAUSES:
            code = self.script.error_code if status == "failed" else "200"
            await self._event("call.hangup", hangup_cause=_CAUSES[status], sip_hangup_cause=code)

    async def tell_verdict(self) -> None:
        """As DialledCall.tell_verdict."""
        mode, what = self.form.get("answering_machine_detection"), self.script.answered_by
        if mode is None:
            return
        await self._event("call.machine.detection.ended", result=_RESULTS.get(what, "machine"))
        if mode == "greeting_end" and what not in _RESULTS:
            await self._event("call.machine.greeting.ended", result=_GREETINGS.get(what, "not_sure"))

    async def _event(self, kind: str, **more: Any) -> None:
        payload = self._exchange.payload(self.sid, self.sender, self.to, **more)
        payload["client_state"] = self.form.get("client_state")
        url, event_id = self.form.get("webhook_url", ""), str(uuid4())
        attempts = iter(range(1, 10))
        await self.post(
            url,
            kind,
            lambda: self._exchange.event(kind, payload, url=url, event_id=event_id, attempt=next(attempts)),
        )
