"""Pieces of a caller's sound that a busy host hands on together: which, when, and that none is lost or held long."""

from __future__ import annotations

import asyncio

import pytest

from openclaw_actors.observability.loop_load import LoopLoad
from openclaw_actors.transports.media_streams.coalescing import Coalescer, Moderation

PIECE = 160


class Clocks:
    """Time, and how much of it was computed."""

    def __init__(self) -> None:
        self.now = self.computed = 100.0

    def pass_by(self, seconds: float, *, busy: float) -> None:
        self.now += seconds
        self.computed += busy * seconds


class Rig:
    def __init__(self) -> None:
        self.clocks = Clocks()
        self.moderation = Moderation(LoopLoad(lambda: self.clocks.now, lambda: self.clocks.computed))
        self.told: list[tuple[int, bytes, int]] = []
        self.came_at: list[float] = []
        self.coalescer = Coalescer(self.moderation, self.hear, lambda: self.clocks.now)
        self.pieces = 0

    def hear(self, at: int, payload: bytes, pieces: int, came_at: float) -> None:
        self.told.append((at, payload, pieces))
        self.came_at.append(came_at)

    def work_hard(self, looks: int) -> None:
        for _ in range(looks):
            self.clocks.pass_by(0.5, busy=0.95)
            self.moderation.wanted(self.clocks.now)

    def take(self, count: int, *, adjoins: bool = True) -> None:
        for _ in range(count):
            payload = bytes([self.pieces]) * PIECE
            self.coalescer.take(PIECE * self.pieces, payload, self.clocks.now, adjoins=adjoins)
            self.pieces += 1
            self.clocks.pass_by(0.02, busy=0.6)

    def shapes(self) -> list[tuple[int, int]]:
        """Where each began, in pieces, and of how many it was made."""
        assert all(len(payload) == PIECE * pieces for _, payload, pieces in self.told)
        return [(at // PIECE, pieces) for at, _, pieces in self.told]


@pytest.fixture
def rig():
    return Rig()


def test_while_there_is_time_each_piece_goes_on_at_once(rig):
    for _ in range(3):
        rig.take(1)
        assert len(rig.told) == rig.pieces


@pytest.mark.parametrize(("busy", "pieces"), [(0.55, 1), (0.65, 2), (0.75, 3), (0.85, 4)])
def test_the_busier_a_loop_is_the_more_is_handed_on_at_a_time(rig, busy, pieces):
    for _ in range(9):
        rig.clocks.pass_by(0.5, busy=busy)
        wanted = rig.moderation.wanted(rig.clocks.now)
    assert wanted == pieces * PIECE


@pytest.mark.parametrize(("busy", "pieces"), [(0.7, 4), (0.6, 3), (0.5, 2), (0.4, 1)])
def test_with_time_to_spare_less_is_handed_on_at_a_time(rig, busy, pieces):
    rig.work_hard(9)
    for _ in range(9):
        rig.clocks.pass_by(0.5, busy=busy)
        wanted = rig.moderation.wanted(rig.clocks.now)
    assert wanted == pieces * PIECE


async def test_pieces_that_adjoin_become_one_and_keep_their_order(rig):
    rig.work_hard(2)
    rig.take(7)
    assert rig.shapes() == [(0, 3), (3, 3)]
    rig.coalescer.close()
    assert rig.shapes() == [(0, 3), (3, 3), (6, 1)]
    assert b"".join(payload for _, payload, _ in rig.told) == b"".join(bytes([n]) * PIECE for n in range(7))


async def test_nothing_is_joined_over_a_gap(rig):
    rig.work_hard(2)
    rig.take(2)
    rig.take(1, adjoins=False)
    rig.take(2)
    assert rig.shapes() == [(0, 2), (2, 3)]


async def test_what_is_held_goes_on_when_the_loop_has_time_again(rig):
    rig.work_hard(2)
    rig.take(1)
    rig.clocks.pass_by(0.5, busy=0.1)
    rig.clocks.pass_by(0.5, busy=0.1)
    rig.take(1)
    rig.clocks.pass_by(0.5, busy=0.1)
    rig.take(2)
    assert rig.shapes() == [(0, 2), (2, 1), (3, 1)]


async def test_a_piece_that_nothing_follows_goes_on_without_company(rig):
    rig.work_hard(2)
    came_at = rig.clocks.now
    rig.take(1)
    async with asyncio.timeout(5):
        while not rig.told:
            rig.clocks.pass_by(0.05, busy=0.5)
            await asyncio.sleep(0.05)
    assert rig.shapes() == [(0, 1)]
    assert rig.came_at == [came_at]


async def test_a_piece_that_is_long_enough_by_itself_is_not_held(rig):
    rig.work_hard(2)
    rig.coalescer.take(0, bytes(800), rig.clocks.now, adjoins=True)
    assert rig.told == [(0, bytes(800), 1)]
