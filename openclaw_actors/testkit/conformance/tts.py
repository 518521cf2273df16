"""What a voice must hold, one coroutine a promise. Each raises ConformanceError, or what the engine raises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from openclaw_actors.engines.protocols import OWN_VOICE, TtsEngine, Voice
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.messages import WordTime
from openclaw_actors.testkit.conformance.bench import MOMENTS, TEXTS, Bench, is_text, require

TtsBench = Bench[TtsEngine]

PHRASE = "Good morning, how can I help you?"
_AT_ONCE = 4
_LONG = "This sentence is one of very many that nobody will hear to the end. " * 80
"""5,400 characters: 18 times the longest phrase that a call hands over."""
_SHORTEST_S = 0.3
"""Of sound for PHRASE: nobody says it in less than a second."""


async def opens_and_closes(bench: TtsBench) -> None:
    """Opened twice, closed twice, and opened again after that, it speaks."""
    async with bench.engine() as engine:
        require(is_text(engine.name), "it has no name")
        require(8_000 <= engine.sample_rate <= 48_000, f"its sample rate is {engine.sample_rate!r} Hz")
        await bench.within(engine.open(), "a second open, as a probe")
        await bench.warm(engine)
        await _speaks(bench, engine)
        await bench.within(engine.aclose(), "aclose")
        await bench.failing(_sound(engine, PHRASE), "a phrase after aclose")
        await bench.within(engine.aclose(), "aclose")
        await bench.within(engine.open(), "open after aclose")
        await _speaks(bench, engine)


async def closes_unopened(bench: TtsBench) -> None:
    """One that was never opened can be closed."""
    await bench.within(bench.make().aclose(), "aclose without open")


async def names_its_sound(bench: TtsBench) -> None:
    """The cache's key says all that shapes the sound, and is the same each time."""
    async with bench.engine() as engine:
        key = engine.cache_key()
        require(is_text(key), f"cache_key gives {key!r}")
        require(engine.cache_key(OWN_VOICE) == key == engine.cache_key(), "cache_key changes by itself")


async def speaks_any_text(bench: TtsBench) -> None:
    """Any script, nothing at all, next to nothing, and more than anybody would listen to."""
    async with bench.engine() as engine:
        for what, text in TEXTS.items():
            await bench.within(_sound(engine, text), what)
        for nothing in ("", " ", "…", "\n\n", "- -"):
            await bench.failing(_sound(engine, nothing), f"the text {nothing!r}")
        await bench.failing(_begin(engine, _LONG, 3), "a text of 5,400 characters")
        await bench.failing(_sound(engine, 'Tom & "Jerry" <b>run</b> ]]> 100 % \x00\x1b[0m'), "markup, quotes and NUL")
        await _speaks(bench, engine)


async def speaks_in_any_voice(bench: TtsBench) -> None:
    """A voice that it does not know, or a language, is no fault: it speaks in one that it has."""
    async with bench.engine() as engine:
        for voice in (Voice("no-such-voice"), Voice(language="de"), Voice(language="xx-nowhere"), Voice("x", "en-GB")):
            require(await bench.within(_sound(engine, PHRASE, voice), f"{voice}"), f"no sound in {voice}")


async def serves_many(bench: TtsBench) -> None:
    """Several calls at once are spoken to."""
    async with bench.engine() as engine:
        work = asyncio.gather(*(_sound(engine, f"{PHRASE} {number}") for number in range(_AT_ONCE)))
        for sound in await bench.within(work, f"{_AT_ONCE} at once"):
            require(any(sound), "beside others it gives no sound")


async def can_be_closed_at_any_moment(bench: TtsBench) -> None:
    """Its phrases are: before the first sound, after it, in the middle; cancelled or closed; and it speaks the next."""
    async with bench.engine() as engine:
        for turns in MOMENTS:
            await bench.cancelled(lambda: _sound(engine, PHRASE), turns, "a phrase")
        for pieces in range(4):
            await bench.within(_begin(engine, PHRASE, pieces), f"a phrase that is closed after {pieces} pieces")
        await _speaks(bench, engine)


