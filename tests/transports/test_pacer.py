"""One clock for the packets of all calls."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable

import pytest

from openclaw_actors.media.codecs import OPUS, PCMU
from openclaw_actors.transports.webrtc import pacer as pacer_module
from openclaw_actors.transports.webrtc.outbound import OutboundTrack
from openclaw_actors.transports.webrtc.pacer import PACKET_S, Pacer, loop_pacer


class Numbered:
    def __init__(self) -> None:
        self.count = 0

    def next_packet(self) -> bytes:
        self.count += 1
        return self.count.to_bytes(2, "big")


class Sent:
    """What a track has sent."""

    def __init__(self, codec=OPUS, source=None) -> None:
        self.track = OutboundTrack(codec)
        self.track.source = source
        self.packets: list[tuple[bytes, int]] = []

    def at(self, now: float) -> list[tuple[bytes, int]]:
        before = len(self.packets)
        self.track.send_due(now, lambda payload, timestamp: self.packets.append((payload, timestamp)))
        return self.packets[before:]


@pytest.mark.parametrize(("codec", "step"), [(OPUS, 960), (PCMU, 160)], ids=lambda v: getattr(v, "name", v))
def test_a_packet_is_due_each_20_ms_in_the_codecs_clock(codec, step):
    sent = Sent(codec)
    for slot in range(5):
        assert sent.at(1000 + slot * PACKET_S) == [(codec.silence, slot * step)]
        assert sent.at(1000 + slot * PACKET_S + 0.010) == [], "not yet"


def test_a_timer_that_fires_a_hair_early_sends_what_it_was_set_for():
    sent = Sent()
    sent.at(1000)
    assert len(sent.at(1000.0192)) == 1
    assert len(sent.at(1000.0392)) == 1


def test_a_short_delay_is_made_up_and_no_packet_is_left_out():
    sent = Sent(source=Numbered())
    sent.at(1000)
    assert [timestamp // 960 for _, timestamp in sent.at(1000.09)] == [1, 2, 3, 4]


def test_after_a_stall_time_is_skipped_and_no_word_of_the_voice():
    sent = Sent(source=Numbered())
    for slot in range(10):
        sent.at(1000 + slot * PACKET_S)
    after = sent.at(1001.2)
    assert after == [((11).to_bytes(2, "big"), 60 * 960)], "the voice goes on where it was, at the present's time"


async def test_members_are_called_every_20_ms_and_share_a_few_timers():
    pacer, calls = Pacer(), Counter()
    members = [lambda _, number=number: calls.update([number]) for number in range(40)]
    for member in members:
        pacer.add(member)
    assert set(calls.values()) == {1}, "at once"
    assert sum(group._timer is not None for group in pacer._groups) == 4
    assert {len(group.members) for group in pacer._groups} == {10}
    enough = asyncio.Event()
    pacer.add(lambda _: enough.set() if min(calls.values()) >= 20 else None)
    async with asyncio.timeout(10):
        await enough.wait()
    for group in pacer._groups:
        counts = [calls[members.index(member)] for member in group.members if member in members]
        assert max(counts) - min(counts) <= 1, "none is called more often than its neighbours"
    for group in pacer._groups:
        for member in tuple(group.members):
            pacer.remove(member)
    assert all(group._timer is None for group in pacer._groups), "no member, no timer"


class Hand:
    """A clock and a loop that a test moves; timers fire late by as much as it says."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timer: tuple[float, Callable[[], None]] | None = None

    def monotonic(self) -> float:
        return self.now

    def get_running_loop(self) -> Hand:
        return self

    def call_later(self, delay: float, call: Callable[[], None]) -> Hand:
        self._timer = (self.now + delay, call)
        return self

    def cancel(self) -> None:
        self._timer = None

    def fire(self, late: float) -> None:
        assert self._timer is not None
        due, call = self._timer
        self.now = due + late
        call()


@pytest.mark.parametrize("joined", [0, 1, 3, 9, 15, 16.9, 17.2, 17.5, 18, 19.9])
def test_whenever_a_call_begins_each_firing_sends_one_packet(monkeypatch, joined):
    """Not none and then two: the caller's jitter buffer would grow by what our own clock disturbs."""
    hand = Hand()
    monkeypatch.setattr(pacer_module, "time", hand)
    monkeypatch.setattr(pacer_module, "asyncio", hand)
    group, sent = pacer_module._Group(0.0), Sent()
    group.add(lambda _: None)
    hand.now += joined / 1000
    group.add(sent.at)
    assert len(sent.packets) == 1, "at once"
    for late in [0.004, 0, 0.001, 0.003, -0.0005, 0.0015] * 5:
        before = len(sent.packets)
        hand.fire(late)
        assert len(sent.packets) - before == 1


async def test_a_member_that_fails_silences_no_other():
    pacer, heard = Pacer(), asyncio.Event()
    fails = []

    def broken(now: float) -> None:
        fails.append(now)
        raise RuntimeError("no")

    def well(now: float) -> None:
        if fails and now > fails[0] + 2 * PACKET_S:
            heard.set()

    for tick in (well, well.__call__, *[lambda _: None] * 2, broken):
        pacer.add(tick)
    pacer.add(well)
    async with asyncio.timeout(10):
        await heard.wait()
    assert len(fails) == 1, "it is left out from then on"
    for group in pacer._groups:
        for member in tuple(group.members):
            pacer.remove(member)


async def test_a_loop_has_one_pacer_which_goes_with_it():
    assert loop_pacer() is loop_pacer()
    gc.collect()
    assert loop_pacer()._groups
