"""The timers around the time line, on a real event loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.messages import AudioIn
from openclaw_actors.observability import metrics
from openclaw_actors.transports.inbound import Inbound
from openclaw_actors.transports.line_quality import LineQuality

from .conftest import CALLER_HZ, Listener, Tone


def packets(count: int, first: int = 0) -> list[RtpAudio]:
    tone = Tone(OPUS, CALLER_HZ)
    now = time.monotonic()
    return [RtpAudio(first + i, (first + i) * 960, tone.next_packet(), now) for i in range(count)]


@pytest.fixture
def inbound():
    inbound = Inbound(OPUS, LineQuality("test"))
    yield inbound
    inbound.close()


async def test_what_came_before_the_listener_is_not_kept(inbound):
    for packet in packets(10):
        inbound.receive(packet)
    listener = Listener()
    inbound.attach(listener, 3200)
    inbound.receive(packets(1, first=10)[0])
    assert [frame.start for frame in listener.frames] == [3200]


async def test_when_packets_stop_silence_comes_by_itself_in_real_time(inbound):
    listener = Listener()
    inbound.attach(listener, 0)
    for packet in packets(2):
        inbound.receive(packet)
    began = time.monotonic()
    await listener.until(lambda: len(listener.frames) >= 22)
    assert listener.is_contiguous()
    assert all(frame.concealed for frame in listener.frames[2:])
    assert 0.38 < time.monotonic() - began < 0.9, "20 frames are 0.4 s, after 60 ms of patience less 20 ms"


async def test_a_hole_is_given_up_by_the_clock_when_no_further_packet_comes(inbound):
    listener = Listener()
    inbound.attach(listener, 0)
    first, _, third = packets(3)
    inbound.receive(first)
    inbound.receive(third)
    await listener.until(lambda: sum(not f.concealed for f in listener.frames) == 2)
    assert [f.concealed for f in listener.frames[:3]] == [False, True, False]


async def test_a_listener_that_fails_on_a_frame_gets_the_next(inbound):
    class Picky(Listener):
        def on_audio(self, frame: AudioIn) -> None:
            if frame.start == 0:
                raise RuntimeError("not this one")
            super().on_audio(frame)

    listener = Picky()
    inbound.attach(listener, 0)
    for packet in packets(3):
        inbound.receive(packet)
    assert [frame.start for frame in listener.frames] == [320, 640]


async def test_a_loop_that_stood_still_is_no_silence_of_the_caller(inbound):
    listener = Listener()
    inbound.attach(listener, 0)
    loop = asyncio.get_running_loop()
    for packet in packets(2):
        inbound.receive(packet)
    time.sleep(0.5)  # noqa: ASYNC251 - the stall itself
    done = loop.create_future()
    # What waited in the socket is read after the overdue timer has fired.
    loop.call_later(0.001, lambda: [inbound.receive(p) for p in packets(25, first=2)] and done.set_result(None))
    await done
    assert len(listener.frames) == 27
    assert not any(frame.concealed for frame in listener.frames)


async def test_packets_and_losses_are_counted(inbound):
    def value(name: str) -> float:
        return metrics.REGISTRY.get_sample_value(f"openclaw_actors_{name}", {}) or 0.0

    lost, jitter = value("rtp_packets_lost_total"), value("rtp_jitter_seconds_count")
    inbound.attach(Listener(), 0)
    for packet in packets(100):
        if packet.sequence not in {50, 60, 61}:
            inbound.receive(RtpAudio(*[packet.sequence, packet.timestamp, packet.payload, packet.sequence * 0.02 + 9]))
    assert value("rtp_packets_lost_total") - lost == 3
    assert value("rtp_jitter_seconds_count") == jitter + 1


async def test_after_close_nothing_is_told(inbound):
    listener = Listener()
    inbound.attach(listener, 0)
    inbound.receive(packets(1)[0])
    inbound.close()
    inbound.receive(packets(1, first=1)[0])
    with pytest.raises(TimeoutError):
        await listener.until(lambda: len(listener.frames) > 1, 0.15)
