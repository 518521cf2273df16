"""A call that the host has placed at Twilio: StatusCallback and AsyncAmdStatusCallback tell of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from openclaw_actors.testkit.providers.carrier.dialled import DialledCall
from openclaw_actors.testkit.providers.carrier.script import Script
from openclaw_actors.testkit.providers.carrier.verbs import Verb
from openclaw_actors.testkit.providers.twilio.exchange import Exchange
from openclaw_actors.testkit.providers.twilio.twiml import parse

_ASKED_AS = {"in-progress": "answered", **dict.fromkeys(("busy", "no-answer", "failed", "canceled"), "completed")}
"""What ``StatusCallbackEvent`` calls a state, where it is another word."""


class TwilioCall(DialledCall):
    """As DialledCall.

    Args:
        exchange: the account's.
        form: what the REST request asked for, by field; ``StatusCallbackEvent`` is a list.
        script: what happens at the number.
    """

    def __init__(self, exchange: Exchange, form: Mapping[str, Any], script: Script) -> None:
        timeout_s = float(form.get("Timeout", 60))
        super().__init__(exchange, script, to=form["To"], sender=form["From"], ring_timeout_s=timeout_s)
        self.form = form
        self._exchange = exchange
        self._numbered = 0

    async def picked(self) -> list[Verb]:
        """As DialledCall.picked: the request said so."""
        return parse(self.form["Twiml"])

    async def tell(self, status: str) -> None:
        """As DialledCall.tell."""
        if _ASKED_AS.get(status, status) not in self.form.get("StatusCallbackEvent", []):
            return
        form = self._exchange.form(
            self.sid,
            self.sender,
            self.to,
            CallStatus=status,
            Direction="outbound-api",
            CallbackSource="call-progress-events",
            SequenceNumber=str(self._numbered),
            Timestamp=time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
        )
        self._numbered += 1
        if status == "failed":
            form["ErrorCode"] = self.script.error_code
        if status == "completed":
            form["CallDuration"] = "1"
        url = self.form["StatusCallback"]
        await self.post(url, status, lambda: self._exchange.post(url, form))

    async def tell_verdict(self) -> None:
        """As DialledCall.tell_verdict."""
        url = self.form.get("AsyncAmdStatusCallback", "")
        if self.form.get("AsyncAmd") != "true" or not url:
            return
        form = {
            "CallSid": self.sid,
            "AccountSid": self._exchange.account_sid,
            "AnsweredBy": self.script.answered_by,
            "MachineDetectionDuration": str(round(self.script.verdict_s * 1000)),
        }
        await self.post(url, self.script.answered_by, lambda: self._exchange.post(url, form))

    def as_json(self) -> dict[str, Any]:
        """The resource (twilio.com/docs/voice/api/call-resource)."""
        account = self._exchange.account_sid
        return {
            "sid": self.sid,
            "account_sid": account,
            "to": self.to,
            "from": self.sender,
            "status": self.status,
            "direction": "outbound-api",
            "api_version": "2010-04-01",
            "date_created": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
            "uri": f"/2010-04-01/Accounts/{account}/Calls/{self.sid}.json",
        }
