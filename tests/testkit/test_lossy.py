"""The lossy link is as bad as it is told to be, the same for the same seed, and real calls live on it."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.lossy import PERFECT, Impairer, Impairment, LossyLink, is_media
from openclaw_actors.testkit.speakers import silence, tone
from tests.testkit.clockwork_host import ClockworkHost


def fates(impairment: Impairment, seed: int, count: int = 20_000) -> list[list[float]]:
    impairer = Impairer(impairment, random.Random(seed))
    return [impairer.fate(n * 0.02) for n in range(count)]


@settings(deadline=None, max_examples=20)
@given(loss=st.floats(0.01, 0.4), burst=st.floats(1, 6), seed=st.integers(0, 1000))
def test_in_the_long_run_the_asked_share_is_lost(loss, burst, seed):
    lost = sum(not times for times in fates(Impairment(loss=loss, burst=burst), seed))
    # 20,000 draws whose bursts make them dependent: four standard deviations.
    assert lost / 20_000 == pytest.approx(loss, abs=4 * (loss * (1 - loss) * 2 * burst / 20_000) ** 0.5)


def test_bursts_have_the_asked_mean_length():
    pattern = "".join("x" if not times else "." for times in fates(Impairment(loss=0.1, burst=4), 3))
    runs = [len(run) for run in pattern.split(".") if run]
    assert sum(runs) / len(runs) == pytest.approx(4, abs=0.4)


def test_independent_losses_come_in_a_row_as_often_as_chance_has_it():
    pattern = "".join("x" if not times else "." for times in fates(Impairment(loss=0.2), 3))
    runs = [len(run) for run in pattern.split(".") if run]
    assert sum(runs) / len(runs) == pytest.approx(1 / (1 - 0.2), abs=0.03)


def test_a_line_that_changes_lets_nothing_be_overtaken():
    impairer = Impairer(Impairment(delay_s=0.2), random.Random(1))
    (slow,) = impairer.fate(1.0)
    impairer.become(PERFECT)
    (fast,) = impairer.fate(1.02)
    assert fast >= slow


@settings(deadline=None, max_examples=20)
@given(delay=st.floats(0, 0.2), jitter=st.floats(0, 0.1), seed=st.integers(0, 1000))
def test_delay_and_jitter_stay_within_their_bounds_and_keep_the_order(delay, jitter, seed):
    arrivals = fates(Impairment(delay_s=delay, jitter_s=jitter), seed, 500)
    times = [at for (at,) in arrivals]
    assert times == sorted(times)
    assert all(delay - 1e-9 <= at - n * 0.02 <= delay + jitter + 1e-9 for n, at in enumerate(times))


def test_the_same_seed_is_the_same_network_and_another_seed_another():
    bad = Impairment(loss=0.1, burst=2, jitter_s=0.03, duplicate=0.05, reorder=0.05)
    assert fates(bad, 1, 500) == fates(bad, 1, 500)
    assert fates(bad, 1, 500) != fates(bad, 2, 500)


def test_duplicates_come_twice_and_the_reordered_after_their_successor():
    doubled = fates(Impairment(duplicate=0.2), 5, 5_000)
    assert sum(len(times) == 2 for times in doubled) / 5_000 == pytest.approx(0.2, abs=0.03)
    held = fates(Impairment(reorder=0.1), 5, 5_000)
    late = sum(a[0] > b[0] for a, b in pairwise(held))
    assert late / 5_000 == pytest.approx(0.1 * 0.9, abs=0.02)
    assert fates(PERFECT, 5, 10) == [[n * 0.02] for n in range(10)]


async def test_the_nth_media_packet_meets_the_same_fate_whatever_else_is_sent():
    def media(number: int) -> bytes:
        return bytes((0x80, 111)) + number.to_bytes(2, "big")

    async def arrived(others: int) -> list[bytes]:
        link = LossyLink(Impairment(loss=0.3, burst=2), seed=4)
        sink = Sink()
        for number in range(300):
            for _ in range(others):
                link.send(sink, bytes((0x80, 200)), ("127.0.0.1", 9))  # RTCP
            link.send(sink, media(number), ("127.0.0.1", 9))
        assert link.media_sent == 300
        assert 0 < link.media_dropped == 300 - sum(is_media(data) for data in sink.got)
        return [data for data in sink.got if is_media(data)]

    assert await arrived(0) == await arrived(3)


class Sink(asyncio.DatagramTransport):
    """A socket that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[bytes] = []

    def sendto(self, data, addr=None):
        self.got.append(data)

    def is_closing(self):
        return False


@pytest.mark.parametrize("bad", [Impairment(loss=1.0), Impairment(loss=-0.1), Impairment(burst=0.5)])
def test_an_impossible_line_is_refused(bad):
    with pytest.raises(ValueError, match="loss must"):
        Impairer(bad, random.Random(1))


async def test_a_call_on_a_bad_line_still_gets_its_answer_and_counts_what_it_lost():
    link = LossyLink(inbound=Impairment(loss=0.1, jitter_s=0.02), outbound=Impairment(loss=0.05), seed=11)
    async with ClockworkHost(answer_s=0.3) as host, Caller(host.url, prepare=link.attach) as caller:
        await caller.ask(tone(0.5))
        await caller.say(silence(1.5))
        heard = caller.heard
        assert heard.lost_packets / (heard.lost_packets + heard.packets) == pytest.approx(0.1, abs=0.09)
        assert link.dropped > 0


async def test_nothing_passes_in_a_blackout_and_the_call_goes_on_after_it():
    link = LossyLink()
    async with ClockworkHost(answer_s=0.2) as host, Caller(host.url, prepare=link.attach) as caller:
        await caller.say(silence(0.2))
        with link.blackout():
            await asyncio.sleep(0.1)  # what is on its way arrives
            packets = caller.heard.packets
            await caller.say(silence(0.5))
            assert caller.heard.packets == packets
        answer = await caller.ask(tone(0.4))
        assert answer.latency_s < 0.4
        assert caller.heard.longest_gap_s > 0.5