async def closes_in_mid_work(bench: TtsBench) -> None:
    """Closed while it speaks, whoever listens learns it."""
    async with bench.engine() as engine:
        await _speaks(bench, engine)
        task = asyncio.create_task(_sound(engine, PHRASE))
        await asyncio.sleep(0)
        await bench.within(engine.aclose(), "aclose in the middle of a phrase")
        await bench.within(asyncio.wait({task}), "a phrase whose engine was closed")
        if not task.cancelled() and (error := task.exception()) is not None:
            require(isinstance(error, EngineError), f"closed in mid-work it raises {type(error).__name__}: {error}")


# --- with a server ------------------------------------------------------------------------------------------------


async def gives_up_a_server_that_hangs(bench: TtsBench) -> None:
    """What is cancelled while the server says nothing ends at once, and the next phrase is spoken."""
    bench.faults.must_offer("hang")
    async with bench.engine() as engine:
        await bench.faults.hang()
        task = asyncio.create_task(_sound(engine, PHRASE))
        await asyncio.sleep(0.1)
        require(not task.done(), "a server that does not answer is answered for")
        task.cancel()
        await bench.within(asyncio.wait({task}), "a cancelled phrase")
        await _speaks(bench, engine)


async def tells_faults_apart(bench: TtsBench, fault: str) -> None:
    """Each fault of the server is an EngineError of the right kind, and the next phrase is spoken."""
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
        await bench.must_fail(_sound(engine, PHRASE), fault, *kinds)
        await _speaks(bench, engine)


async def comes_back(bench: TtsBench) -> None:
    """While the server is away that is told; when it is back, so is the voice."""
    bench.faults.must_offer("stop", "start")
    async with bench.engine(tidy=False) as engine:
        await _speaks(bench, engine)
        await bench.faults.stop()
        away = (TransientEngineError, UnavailableEngineError)
        await bench.must_fail(_sound(engine, PHRASE), "a phrase without a server", *away)
        await bench.must_fail(engine.open(), "open without a server", *away)
        await bench.faults.start()
        await bench.within(engine.open(), "open when the server is back")
        await _speaks(bench, engine)


async def _speaks(bench: TtsBench, engine: TtsEngine) -> None:
    sound = await bench.within(_sound(engine, PHRASE), "a phrase")
    seconds = len(sound) / 2 / engine.sample_rate
    require(seconds >= _SHORTEST_S and any(sound), f"of {PHRASE!r} it makes {seconds:.2f} s of sound")


async def _sound(engine: TtsEngine, text: str, voice: Voice = OWN_VOICE) -> bytes:
    """All of it, each piece looked at."""
    sound, words = bytearray(), [0.0]
    async with aclosing(_pieces(engine, text, voice)) as pieces:
        async for piece in pieces:
            if isinstance(piece, WordTime):
                words.append(piece.at)
                require(0 < piece.chars <= len(text), f"a word ends at character {piece.chars} of {len(text)}")
            else:
                require(isinstance(piece, bytes), f"it gives {piece!r:.60} in place of sound")
                require(len(piece) % 2 == 0, f"a piece of {len(piece)} bytes ends within a sample")
                sound += piece
    require(words == sorted(words), f"its words do not end one after the other: {words}")
    return bytes(sound)


async def _begin(engine: TtsEngine, text: str, count: int) -> None:
    async with aclosing(_pieces(engine, text, OWN_VOICE)) as pieces:
        for _ in range(count):
            if await anext(pieces, None) is None:
                return


def _pieces(engine: TtsEngine, text: str, voice: Voice) -> Any:
    """The protocol promises an iterator; that it can be closed is what it says of cancelling."""
    pieces: AsyncIterator[object] = engine.speak(text, voice)
    require(hasattr(pieces, "aclose"), "what speak gives can't be closed: make it an async generator")
    return pieces
