"""The Agent alone, with engines that hang, hurry, close slowly, or will not be cancelled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from openclaw_actors.actors.agent import TOKEN_STALL_S, Agent
from openclaw_actors.actors.loop_actor import LoopActor, stop
from openclaw_actors.actors.memory import Memory
from openclaw_actors.engines.protocols import EndCall
from openclaw_actors.errors import SlowEngineError
from openclaw_actors.messages import Ask, Down, Errand, Interrupt, Say
from openclaw_actors.settings import Settings
from openclaw_actors.settings.sections import Agent as AgentSettings

TIMEOUT_S = 5.0
SOON_S = 0.05


class Told:
    """What somebody was told, and when."""

    def __init__(self) -> None:
        self.all: list[tuple[float, Any]] = []

    def tell(self, message: Any) -> None:
        self.all.append((time.monotonic(), message))

    def texts(self, turn: int) -> list[str]:
        return [message.text for _, message in self.all if isinstance(message, Say) and message.turn == turn]


class Rig:
    """An Agent whose call and Tts only write down what they are told."""

    def __init__(self, reply: Callable[[int], AsyncIterator[Any]], settings: AgentSettings, deadline_s: float) -> None:
        self.call, self.tts, self.asked = Told(), Told(), 0

        def numbered(_request: Any) -> AsyncIterator[Any]:
            self.asked += 1
            return reply(self.asked)

        engine = SimpleNamespace(name="model", first_token_s=deadline_s, repeatable=True, reply=numbered)
        self.memory = Memory()
        context: Any = SimpleNamespace(
            call_id="call",
            caller_number="",
            system_prompt="",
            profile=SimpleNamespace(agent=""),
            tools=(),
            language="en",
            answered_at=time.monotonic(),
            settings=Settings(agent=settings),
            memory=self.memory,
            engines=SimpleNamespace(agent=engine),
            call=self.call,
            ports={"tts": self.tts},
        )
        self.ref = Agent.start(context, 1)

    async def ask(self, turn: int) -> None:
        self.ref.tell(Ask(turn, "What?", ()))
        await asyncio.sleep(0)

    async def interrupt(self, fence: int) -> None:
        self.memory.fence.turn = fence
        self.ref.tell(Interrupt(fence))
        await asyncio.sleep(0)

    async def until(self, found: Callable[[], Any], what: str) -> None:
        due = time.monotonic() + TIMEOUT_S
        while not found():
            assert time.monotonic() < due, f"never came: {what}"
            await asyncio.sleep(0.002)

    async def answered(self, turn: int) -> None:
        await self.until(lambda: any(m.last for _, m in self.tts.all if m.turn == turn), f"the end of turn {turn}")

    async def failure(self) -> BaseException | None:
        await self.until(lambda: any(isinstance(m, Down) for _, m in self.call.all), "its end")
        return next(m.reason for _, m in self.call.all if isinstance(m, Down))


@asynccontextmanager
async def rig(reply: Callable[[int], AsyncIterator[Any]], *, deadline_s: float = TIMEOUT_S, **settings: Any):
    LoopActor.live_here()
    made = Rig(reply, AgentSettings(**({"filler_after_s": 0.0} | settings)), deadline_s)
    try:
        yield made
    finally:
        await stop(made.ref)


async def test_what_was_interrupted_says_nothing_more_while_its_engine_closes():
    closing = asyncio.Event()

    async def reply(number: int) -> AsyncIterator[str]:
        if number > 1:
            yield "The second answer."
            return
        try:
            yield "The first "
            await asyncio.sleep(TIMEOUT_S)
        finally:
            closing.set()
            await asyncio.sleep(4 * TOKEN_STALL_S)

    async with rig(reply, filler_after_s=TOKEN_STALL_S, filler_again_s=TOKEN_STALL_S, fillers=("Hm.",)) as agent:
        await agent.ask(1)
        await asyncio.sleep(0)
        await agent.interrupt(2)
        before = agent.tts.texts(1)
        await agent.ask(2)
        await agent.answered(2)
        assert closing.is_set()
        await asyncio.sleep(3 * TOKEN_STALL_S)
        assert agent.tts.texts(1) == before
        assert agent.tts.texts(2) == ["The second answer.", ""]
        assert agent.memory.delivery.turn == 2


async def test_after_an_answer_nobody_minds_its_pauses():
    async def reply(_: int) -> AsyncIterator[str]:
        yield "Done."

    async with rig(reply, filler_after_s=TOKEN_STALL_S, filler_again_s=TOKEN_STALL_S, fillers=("Hm.",)) as agent:
        await agent.ask(1)
        await agent.answered(1)
        await asyncio.sleep(3 * TOKEN_STALL_S)
        assert agent.tts.texts(1) == ["Done.", ""]


async def test_an_engine_that_goes_on_when_it_is_cancelled_is_not_heard():
    async def reply(number: int) -> AsyncIterator[str]:
        for sentence in range(3):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(SOON_S)
            yield f"Answer {number}, sentence {sentence}. "

    async with rig(reply) as agent:
        await agent.ask(1)
        await asyncio.sleep(SOON_S / 2)
        await agent.interrupt(2)
        await asyncio.sleep(4 * SOON_S)
        assert agent.tts.all == []
        await agent.ask(2)
        await agent.answered(2)
        assert "Answer 2, sentence 2." in " ".join(agent.tts.texts(2))


@pytest.mark.parametrize("end", [None, ConnectionError("closed"), "too late."])
async def test_no_word_until_the_deadline_is_a_slow_engine_however_it_ends(end):
    async def reply(_: int) -> AsyncIterator[str]:
        try:
            await asyncio.sleep(TIMEOUT_S)
        except asyncio.CancelledError:
            if end is None:
                raise
            if isinstance(end, Exception):
                raise end from None
        yield end

    async with rig(reply, deadline_s=SOON_S) as agent:
        await agent.ask(1)
        assert isinstance(await agent.failure(), SlowEngineError)
        assert agent.tts.all == []


async def test_each_piece_gives_the_engine_its_time_anew():
    async def reply(_: int) -> AsyncIterator[str]:
        for word in ("One, ", "two, ", "three, ", "four."):
            await asyncio.sleep(0.2)
            yield word

    async with rig(reply, deadline_s=0.6) as agent:
        await agent.ask(1)
        await agent.answered(1)
        assert "".join(agent.tts.texts(1)).endswith("four.")


async def test_fillers_come_as_often_as_they_are_asked_for():
    enough = asyncio.Event()

    async def reply(_: int) -> AsyncIterator[str]:
        await enough.wait()
        yield "Done."

    async with rig(reply, filler_after_s=2 * TOKEN_STALL_S, filler_again_s=2 * TOKEN_STALL_S) as agent:
        began = time.monotonic()
        await agent.ask(1)
        await agent.until(lambda: len(agent.tts.all) == 3, "three fillers")
        enough.set()
        await agent.answered(1)
        times = [began, *(at for at, say in agent.tts.all if say.aside)]
        assert len(times) == 4
        assert all(later - at >= 2 * TOKEN_STALL_S - 0.01 for at, later in pairwise(times))


async def test_a_piece_begins_the_wait_for_a_filler_anew():
    async def reply(_: int) -> AsyncIterator[str]:
        for word in ("One ", "two ", "three ", "four."):
            await asyncio.sleep(TOKEN_STALL_S / 2)
            yield word

    async with rig(reply, filler_after_s=TOKEN_STALL_S, filler_again_s=TOKEN_STALL_S, fillers=("Hm.",)) as agent:
        await agent.ask(1)
        await agent.answered(1)
        assert not [say for _, say in agent.tts.all if say.aside]


async def test_what_stands_when_a_model_pauses_is_spoken_once():
    words = "Let me see, that is quite a long story."

    async def reply(_: int) -> AsyncIterator[str]:
        yield words[:-7]
        await asyncio.sleep(3.5 * TOKEN_STALL_S)
        yield words[-7:]

    async with rig(reply) as agent:
        await agent.ask(1)
        await agent.answered(1)
        assert " ".join(agent.tts.texts(1)).split() == [
            "Let",
            "me",
            "see,",
            "that",
            "is",
            "quite",
            "a",
            "long",
            "story.",
        ]
        assert len(agent.tts.texts(1)) > 2


async def test_an_answer_that_came_all_at_once_leaves_the_loop_its_turns():
    async def reply(_: int) -> AsyncIterator[str]:
        for number in range(2000):
            yield f"Sentence number {number} is here. "

    async with rig(reply) as agent:
        await agent.ask(1)
        turns = 0
        while not any(say.last for _, say in agent.tts.all):
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 20
        assert len(agent.tts.all) > 2000 / 2


async def test_an_errand_of_a_turn_that_was_interrupted_is_not_run():
    async def reply(_: int) -> AsyncIterator[Any]:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(TIMEOUT_S)
        yield EndCall()

    async with rig(reply) as agent:
        await agent.ask(1)
        await asyncio.sleep(0)
        await agent.interrupt(2)
        await asyncio.sleep(SOON_S)
        assert not [m for _, m in agent.call.all if isinstance(getattr(m, "body", None), Errand)]
