"""A call that the host under test has placed: it rings, somebody answers or nobody, and callbacks tell of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from openclaw_actors.testkit.providers.twilio.exchange import Exchange, Reply, new_sid
from openclaw_actors.testkit.providers.twilio.line import Line
from openclaw_actors.testkit.providers.twilio.script import Script

FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


class DialledCall:
    """One call.

    Args:
        exchange: the account's.
        form: what the REST request asked for, by field; ``StatusCallbackEvent`` is a list.
        script: what happens at the number.
    """

    def __init__(self, exchange: Exchange, form: Mapping[str, Any], script: Script) -> None:
        self.sid = new_sid("CA")
        self.form = form
        self.status = "queued"
        self.line = Line(exchange, form["From"], form["To"], call_sid=self.sid, direction="outbound-api")
        """The phone that was called."""
        self.callbacks: list[tuple[str, str, Reply | None]] = []
        """Path, what was told, and the answer; None when nobody answered."""
        self.over = asyncio.Event()
        self._taken = asyncio.Event()
        self._exchange = exchange
        self._script = script
        self._numbered = 0
        self._late: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Dial."""
        self._task = asyncio.create_task(self._run(), name=f"dialled {self.sid[:6]}")

    async def answered(self, timeout_s: float = 10.0) -> Line:
        """The phone, once somebody has taken it and its media stream has started.

        Raises:
            CallEndedError: it came to none.
        """
        async with asyncio.timeout(timeout_s):
            await self._taken.wait()
        await self.line.answered(timeout_s)
        return self.line

    async def told(self) -> None:
        """Return when the last callback was answered."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        """Stop, without a word to anybody."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.line.hang_up()

    async def hang_up(self) -> None:
        """The host ends it by REST: cancelled while it rings, completed when it was answered."""
        if self.status == "in-progress":
            await self.line.hang_up()  # the rest follows, as of any end
        elif self.status not in FINAL:
            self.status = "canceled"
            if self._task is not None:
                self._task.cancel()
            self._task = asyncio.create_task(self._finish("canceled"), name=f"canceled {self.sid[:6]}")

    def redirect(self, twiml: str) -> None:
        """The host gives it other TwiML by REST."""
        self.line.run(twiml)

    def as_json(self) -> dict[str, Any]:
        """The resource (twilio.com/docs/voice/api/call-resource)."""
        account = self._exchange.account_sid
        return {
            "sid": self.sid,
            "account_sid": account,
            "to": self.form["To"],
            "from": self.form["From"],
            "status": self.status,
            "direction": "outbound-api",
            "api_version": "2010-04-01",
            "date_created": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
            "uri": f"/2010-04-01/Accounts/{account}/Calls/{self.sid}.json",
        }

    # --- how it goes ------------------------------------------------------------------------------

    async def _run(self) -> None:
        script = self._script
        await asyncio.sleep(script.dial_s)
        await self._tell("initiated")
        self.status = "ringing"
        await self._tell("ringing", late=script.late_ringing)
        if script.outcome == "no-answer":
            await asyncio.sleep(script.ring_s * float(self.form.get("Timeout", 60)))
            await self._finish("no-answer")
            return
        await asyncio.sleep(script.ring_s)
        if script.outcome != "answers":
            await self._finish(script.outcome)
            return
        self.status = "in-progress"
        self.line.run(self.form["Twiml"])
        self._taken.set()
        await self._tell("in-progress", asked_as="answered")
        detection = asyncio.create_task(self._detect(), name=f"amd {self.sid[:6]}")
        try:
            await self.line.wait_over(timeout_s=300)
        finally:
            detection.cancel()
            await asyncio.gather(detection, return_exceptions=True)
        await self._finish("completed")

    async def _finish(self, status: str) -> None:
        self.status = status
        self.over.set()
        await self._tell(status, asked_as="completed")
        for late in self._late:
            await self._send(late)

    async def _detect(self) -> None:
        script = self._script
        url = self.form.get("AsyncAmdStatusCallback", "")
        if self.form.get("AsyncAmd") != "true" or not url or not script.answered_by:
            return
        await asyncio.sleep(script.verdict_s)
        form = {
            "CallSid": self.sid,
            "AccountSid": self._exchange.account_sid,
            "AnsweredBy": script.answered_by,
            "MachineDetectionDuration": str(round(script.verdict_s * 1000)),
        }
        for _ in range(2 if script.repeats else 1):
            await self._post(url, form, script.answered_by)

    async def _tell(self, status: str, *, asked_as: str = "", late: bool = False) -> None:
        if (asked_as or status) not in self.form.get("StatusCallbackEvent", []):
            return
        if late:
            self._late.append(status)
        else:
            await self._send(status)

    async def _send(self, status: str) -> None:
        form = self._exchange.form(
            self.sid,
            self.form["From"],
            self.form["To"],
            CallStatus=status,
            Direction="outbound-api",
            CallbackSource="call-progress-events",
            SequenceNumber=str(self._numbered),
            Timestamp=time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
        )
        self._numbered += 1
        if status == "failed":
            form["ErrorCode"] = self._script.error_code
        if status == "completed":
            form["CallDuration"] = "1"
        for _ in range(2 if self._script.repeats else 1):
            await self._post(self.form["StatusCallback"], form, status)

    async def _post(self, url: str, form: Mapping[str, str], told: str) -> None:
        if self._script.mute:
            return
        reply: Reply | None = None
        with contextlib.suppress(aiohttp.ClientError, OSError):
            reply = await self._exchange.post(url, form)
        self.callbacks.append((url, told, reply))
