"""A telephone on a line of Twilio's: what TwiML does to it, and the person who holds it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import Utterance
from openclaw_actors.testkit.party import Party
from openclaw_actors.testkit.providers.twilio.exchange import Exchange, new_sid
from openclaw_actors.testkit.providers.twilio.stream import StreamClient
from openclaw_actors.testkit.providers.twilio.twiml import (
    ConnectStream,
    Dial,
    HangUp,
    Pause,
    Record,
    Reject,
    Say,
    Verb,
    parse,
)
from openclaw_actors.testkit.speakers import Speech
from openclaw_actors.testkit.waiting import CallEndedError


class Line(Party):
    """One call of a phone. An async context that hangs up on exit.

    Args:
        exchange: the account's.
        caller: its number, and who is called.
        callee: likewise.
        call_sid: of the call; a new one when empty.
        direction: as Twilio names it.
        keep_audio: keep what is heard, for ``heard.recording()``.
    """

    def __init__(
        self,
        exchange: Exchange,
        caller: str = "+15550100001",
        callee: str = "+15550100002",
        *,
        call_sid: str = "",
        direction: str = "inbound",
        keep_audio: bool = True,
    ) -> None:
        super().__init__(Ear(keep=keep_audio))
        self.exchange = exchange
        self.caller, self.callee = caller, callee
        self.call_sid = call_sid or new_sid("CA")
        self.direction = direction
        self.stream: StreamClient | None = None
        """The media stream, once TwiML has asked for one; it stays when it is over."""
        self.rejected = ""
        """The reason of a Reject."""
        self.dialled = ""
        """Whom a Dial has connected."""
        self.dial_attributes: Mapping[str, str] = {}
        """What it said besides."""
        self.said: list[str] = []
        """What Twilio's own voice has said."""
        self.message: Speech | None = None
        """What the person says to Twilio's own recorder; None: nothing."""
        self.recorded: Record | None = None
        """The Record that took it."""
        self._running: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()

    # --- life ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self.dial()
        except BaseException:
            await self.hang_up()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    async def dial(self) -> None:
        """Call the number: Twilio asks its webhook, and does what that says. Returns when the stream has started.

        Raises:
            CallEndedError: it came to none.
        """
        form = self.exchange.form(self.call_sid, self.caller, self.callee, Direction=self.direction)
        reply = await self.exchange.post(f"{self.exchange.public_url}/voice/webhook", form)
        if reply.status != 200:
            self._waits.end()
            raise CallEndedError(f"11200: the webhook answered {reply.status}: {reply.text}")
        self.run(reply.text)
        await self.answered()

    def run(self, twiml: str) -> None:
        """Do from now on what this TwiML says; what was being done ends."""
        verbs = parse(twiml)
        before, self._running = self._running, None
        self._answered = asyncio.Event()
        self._running = asyncio.create_task(self._run(verbs, before), name=f"line {self.call_sid[:6]}")

    async def answered(self, timeout_s: float = 10.0) -> None:
        """Return when a stream has started.

        Raises:
            CallEndedError: the call ended instead.
        """
        async with asyncio.timeout(timeout_s):
            await self._answered.wait()
        if self.stream is None or self.over:
            raise CallEndedError(f"rejected: {self.rejected}" if self.rejected else "no stream came about")

    async def hang_up(self) -> None:
        """The person hangs up."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        self._end()

    async def _run(self, verbs: list[Verb], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            before.cancel()
            await asyncio.gather(before, return_exceptions=True)
        for verb in verbs:
            if not await self._do(verb):
                break
        self._end()

    async def _do(self, verb: Verb) -> bool:
        """Do it; whether the next verb's turn comes."""
        match verb:
            case ConnectStream():
                await self._connect(verb)
            case Say(text):
                self.said.append(text)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Dial(number, attributes):
                self.dialled, self.dial_attributes = number, attributes
                return False
            case Record():
                await self._record(verb)
                return False
            case Reject(reason):
                self.rejected = reason
                return False
            case HangUp():
                return False
        return True

    async def _connect(self, verb: ConnectStream) -> None:
        self.stream = StreamClient(self.exchange, self.call_sid, verb, self.heard, self._waits.check)
        try:
            await self.stream.run(self._answered)
        finally:
            if verb.status_callback:
                with contextlib.suppress(OSError):
                    await self.stream.report()

    async def _record(self, verb: Record) -> None:
        """Record what the person says; then the action is asked, and the callback told (RecordingSource RecordVerb)."""
        self.recorded = verb
        form = self.exchange.form(self.call_sid, self.caller, self.callee, CallStatus="in-progress")
        told = {"CallSid": self.call_sid, "AccountSid": self.exchange.account_sid, "RecordingSource": "RecordVerb"}
        if self.message is None:
            await self.exchange.post(verb.told, {**told, "RecordingStatus": "absent"})
            return
        sid = self.exchange.keep_recording(self.call_sid, self.message.pcm)
        about = {
            "RecordingSid": sid,
            "RecordingUrl": f"{self.exchange.public_url}/not-to-be-called/{sid}",
            "RecordingDuration": str(round(len(self.message.pcm) / 32_000)),
        }
        reply = await self.exchange.post(verb.action, {**form, **about})
        if reply.status == 200:
            parse(reply.text)
        await self.exchange.post(verb.told, {**told, **about, "RecordingStatus": "completed"})

    def _end(self) -> None:
        self._answered.set()
        self._waits.end()
        if self.stream is not None:
            self.stream.hush(CallEndedError("the call ended before all was said"))

    # --- the person ---------------------------------------------------------------------------------

    def start_saying(self, speech: Speech | bytes) -> Utterance:
        """As Party.start_saying."""
        if self.stream is None or self.over:
            raise CallEndedError("nobody hears")
        return self.stream.say(Speech(speech) if isinstance(speech, bytes) else speech)

    async def press(self, keys: str) -> None:
        """Press keys, one after another, as fast as a person does."""
        for key in keys:
            if self.stream is None or self.over:
                raise CallEndedError("nobody hears")
            await self.stream.press(key)
            await asyncio.sleep(0.1)

    async def wait_clear(self, timeout_s: float = 10.0, *, after: float = 0.0) -> float:
        """When our voice was thrown away at or after ``after``."""

        def found(_: float) -> float | None:
            clears = self.stream.clears if self.stream is not None else []
            return next((at for at in clears if at >= after), None)

        return await self._waits.until(found, timeout_s, "clear")

    async def wait_media(self, timeout_s: float = 10.0, *, after: float = 0.0) -> float:
        """When the first of our sound came at or after ``after``."""

        def found(_: float) -> float | None:
            arrived = self.stream.arrivals if self.stream is not None else []
            return next((at for at in arrived if at >= after), None)

        return await self._waits.until(found, timeout_s, "media")

    def _summary(self) -> str:
        stream = self.stream
        if stream is None:
            return super()._summary()
        closed = f", closed {stream.close_code} {stream.close_reason}" if stream.close_code else ""
        return f"{super()._summary()}; {len(stream.arrivals)} media, {len(stream.clears)} clears{closed}"
