"""What a recogniser must hold that hears while the caller speaks, beside what stt.py asks of all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openclaw_actors.engines.protocols import Hearing, StreamingSttEngine, SttEngine, SttSession
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.testkit.conformance.bench import MOMENTS, Bench, require
from openclaw_actors.testkit.conformance.faults import NotOfferedError

_PIECE = SAMPLE_RATE // 10 * 2
"""Bytes: a call pushes 0.1 s at a time."""


async def hears_while_it_is_said(bench: Bench[SttEngine], speech: bytes) -> None:
    """Pushed piece by piece, and gone on with after a pause, an utterance comes back whole."""
    async with _session(bench) as session:
        told: list[str] = []
        hearing = session.hear(told.append)
        _push(hearing, speech)
        first = await bench.within(hearing.finish(), "finish")
        require(first.text.strip(), "it hears no word in speech")
        again = await bench.within(hearing.finish(), "a second finish")
        require(again == first, f"asked again it says {again.text!r}, not {first.text!r}")
        _push(hearing, speech)
        whole = await bench.within(hearing.finish(), "finish, after the caller went on")
        require(whole.text.startswith(first.text.strip()), f"after {first.text!r} the whole is {whole.text!r}")
        require(len(whole.text) > len(first.text), f"the caller went on, and still the whole is {whole.text!r}")
        require(all(isinstance(words, str) for words in told), f"it told {told!r:.200}")


async def takes_utterances_one_after_the_other(bench: Bench[SttEngine], speech: bytes) -> None:
    """One may begin while the last one's words are still to come; one that is dropped is not in the next."""
    async with _session(bench) as session:
        first, second = session.hear(_quiet), session.hear(_quiet)
        _push(first, speech)
        waiting = asyncio.create_task(first.finish())
        await asyncio.sleep(0)
        _push(second, speech)
        alone = await bench.within(second.finish(), "finish of the second")
        require((await bench.within(waiting, "finish of the first")).text == alone.text, "two alike are heard unlike")
        dropped, third = session.hear(_quiet), session.hear(_quiet)
        _push(dropped, speech)
        dropped.drop()
        dropped.drop()
        _push(third, speech)
        heard = await bench.within(third.finish(), "finish after a drop")
        require(heard.text == alone.text, f"after a drop it hears {heard.text!r}, not {alone.text!r}")
        nothing = await bench.within(session.hear(_quiet).finish(), "finish of nothing")
        require(not nothing.text, f"nothing is heard as {nothing.text!r}")


async def loses_nothing_by_a_cancelled_finish(bench: Bench[SttEngine], speech: bytes) -> None:
    """At any moment; whoever asks next has all the words."""
    async with _session(bench) as session:
        whole = session.hear(_quiet)
        _push(whole, speech)
        wanted = await bench.within(whole.finish(), "finish")
        for turns in MOMENTS:
            hearing = session.hear(_quiet)
            _push(hearing, speech)
            await bench.cancelled(hearing.finish, turns, "finish")
            heard = await bench.within(hearing.finish(), "finish, after one that was cancelled")
            require(heard.text == wanted.text, f"after a cancelled finish it says {heard.text!r}, not {wanted.text!r}")
            hearing.drop()


async def closes_at_any_moment(bench: Bench[SttEngine], speech: bytes) -> None:
    """Before it was opened, while it opens, in the middle of an utterance; twice."""
    _must_stream(bench)
    async with bench.engine() as engine:
        unopened = _of(engine).session()
        await bench.within(unopened.aclose(), "aclose of a session that was never opened")
        for turns in MOMENTS:
            session = _of(engine).session()
            await bench.cancelled(session.open, turns, "the opening of a session")
            await bench.within(session.aclose(), "aclose")
        session = _of(engine).session()
        await bench.within(session.open(), "the opening of a session")
        hearing = session.hear(_quiet)
        _push(hearing, speech)
        waiting = asyncio.create_task(hearing.finish())
        await asyncio.sleep(0)
        await bench.within(session.aclose(), "aclose in mid-utterance")
        await bench.within(session.aclose(), "a second aclose")
        await bench.must_fail(waiting, "finish of a session that was closed")


async def mends_itself(bench: Bench[SttEngine], speech: bytes) -> None:
    """A connection that breaks loses one hearing, and the next one is heard on the same session."""
    bench.faults.must_offer("drop")
    _must_stream(bench)
    async with bench.engine() as engine:
        await bench.faults.drop()
        session = _of(engine).session()
        try:
            await bench.within(session.open(), "the opening of a session")
            lost = session.hear(_quiet)
            _push(lost, speech)
            await bench.must_fail(lost.finish(), "finish on a broken connection", TransientEngineError)
            again = session.hear(_quiet)
            _push(again, speech)
            require((await bench.within(again.finish(), "finish on the next connection")).text, "it hears no word")
        finally:
            await bench.within(session.aclose(), "aclose")


@asynccontextmanager
async def _session(bench: Bench[SttEngine]) -> AsyncIterator[SttSession]:
    _must_stream(bench)
    async with bench.engine() as engine:
        session = _of(engine).session(language="en")
        try:
            await bench.within(session.open(), "the opening of a session")
            yield session
        finally:
            await bench.within(session.aclose(), "aclose of a session")


def _must_stream(bench: Bench[SttEngine]) -> None:
    """Before an engine is opened for nothing."""
    _of(bench.make())


def _of(engine: SttEngine) -> StreamingSttEngine:
    if not isinstance(engine, StreamingSttEngine):
        raise NotOfferedError(f"{engine.name} does not hear while the caller speaks")
    return engine


def _push(hearing: Hearing, speech: bytes) -> None:
    for start in range(0, len(speech), _PIECE):
        hearing.push(speech[start : start + _PIECE])


def _quiet(_words: str) -> None:
    """Nobody listens."""
