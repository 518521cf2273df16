"""A telephone on a carrier's line: what the carrier is told to do with it, and the person who holds it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import Utterance
from openclaw_actors.testkit.party import Party
from openclaw_actors.testkit.providers.carrier.exchange import Exchange
from openclaw_actors.testkit.providers.carrier.stream import StreamClient
from openclaw_actors.testkit.providers.carrier.verbs import (
    ConnectStream,
    Dial,
    HangUp,
    Park,
    Pause,
    Record,
    Reject,
    Say,
    Verb,
)
from openclaw_actors.testkit.speakers import Speech
from openclaw_actors.testkit.waiting import CallEndedError


class Line(Party):
    """One call of a phone. An async context that hangs up on exit.

    Args:
        exchange: the account's.
        caller: its number, and who is called.
        callee: likewise.
        call_sid: the carrier's name for the call; a new one when empty.
        keep_audio: keep what is heard, for ``heard.recording()``.
    """

    def __init__(
        self,
        exchange: Exchange,
        caller: str = "+15550100001",
        callee: str = "+15550100002",
        *,
        call_sid: str = "",
        keep_audio: bool = True,
    ) -> None:
        super().__init__(Ear(keep=keep_audio))
        self.exchange = exchange
        self.caller, self.callee = caller, callee
        self.call_sid = call_sid or exchange.new_call_id()
        self.stream: StreamClient | None = None
        """The media stream, once one was asked for; it stays when it is over."""
        self.rejected = ""
        """The reason of a Reject."""
        self.dialled = ""
        """Whom a Dial has connected."""
        self.dial_attributes: Mapping[str, str] = {}
        """What it said besides."""
        self.said: list[str] = []
        """What the carrier's own voice has said."""
        self.message: Speech | None = None
        """What the person says to the carrier's own recorder; None: nothing."""
        self.recorded: Record | None = None
        """The Record that took it."""
        self.taken = False
        """A call that came in was answered."""
        self._running: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._next: list[Verb] = []
        """What the carrier was told to do, and has not begun."""

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
        """Call the number, and do what the host wants done. Returns when the stream has started.

        Raises:
            CallEndedError: it came to none.
        """
        self.exchange.lines[self.call_sid] = self
        try:
            verbs = await self.exchange.ring(self)
        except CallEndedError:
            self._waits.end()
            raise
        self.run(verbs)
        await self.answered()

    def run(self, verbs: list[Verb]) -> None:
        """Do this from now on; what was being done ends."""
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
        await self._tell_over()

    async def _tell_over(self) -> None:
        """Of a call that came in; of one that was placed, its DialledCall tells."""
        if self.exchange.lines.pop(self.call_sid, None) is not None:
            with contextlib.suppress(OSError):
                await self.exchange.over(self)

    async def _run(self, verbs: list[Verb], before: asyncio.Task[None] | None) -> None:
        if before is not None:
            before.cancel()
            await asyncio.gather(before, return_exceptions=True)
        self._next = list(verbs)
        while self._next and await self._do(self._next.pop(0)):
            pass
        self._end()
        await self._tell_over()

    async def _do(self, verb: Verb) -> bool:
        """Do it; whether the next verb's turn comes."""
        match verb:
            case ConnectStream():
                await self._connect(verb)
            case Say(text):
                self.said.append(text)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Park():
                await asyncio.Event().wait()
            case Dial(number, attributes):
                self.dialled, self.dial_attributes = number, attributes
                return False
            case Record():
                self.recorded = verb
                await self.exchange.record(self, verb)
                return False
            case Reject(reason):
                self.rejected = reason
                return False
            case HangUp():
                return False
        return True

    async def _connect(self, verb: ConnectStream) -> None:
        self.taken = True
        self.stream = self.exchange.new_stream(self, verb)
        try:
            await self.stream.run(self._answered)
        finally:
            with contextlib.suppress(OSError):
                await self.stream.report()
        if verb.action:
            with contextlib.suppress(OSError):
                self._follow(await self.exchange.again(self, verb.action))

    def _follow(self, verbs: list[Verb]) -> None:
        """Do that next, and then what was to come."""
        self._next = [*verbs, *self._next]

    def _end(self) -> None:
        self._answered.set()
        self._waits.end()
        if self.stream is not None:
            self.stream.hush(CallEndedError("the call ended before all was said"))

    def tick(self, now: float) -> None:
        """20 ms have passed on its stream."""
        self._waits.check(now)

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
            self.stream.press(key)
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
