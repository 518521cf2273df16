"""Packets are encoded when somebody comes to them, once, in order, and whatever happens to one."""

from __future__ import annotations

import asyncio
from weakref import finalize

import pytest

from openclaw_actors.media.packets import DuePackets, PacketQueue, PacketRun, encoded, joined

SILENCE = b"-"


class Letters:
    """An encoder that upper-cases letters, and remembers which."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.refuses = b""

    def __call__(self, pcm: bytes) -> bytes:
        self.heard.append(pcm)
        if pcm == self.refuses:
            raise ValueError("libopus error -1")
        return pcm.upper()


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
def run(letters) -> PacketRun:
    return PacketRun(letters, 2, SILENCE)


def taken(queue: PacketQueue) -> list[bytes]:
    return [queue.popleft() for _ in range(len(queue))]


def test_a_packet_is_encoded_when_it_is_looked_at_and_not_before(run, letters):
    packets = run.push(b"aabbcc")
    assert (len(packets), bool(packets), letters.heard) == (3, True, [])
    assert packets[0] == b"AA"
    assert letters.heard == [b"aa"]


def test_what_lies_before_it_is_encoded_first(run, letters):
    assert run.push(b"aabbcc")[2] == b"CC"
    assert letters.heard == [b"aa", b"bb", b"cc"]


def test_two_who_come_to_it_share_it(run, letters):
    packets = run.push(b"aabb")
    assert list(packets) == list(packets[:]) == [b"AA", b"BB"]
    assert letters.heard == [b"aa", b"bb"]


def test_a_run_grows_and_its_pieces_are_one_again(run, letters):
    first, second, third = run.push(b"aabb"), run.push(b""), run.push(b"cc")
    whole = joined([first, second, third])
    assert isinstance(whole, DuePackets)
    assert (len(whole), letters.heard) == (3, [])
    assert tuple(whole) == (b"AA", b"BB", b"CC")


@pytest.mark.parametrize("other", [(b"x",), [b"x"]], ids=["ready", "a list"])
def test_pieces_of_two_runs_are_joined_too(run, other):
    assert joined([run.push(b"aa"), other]) == (b"AA", b"x")
    assert joined([(), other, run.push(b"bb")]) == (b"x", b"BB")
    own, strange = run.push(b"cc"), PacketRun(bytes.lower, 2, SILENCE).push(b"DD")
    assert joined([own, strange]) == (b"CC", b"dd")
    assert joined([run.push(b"ee"), own]) == (b"EE", b"CC"), "out of order"
    assert joined([]) == ()


def test_a_part_can_be_cut_off(run, letters):
    packets = run.push(b"aabbccdd")
    assert len(packets[1:]) == 3
    assert len(packets[:0]) == 0
    assert letters.heard == []
    assert tuple(packets[2:]) == (b"CC", b"DD")


def test_packets_are_equal_when_all_of_them_are(run):
    packets = run.push(b"aabb")
    assert packets == (b"AA", b"BB")
    assert hash(packets) == hash((b"AA", b"BB"))
    assert packets != (b"AA",)
    assert packets != "AABB"


def test_silence_takes_the_place_of_what_can_not_be_encoded(run, letters):
    """Who asks is the clock of all calls: one call's fault must not become theirs."""
    letters.refuses = b"bb"
    assert tuple(run.push(b"aabbcc")) == (b"AA", SILENCE, b"CC")
    assert letters.heard == [b"aa", b"bb", b"cc"], "each is tried once"


def test_the_encoder_is_let_go_of_with_the_last_packet():
    gone: list[bool] = []
    letters = Letters()
    finalize(letters, gone.append, True)
    run = PacketRun(letters, 2, SILENCE)
    packets = run.push(b"aabb")
    del letters
    assert tuple(packets) == (b"AA", b"BB")
    more = run.push(b"cc")
    run.end()
    assert not gone
    assert more[0] == b"CC"
    assert gone
    assert tuple(packets) == (b"AA", b"BB")


def test_there_is_no_packet_where_there_is_no_sound(run):
    packets = run.push(b"aa")
    with pytest.raises(IndexError):
        packets[1]


async def test_all_can_be_encoded_while_the_loop_goes_on(run, letters):
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(beat())
    packets = run.push(b"aa" * 100)
    assert await encoded(packets) == (b"AA",) * 100
    other.cancel()
    assert beats >= 3
    assert len(letters.heard) == 100
    assert await encoded(()) == ()


def test_a_queue_gives_packets_in_the_order_in_which_they_came(run, letters):
    queue = PacketQueue()
    queue.extend(run.push(b"aabb"))
    queue.extend(())
    queue.extend((b"x", b"y"))
    assert (len(queue), letters.heard) == (4, [])
    assert taken(queue) == [b"AA", b"BB", b"x", b"y"]
    assert not queue
    with pytest.raises(IndexError):
        queue.popleft()


def test_what_is_taken_back_comes_first_again(run):
    queue = PacketQueue()
    queue.extend(run.push(b"aabbcc"))
    sent = [queue.popleft() for _ in range(2)]
    for packet in reversed(sent):
        queue.appendleft(packet)
    assert len(queue) == 3
    assert taken(queue) == [b"AA", b"BB", b"CC"]
