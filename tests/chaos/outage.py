"""A line that goes dark in the middle of a call, with a whole host.

What is over in seconds costs the caller nothing but those seconds. What lasts a minute ends the call, for one of two
reasons, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

from openclaw_actors.settings.sections import Calls
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import RunningHost, embedded_settings, running_host
from openclaw_actors.testkit.lossy import LossyLink
from openclaw_actors.testkit.resources import Resources, back_to, settled
from openclaw_actors.testkit.speakers import flite

QUESTION = "What is the weather like in Paris today?"
LONG_REPLY = "Please count to thirty."
BACK_MS = 200.0
"""Until the voice is back: the next packet is 20 ms away."""
EVENT_MS = 5000.0
"""Until the events are back: the data channel's retransmission backs off 1, 2, 4 s while nothing comes through."""
ANSWER_MS = 5000.0
"""Until the next question is answered: pocketsphinx takes a second of it."""


class Outcome(Protocol):
    """One line of the report."""

    @property
    def line(self) -> str:
        """In words."""

    def faults(self) -> list[str]:
        """Which promises were broken."""


@dataclass(frozen=True, slots=True)
class Survived:
    """What a caller noticed of a darkness that the call outlived: milliseconds after its end."""

    dark_s: float
    media_state: str
    """What the host took the connection for at the end of it."""
    voice_back_ms: float
    event_back_ms: float
    answer_ms: float
    """End of the next question, spoken over the reply, to the voice of its answer."""

    @property
    def line(self) -> str:
        return (
            f"{self.dark_s:.0f} s dark in a reply: the call goes on ({self.media_state}), voice back after "
            f"{self.voice_back_ms:.0f} ms, events after {self.event_back_ms:.0f} ms, the next question is answered "
            f"{self.answer_ms:.0f} ms after its end"
        )

    def faults(self) -> list[str]:
        found = []
        for what, took, bound in (
            ("voice", self.voice_back_ms, BACK_MS),
            ("events", self.event_back_ms, EVENT_MS),
            ("answer", self.answer_ms, ANSWER_MS),
        ):
            if took > bound:
                found.append(f"{self.dark_s:.0f} s dark: {what} back after {took:.0f} ms, {bound:.0f} ms promised")
        return found


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended whose line stayed dark."""

    expected: str
    after: tuple[float, float]
    """Seconds from the beginning of the darkness between which the end is due."""
    status: str
    reason: str
    after_s: float
    caller_after_s: float
    """Until the caller's own connection knew."""
    left: str
    """What the call left behind; empty: nothing."""

    @property
    def line(self) -> str:
        return (
            f"dark for good: {self.status}/{self.reason} after {self.after_s:.0f} s, the caller's side knows after "
            f"{self.caller_after_s:.0f} s; {self.left or 'nothing'} is left behind"
        )

    def faults(self) -> list[str]:
        found = []
        if (self.status, self.reason) != ("completed", self.expected):
            found.append(f"dark for good: ended {self.status}/{self.reason}, completed/{self.expected} promised")
        if not self.after[0] <= self.after_s <= self.after[1]:
            found.append(f"dark for good: ended after {self.after_s:.1f} s, {self.after} promised")
        if self.left:
            found.append(f"dark for good: {self.left} left behind")
        return found


async def short_outage(host: RunningHost, dark_s: float) -> Survived:
    """The line is dark for a while in the middle of a long reply; then the caller asks something else over it.

    Raises:
        CallEndedError: the call did not survive it.
        TimeoutError: no voice, no event or no answer came after it.
    """
    question = flite(QUESTION, "rms")
    _ = question.packets
    link = LossyLink()
    async with Caller(host.url, prepare=link.attach) as caller:
        asked_at = time.monotonic()
        caller.send("text", text=LONG_REPLY)
        await caller.wait_voice(after=asked_at)
        await caller.wait(1.0)
        with link.blackout():
            await asyncio.sleep(dark_s)
            call = await host.host.board.describe_call(caller.call_id)
            packets = caller.heard.packets
        light_at = time.monotonic()
        voice_at = await caller.wait_packets(packets + 1)
        event_at = (await caller.wait_event("call.transcript", after=light_at, timeout_s=30)).arrived_at
        over = await caller.talk_over(question)
        answer_at = await caller.wait_voice(20, after=over.utterance.ended_at)
        return Survived(
            dark_s,
            call["media_state"],
            1000 * (voice_at - light_at),
            1000 * (event_at - light_at),
            1000 * (answer_at - over.utterance.ended_at),
        )


async def long_outage(host: RunningHost, expected: str, after: tuple[float, float]) -> Ended:
    """The line goes dark and stays so; the host and the caller each find out for themselves."""
    before = await settled(host)
    link = LossyLink()
    caller = Caller(host.url, prepare=link.attach)
    try:
        await caller.dial()
        await caller.wait_voice()
        link.dark = True
        dark_at = time.monotonic()
        await asyncio.wait_for(host.host.places.idle.wait(), 70)
        ended_at = time.monotonic()
        await caller.wait_over(70)
        over_at = time.monotonic()
    finally:
        await caller.leave()
    left = await back_to(before, host)
    record = await host.host.store.call(caller.call_id)
    return Ended(
        expected,
        after,
        record.status if record else "no record",
        record.end_reason if record else "",
        ended_at - dark_at,
        over_at - dark_at,
        "" if left.no_more_than(before) else difference(before, left),
    )


def difference(before: Resources, after: Resources) -> str:
    """What is more than before."""
    more = {name: getattr(after, name) - getattr(before, name) for name in Resources.__dataclass_fields__}
    return ", ".join(f"{count:+g} {name}" for name, count in more.items() if count > 0)


async def outages() -> list[Outcome]:
    """All of them, at the defaults and where silence alone ends no call; two minutes."""
    found: list[Outcome] = []
    async with running_host() as host:
        found += [
            await short_outage(host, 5.0),
            await short_outage(host, 10.0),
            await long_outage(host, "no_media", (15.0, 18.0)),
        ]
    patient = embedded_settings().model_copy(update={"calls": Calls(no_media_timeout_s=3600)})
    async with running_host(patient) as host:
        # RFC 7675: 30 s of unanswered checks, each 4 to 6 s after the last.
        found.append(await long_outage(host, "peer_failed", (23.0, 45.0)))
    return found
