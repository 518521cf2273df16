"""A call that the host under test has placed: it rings, somebody answers or nobody, and callbacks tell of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import aiohttp

from openclaw_actors.testkit.providers.carrier.exchange import Exchange, Reply
from openclaw_actors.testkit.providers.carrier.line import Line
from openclaw_actors.testkit.providers.carrier.script import Script
from openclaw_actors.testkit.providers.carrier.verbs import Verb

FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


class DialledCall:
    """One call; what its carrier tells of it, and how, is in a subclass.

    Args:
        exchange: the account's.
        script: what happens at the number.
        to: whom the host calls.
        sender: from which number.
        ring_timeout_s: how long it may ring.
    """

    def __init__(self, exchange: Exchange, script: Script, *, to: str, sender: str, ring_timeout_s: float) -> None:
        self.sid = exchange.new_call_id()
        self.to, self.sender = to, sender
        self.status = "queued"
        self.line = Line(exchange, sender, to, call_sid=self.sid)
        """The phone that was called."""
        self.callbacks: list[tuple[str, str, Reply | None]] = []
        """Path, what was told, and the answer; None when nobody answered."""
        self.over = asyncio.Event()
        self._taken = asyncio.Event()
        self.script = script
        self._ring_timeout_s = ring_timeout_s
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

    # --- how its carrier says it ------------------------------------------------------------------

    async def tell(self, status: str) -> None:
        """Tell the host of a state, by ``post``, where it asked to be told."""
        raise NotImplementedError

    async def tell_verdict(self) -> None:
        """Tell who has answered, where that was asked for; ``script.answered_by`` is Twilio's word for it."""
        raise NotImplementedError

    async def picked(self) -> list[Verb]:
        """Somebody has answered: what the host wants done."""
        raise NotImplementedError

    # --- how it goes ------------------------------------------------------------------------------

    async def _run(self) -> None:
        script = self.script
        await asyncio.sleep(script.dial_s)
        await self._tell("initiated")
        self.status = "ringing"
        await self._tell("ringing", late=script.late_ringing)
        if script.outcome == "no-answer":
            await asyncio.sleep(script.ring_s * self._ring_timeout_s)
            await self._finish("no-answer")
            return
        await asyncio.sleep(script.ring_s)
        if script.outcome != "answers":
            await self._finish(script.outcome)
            return
        self.status = "in-progress"
        self.line.run(await self.picked())
        self._taken.set()
        await self._tell("in-progress")
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
        await self._tell(status)
        for late in self._late:
            await self.tell(late)

    async def _detect(self) -> None:
        if self.script.answered_by:
            await asyncio.sleep(self.script.verdict_s)
            await self.tell_verdict()

    async def _tell(self, status: str, *, late: bool = False) -> None:
        if late:
            self._late.append(status)
        else:
            await self.tell(status)

    async def post(self, url: str, told: str, send: Callable[[], Awaitable[Reply]]) -> None:
        """Send a callback, twice if the script says so; never, if it says that."""
        if self.script.mute:
            return
        for _ in range(2 if self.script.repeats else 1):
            reply: Reply | None = None
            with contextlib.suppress(aiohttp.ClientError, OSError):
                reply = await send()
            self.callbacks.append((url, told, reply))
