"""The line with nobody at its far end behaves as a caller who is silent does."""

from __future__ import annotations

import asyncio
import time

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.messages import FRAME
from openclaw_actors.transports.quiet_line import QuietLine


class Ear:
    def __init__(self) -> None:
        self.frames = []
        self.states = []
        self.heard = asyncio.Event()

    def next_packet(self) -> bytes:
        return OPUS.silence

    def on_audio(self, frame) -> None:
        self.frames.append(frame)
        if len(self.frames) == 25:
            self.heard.set()

    def on_state(self, state: str) -> None:
        self.states.append(state)

    def on_command(self, command) -> None:
        raise AssertionError(command)


async def test_it_is_connected_at_once_and_silent_in_real_time_without_gap_or_overlap():
    line, ear = QuietLine(), Ear()
    began = time.monotonic()
    line.attach(ear, ear, start=640)
    async with asyncio.timeout(5):
        await ear.heard.wait()
    assert time.monotonic() - began >= 0.45
    await line.aclose()
    assert ear.states == ["connected"]
    assert [frame.start for frame in ear.frames] == [640 + FRAME * number for number in range(len(ear.frames))]
    assert all(frame.pcm == bytes(2 * FRAME) and not frame.concealed for frame in ear.frames)


async def test_a_closed_line_is_quiet_for_good_and_may_be_closed_again():
    line, ear = QuietLine(), Ear()
    line.attach(ear, ear)
    await line.aclose()
    await line.aclose()
    heard = len(ear.frames)
    await asyncio.sleep(0.05)
    assert len(ear.frames) == heard
