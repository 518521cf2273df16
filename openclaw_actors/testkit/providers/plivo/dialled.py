"""A call that the host has placed at Plivo: ring_url, answer_url, hangup_url and machine_detection_url tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from openclaw_actors.testkit.providers.carrier.dialled import DialledCall
from openclaw_actors.testkit.providers.carrier.script import Script
from openclaw_actors.testkit.providers.carrier.verbs import HangUp, Verb
from openclaw_actors.testkit.providers.plivo.exchange import Exchange
from openclaw_actors.testkit.waiting import CallEndedError

_STATES = {"canceled": "cancel", "no-answer": "timeout"}
"""What Plivo calls a state, where it is another word."""
_CODES = {"completed": "4000", "busy": "3010", "no-answer": "3000", "canceled": "1000"}


class PlivoCall(DialledCall):
    """As DialledCall.

    Args:
        exchange: the account's.
        asked: what the REST request asked for.
        script: what happens at the number.
    """

    def __init__(self, exchange: Exchange, asked: Mapping[str, Any], script: Script) -> None:
        super().__init__(
            exchange, script, to=asked["to"], sender=asked["from"], ring_timeout_s=asked.get("ring_timeout", 120)
        )
        self.form = asked
        self.request_uuid = str(uuid4())
        """What the request was answered; the call itself has another name."""
        self._exchange = exchange

    async def picked(self) -> list[Verb]:
        """As DialledCall.picked: its answer_url says so."""
        try:
            return await self._exchange.ask(self.form["answer_url"], self._fields(CallStatus="in-progress"))
        except CallEndedError:
            return [HangUp()]

    async def tell(self, status: str) -> None:
        """As DialledCall.tell."""
        if status == "ringing":
            await self._callback("ring_url", status, Event="Ring", CallStatus="ringing")
        elif status not in {"initiated", "in-progress"}:
            code = self.script.error_code if status == "failed" else _CODES[status]
            fields = {"CallStatus": _STATES.get(status, status), "HangupCauseCode": code}
            await self._callback("hangup_url", status, Event="Hangup", **fields)

    async def tell_verdict(self) -> None:
        """As DialledCall.tell_verdict: only of a machine, and without waiting for its beep."""
        if self.form.get("machine_detection") == "true" and self.script.answered_by.startswith(("machine", "fax")):
            fields = {"Machine": "true", "IfMachine": "continue", "Event": "MachineDetection"}
            await self._callback("machine_detection_url", "machine", CallStatus="in-progress", **fields)

    async def _callback(self, url: str, told: str, **more: str) -> None:
        fields = self._fields(**more)
        await self.post(self.form[url], told, lambda: self._exchange.post(self.form[url], fields))

    def _fields(self, **more: str) -> dict[str, str]:
        ids = {"RequestUUID": self.request_uuid, "ALegRequestUUID": self.request_uuid, "Direction": "outbound"}
        return self._exchange.form(self.line, **{**ids, **more})
