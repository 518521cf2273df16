"""What scripted callers have in common, on whatever line: they speak, listen, interrupt, and measure by one clock.

All times are ``time.monotonic()`` seconds of the caller's machine.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from openclaw_actors.testkit.ear import Ear
from openclaw_actors.testkit.mouth import Utterance
from openclaw_actors.testkit.speakers import Speech
from openclaw_actors.testkit.waiting import Waits


@dataclass(frozen=True, slots=True)
class Answer:
    """A turn as the caller's ear has it."""

    utterance: Utterance
    heard_at: float

    @property
    def latency_s(self) -> float:
        """End of speech to first voice."""
        return self.heard_at - self.utterance.ended_at


@dataclass(frozen=True, slots=True)
class Interruption:
    """A barge-in as the caller's ear has it."""

    utterance: Utterance
    silent_at: float

    @property
    def latency_s(self) -> float:
        """Onset of the caller's speech to the last sound of the agent."""
        return self.silent_at - self.utterance.began_at


class Party:
    """One who takes part in a call.

    Args:
        heard: their ear.
    """

    def __init__(self, heard: Ear) -> None:
        self.heard = heard
        self._waits = Waits(self._summary)

    @property
    def over(self) -> bool:
        """The call has ended, whoever ended it."""
        return self._waits.over

    def _summary(self) -> str:
        ear = self.heard
        return (
            f"heard {ear.packets} packets ({ear.lost_packets} lost, {ear.late_packets} late), {len(ear.onsets)} onsets"
        )

    async def wait_voice(self, timeout_s: float = 10.0, *, after: float = 0.0) -> float:
        """When the agent's voice set in: its first onset at or after ``after``."""
        return await self._waits.until(lambda _: self.heard.onset_after(after), timeout_s, "voice")

    async def wait_packets(self, count: int, timeout_s: float = 10.0) -> float:
        """When ``count`` packets in all had been heard, to the 20 ms."""
        return await self._waits.until(
            lambda now: now if self.heard.packets >= count else None, timeout_s, f"packet {count}"
        )

    async def wait_silence(self, timeout_s: float = 20.0, *, quiet_s: float = 0.6) -> float:
        """When the agent's last sound came, once ``quiet_s`` seconds passed without another; -inf before the first."""

        def found(now: float) -> float | None:
            return self.heard.last_loud_at if self.heard.quiet_s(now) >= quiet_s else None

        return await self._waits.until(found, timeout_s, "silence")

    async def wait_over(self, timeout_s: float = 10.0) -> None:
        """Return when the host has ended the call."""
        await self._waits.until(lambda _: self.over, timeout_s, "end of the call")

    async def wait(self, seconds: float) -> None:
        """Be silent: a pause in a conversation, as a person makes it."""
        await asyncio.sleep(seconds)

    async def say(self, speech: Speech | bytes) -> Utterance:
        """Speak; return when the last packet has left. Bytes are 16 kHz mono s16."""
        utterance = self.start_saying(speech)
        await utterance.done
        return utterance

    def start_saying(self, speech: Speech | bytes) -> Utterance:
        """Begin to speak; await the utterance's ``done`` for its end."""
        raise NotImplementedError

    async def ask(self, speech: Speech | bytes, timeout_s: float = 25.0) -> Answer:
        """Speak and wait for the answer's voice, without waiting for its end."""
        utterance = await self.say(speech)
        return Answer(utterance, await self.wait_voice(timeout_s, after=utterance.ended_at))

    async def talk_over(
        self,
        speech: Speech | bytes,
        timeout_s: float = 10.0,
        *,
        quiet_s: float = 0.4,
    ) -> Interruption:
        """Speak over the agent until it is silent, and to the end of what there is to say."""
        utterance = self.start_saying(speech)
        silent_at = await self.wait_silence(timeout_s, quiet_s=quiet_s)
        await utterance.done
        return Interruption(utterance, silent_at)
