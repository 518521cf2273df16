"""What an agent must hold, one coroutine a promise. Each raises ConformanceError, or what the engine raises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from openclaw_actors.engines.protocols import AgentEngine, AgentRequest
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.messages import Line
from openclaw_actors.testkit.conformance.bench import MOMENTS, TEXTS, Bench, is_text, require

AgentBench = Bench[AgentEngine]

QUESTION = "What time is it?"
_AT_ONCE = 4
_LONG = "I would like to tell you a long story about the weather. " * 200
"""11,000 characters: a caller who talks for a quarter of an hour."""


def request(text: str = QUESTION, history: tuple[Line, ...] = (), call_id: str = "call_conformance") -> AgentRequest:
    """One thing to answer."""
    return AgentRequest(call_id, "+15555550123", text, history, "You are on a voice call. Be brief.", 1.0)


async def opens_and_closes(bench: AgentBench) -> None:
    """Opened twice, closed twice, and opened again after that, it answers."""
    async with bench.engine() as engine:
        require(is_text(engine.name), "it has no name")
        for flag in ("speculative", "repeatable"):
            require(isinstance(getattr(engine, flag), bool), f"{flag} is {getattr(engine, flag)!r}")
        require(engine.first_token_s >= 0, f"first_token_s is {engine.first_token_s!r}")
        await bench.within(engine.open(), "a second open, as a probe")
        await bench.warm(engine)
        await _answers(bench, engine)
        await bench.within(engine.aclose(), "aclose")
        await bench.failing(_text(engine, request()), "an answer after aclose")
        await bench.within(engine.aclose(), "aclose")
        await bench.within(engine.open(), "open after aclose")
        await _answers(bench, engine)


async def closes_unopened(bench: AgentBench) -> None:
    """One that was never opened can be closed."""
    await bench.within(bench.make().aclose(), "aclose without open")


async def answers_anything(bench: AgentBench) -> None:
    """Any script, a long story, a long conversation, one that was cut, one without a number."""
    past = tuple(Line("user" if n % 2 == 0 else "agent", f"Line {n}.", cut=n % 5 == 0) for n in range(60))
    cut = AgentRequest("call_cut", "", QUESTION, past[:2], "", 0.0, unfinished="It is half past")
    async with bench.engine() as engine:
        for what, text in TEXTS.items():
            await bench.within(_text(engine, request(text, (Line("agent", text), Line("user", text)))), what)
        await bench.failing(_text(engine, request(_LONG)), "a long story")
        await bench.within(_text(engine, request(history=past)), "a long conversation")
        await bench.within(_text(engine, cut), "an answer that goes on where one broke off")
        await _answers(bench, engine)


async def serves_many(bench: AgentBench) -> None:
    """Several calls at once are answered."""
    async with bench.engine() as engine:
        work = [_text(engine, request(call_id=f"call_{number}")) for number in range(_AT_ONCE)]
        for text in await bench.within(asyncio.gather(*work), f"{_AT_ONCE} at once"):
            require(text.strip(), "beside others it gives no answer")


async def can_be_closed_at_any_moment(bench: AgentBench) -> None:
    """Its answers are: before the first word, after it, in the middle; cancelled or closed; and it answers the next."""
    async with bench.engine() as engine:
        for turns in MOMENTS:
            await bench.cancelled(lambda: _text(engine, request()), turns, "an answer")
        for words in range(4):
            await bench.within(_begin(engine, words), f"an answer that is closed after {words} pieces")
        await _answers(bench, engine)


async def closes_in_mid_work(bench: AgentBench) -> None:
    """Closed while it answers, whoever listens learns it."""
    async with bench.engine() as engine:
        await _answers(bench, engine)
        task = asyncio.create_task(_text(engine, request()))
        await asyncio.sleep(0)
        await bench.within(engine.aclose(), "aclose in the middle of an answer")
        await bench.within(asyncio.wait({task}), "an answer whose engine was closed")
        if not task.cancelled() and (error := task.exception()) is not None:
            require(isinstance(error, EngineError), f"closed in mid-work it raises {type(error).__name__}: {error}")


# --- with a server ------------------------------------------------------------------------------------------------


async def gives_up_a_server_that_hangs(bench: AgentBench) -> None:
    """What is cancelled while the server says nothing ends at once, and the next question is answered."""
    bench.faults.must_offer("hang")
    async with bench.engine() as engine:
        await bench.faults.hang()
        task = asyncio.create_task(_text(engine, request()))
        await asyncio.sleep(0.1)
        require(not task.done(), "a server that does not answer is answered for")
        task.cancel()
        await bench.within(asyncio.wait({task}), "a cancelled answer")
        await _answers(bench, engine)


async def tells_faults_apart(bench: AgentBench, fault: str) -> None:
    """Each fault of the server is an EngineError of the right kind, and the next question is answered."""
    bench.faults.must_offer(fault)
    passing = (TransientEngineError, BrokenEngineError)
    order, kinds = {
        "fail": (bench.faults.fail, passing),
        "refuse": (bench.faults.refuse, (RefusedEngineError,)),
        "garbage": (bench.faults.garbage, passing),
        "empty": (bench.faults.empty, passing),
        "drop": (bench.faults.drop, passing),
    }[fault]
    async with bench.engine() as engine:
        await order()
        await bench.must_fail(_text(engine, request()), fault, *kinds)
        await _answers(bench, engine)


async def comes_back(bench: AgentBench) -> None:
    """While the server is away that is told; when it is back, so are the answers."""
    bench.faults.must_offer("stop", "start")
    async with bench.engine(tidy=False) as engine:
        await _answers(bench, engine)
        await bench.faults.stop()
        away = (TransientEngineError, UnavailableEngineError)
        await bench.must_fail(_text(engine, request()), "an answer without a server", *away)
        await bench.must_fail(engine.open(), "open without a server", *away)
        await bench.faults.start()
        await bench.within(engine.open(), "open when the server is back")
        await _answers(bench, engine)


async def passes_text_on(bench: AgentBench) -> None:
    """Answers of any script come as they were sent."""
    bench.faults.must_offer("answer")
    async with bench.engine() as engine:
        for what, text in TEXTS.items():
            await bench.faults.answer(text)
            came = await bench.within(_text(engine, request()), what)
            require(came.strip() == text, f"{what}: {text!r} came as {came!r}")


async def _answers(bench: AgentBench, engine: AgentEngine) -> None:
    require((await bench.within(_text(engine, request()), "an answer")).strip(), "it gives no answer")


async def _text(engine: AgentEngine, asked: AgentRequest) -> str:
    async with aclosing(_pieces(engine, asked)) as pieces:
        return "".join([piece async for piece in pieces if isinstance(piece, str)])


async def _begin(engine: AgentEngine, words: int) -> None:
    async with aclosing(_pieces(engine, request())) as pieces:
        for _ in range(words):
            if await anext(pieces, None) is None:
                return


def _pieces(engine: AgentEngine, asked: AgentRequest) -> Any:
    """The protocol promises an iterator; that it can be closed is what it says of cancelling."""
    pieces: AsyncIterator[object] = engine.reply(asked)
    require(hasattr(pieces, "aclose"), "what reply gives can't be closed: make it an async generator")
    return pieces
