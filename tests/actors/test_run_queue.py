"""Which actors' mail goes first, and that it leaves the loop its turns."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import Any, NamedTuple

import pykka
import pytest

from openclaw_actors.actors.loop_actor import LoopActor, kill

TIMEOUT = 5


@pytest.fixture(autouse=True)
async def _loop_hosts_actors():
    LoopActor.live_here()
    yield
    for ref in pykka.ActorRegistry.get_all():
        kill(ref, TimeoutError("the test is over"))
    assert pykka.ActorRegistry.get_all() == []


class Sound(NamedTuple):
    """Of which there is much."""

    number: int


class Hearer(LoopActor):
    """Writes down what it handles, in a list that all share."""

    patient = frozenset({Sound})

    def __init__(self, seen: list[Any], name: str = "") -> None:
        super().__init__()
        self.seen = seen
        self.name = name

    def on_receive(self, message: Any) -> Any:
        self.seen.append((self.name, message))


def hearers(names: str) -> tuple[list[Any], list[pykka.ActorRef[Any]]]:
    seen: list[Any] = []
    return seen, [Hearer.start(seen, name) for name in names]


async def test_urgent_mail_goes_before_the_patient_mail_of_others():
    seen, (a, b, c) = hearers("abc")
    a.tell(Sound(1))
    b.tell(Sound(1))
    c.tell("stop")
    await asyncio.sleep(0)
    assert seen == [("c", "stop"), ("a", Sound(1)), ("b", Sound(1))]


async def test_an_actors_own_mail_keeps_its_order_and_is_handled_once():
    seen, (a, b) = hearers("ab")
    a.tell(Sound(1))
    b.tell(Sound(1))
    b.tell("stop")
    b.tell(Sound(2))
    await asyncio.sleep(0)
    assert seen == [("b", Sound(1)), ("b", "stop"), ("b", Sound(2)), ("a", Sound(1))]


async def test_an_actor_with_much_mail_stays_urgent_until_that_is_handled():
    """More than one actor handles at a time lies before it."""
    seen, (a, b) = hearers("ab")
    a.tell(Sound(1))
    for number in range(10):
        b.tell(Sound(number))
    b.tell("stop")
    b.tell(Sound(10))
    await asyncio.sleep(0)
    assert [name for name, _ in seen] == ["b"] * 12 + ["a"]


async def test_what_is_told_within_a_slice_is_urgent_too():
    seen, (a, b) = hearers("ab")
    c = Hearer.start(seen, "c")
    c._actor_weakref().on_receive = lambda _: b.tell("on")
    a.tell(Sound(1))
    c.tell("go")
    await asyncio.sleep(0)
    assert seen == [("b", "on"), ("a", Sound(1))]


async def test_mail_from_another_thread_is_as_urgent():
    seen, (a, b) = hearers("ab")
    thread = threading.Thread(target=lambda: (a.tell(Sound(1)), b.tell("stop")))
    thread.start()
    thread.join(TIMEOUT)
    for _ in range(3):
        await asyncio.sleep(0)
    assert seen == [("b", "stop"), ("a", Sound(1))]


async def test_patient_mail_is_handled_however_much_is_urgent():
    """Two that tell each other for ever leave no slice to anybody."""
    seen, (patient,) = hearers("p")
    rally: list[Any] = []
    one, other = Hearer.start(rally), Hearer.start(rally)
    one._actor_weakref().on_receive = lambda _: other.tell("back")
    other._actor_weakref().on_receive = lambda _: one.tell("forth")
    one.tell("go")
    for number in range(20):
        patient.tell(Sound(number))
    for _ in range(20):
        await asyncio.sleep(0)
    assert [message.number for _, message in seen] == list(range(20))


async def test_actors_whose_mail_is_of_both_kinds_do_not_hold_up_patient_mail():
    """Each of them has been served, as one with urgent mail, when it is its turn among the patient."""
    seen, (patient,) = hearers("p")
    mixed = [Hearer.start([]) for _ in range(10)]

    def again(ref: pykka.ActorRef[Any]) -> None:
        ref.tell(Sound(0))
        ref.tell("on")

    for ref in mixed:
        ref._actor_weakref().on_receive = lambda message, ref=ref: again(ref) if message == "on" else None
        again(ref)
    for number in range(20):
        patient.tell(Sound(number))
    for _ in range(60):
        await asyncio.sleep(0)
    assert len(seen) == 20
    assert len(patient._actor_weakref()._life_queue._patient) <= len(mixed)


async def test_mail_that_came_before_its_actor_was_there_is_as_urgent_as_any():
    class Eager(Hearer):
        def on_start(self) -> None:
            self.actor_ref.tell("first")

    seen: list[Any] = []
    a = Hearer.start(seen, "a")
    a.tell(Sound(1))
    Eager.start(seen, "e")
    await asyncio.sleep(0)
    assert seen == [("e", "first"), ("a", Sound(1))]


class Slow(LoopActor):
    """Works for a millisecond on each message."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = 0

    def on_receive(self, message: Any) -> Any:
        until = time.monotonic() + 0.001
        while time.monotonic() < until:
            pass
        self.handled += 1


def slow(messages: int) -> list[pykka.ActorRef[Any]]:
    """Ten slow actors, each with so many messages."""
    refs = [Slow.start() for _ in range(10)]
    for _, ref in itertools.product(range(messages), refs):
        ref.tell("work")
    return refs


async def test_a_long_mailbox_leaves_the_loop_its_turns():
    seen, (a,) = hearers("a")
    for number in range(1000):
        a.tell(number)
    turns = 0
    async with asyncio.timeout(TIMEOUT):
        while len(seen) < 1000:
            turns += 1
            await asyncio.sleep(0)
    assert turns >= 1000 / 32 - 1


async def test_slow_messages_of_many_actors_leave_the_loop_its_turns():
    actors = [ref._actor_weakref() for ref in slow(10)]
    turns = 0
    async with asyncio.timeout(TIMEOUT):
        while any(actor.handled < 10 for actor in actors):
            turns += 1
            await asyncio.sleep(0)
    assert turns >= 10 * 10 / 5


async def test_a_loop_with_much_else_to_do_does_as_much_for_mail():
    """6 ms of other work a turn, and 100 ms of mail: by slices of 1 ms, 4 messages each, that would take 25 turns."""
    loop, turns, over = asyncio.get_running_loop(), 0, False

    def work() -> None:
        nonlocal turns
        if over:
            return
        turns += 1
        until = time.monotonic() + 0.006
        while time.monotonic() < until:
            pass
        loop.call_soon(work)

    refs = slow(10)
    loop.call_soon(work)
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*(ref.ask("end", block=False) for ref in refs))
    over = True
    assert turns < 21
