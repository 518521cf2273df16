"""The clock of the host's voice."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from openclaw_actors.media.codecs import OPUS, PCMU
from openclaw_actors.observability import metrics
from openclaw_actors.transports.webrtc.outbound import OutboundTrack


class Clock:
    """Time that passes when it is slept, and when the test says so; sleeping takes a little too long."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.oversleeps = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self.oversleeps


class Numbered:
    def __init__(self) -> None:
        self.count = 0

    def next_packet(self) -> bytes:
        self.count += 1
        return self.count.to_bytes(2, "big")


def track(clock: Clock, codec=OPUS) -> OutboundTrack:
    return OutboundTrack(codec, clock=clock, sleep=clock.sleep)


async def test_a_packet_leaves_each_20_ms_and_oversleeping_does_not_add_up():
    clock = Clock()
    clock.oversleeps = 0.003
    outbound = track(clock)
    outbound.source = Numbered()
    left = []
    for _ in range(500):
        packet = await outbound.recv()
        left.append((clock.now, packet.pts, bytes(packet)))
    assert [pts for _, pts, _ in left] == [960 * i for i in range(500)]
    assert left[-1][0] == pytest.approx(1000 + 499 * 0.02 + 0.003)
    assert left[-1][2] == (500).to_bytes(2, "big")


@pytest.mark.parametrize(("codec", "step"), [(OPUS, 960), (PCMU, 160)], ids=lambda v: getattr(v, "name", v))
async def test_timestamps_count_in_the_codecs_clock(codec, step):
    outbound = track(Clock(), codec)
    first, second = [await outbound.recv() for _ in range(2)]
    assert second.pts - first.pts == step
    assert second.time_base == Fraction(1, codec.clock_rate)
    assert bytes(first) == codec.silence


async def test_a_short_delay_is_made_up():
    clock = Clock()
    outbound = track(clock)
    await outbound.recv()
    clock.now += 0.09
    packets = [await outbound.recv() for _ in range(6)]
    assert [p.pts // 960 for p in packets] == [1, 2, 3, 4, 5, 6]
    assert clock.now == pytest.approx(1000 + 6 * 0.02)


async def test_after_a_stall_time_is_skipped_and_no_word_of_the_voice():
    clock = Clock()
    outbound = track(clock)
    outbound.source = source = Numbered()
    for _ in range(10):
        await outbound.recv()
    clock.now += 1.0
    after = [await outbound.recv() for _ in range(10)]
    assert after[0].pts // 960 == 59, "the packet of the present, not that of a second ago"
    assert [b.pts - a.pts for a, b in pairwise(after)] == [960] * 9
    assert bytes(after[0]) == (11).to_bytes(2, "big"), "the voice goes on where it was"
    assert source.count == 20
    assert clock.now == pytest.approx(1000 + 68 * 0.02), "no burst"


async def test_a_source_that_fails_or_is_gone_is_silence_and_never_an_end():
    class Broken:
        def next_packet(self) -> bytes:
            raise RuntimeError("no")

    outbound = track(Clock())
    assert bytes(await outbound.recv()) == OPUS.silence
    for source in (Broken(), None, Broken(), object()):
        outbound.source = source
        assert bytes(await outbound.recv()) == OPUS.silence
    outbound.source = Numbered()
    assert bytes(await outbound.recv()) == b"\x00\x01"


async def test_lag_is_observed_for_one_packet_in_sixteen_and_each_is_counted_by_the_end():
    def value(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(f"openclaw_actors_{name}", labels) or 0.0

    count, lag = value("pacing_lag_seconds_count"), value("pacing_lag_seconds_sum")
    sent = value("rtp_packets_total", direction="outbound")
    clock = Clock()
    clock.oversleeps = 0.005
    outbound = track(clock)
    for _ in range(161):
        await outbound.recv()
    assert value("pacing_lag_seconds_count") - count == 11
    assert value("pacing_lag_seconds_sum") - lag == pytest.approx(0.05, abs=0.001)
    outbound.stop()
    assert value("rtp_packets_total", direction="outbound") - sent == 161
