"""What a recogniser must hold, one coroutine a promise. Each raises ConformanceError, or what the engine raises."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable

from openclaw_actors.engines.protocols import SttEngine, Transcript
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.testkit.conformance.bench import MOMENTS, TEXTS, Bench, is_text, require

SttBench = Bench[SttEngine]

_AT_ONCE = 4


async def opens_and_closes(bench: SttBench, speech: bytes) -> None:
    """Opened twice, closed twice, and opened again after that, it hears."""
    async with bench.engine() as engine:
        require(is_text(engine.name), "it has no name")
        require(engine.partial_every_s >= 0, f"partial_every_s is {engine.partial_every_s!r}")
        await bench.within(engine.open(), "a second open, as a probe")
        await bench.warm(engine)
        await _hears(bench, engine, speech)
        await bench.within(engine.aclose(), "aclose")
        await bench.failing(engine.transcribe(speech), "a transcription after aclose")
        await bench.within(engine.aclose(), "aclose")
        await bench.within(engine.open(), "open after aclose")
        await _hears(bench, engine, speech)


async def closes_unopened(bench: SttBench) -> None:
    """One that was never opened can be closed."""
    await bench.within(bench.make().aclose(), "aclose without open")


async def hears(bench: SttBench, speech: bytes, said: str) -> None:
    """Words out of speech (``said``, if that is given), partials too, in any language that it is told."""
    async with bench.engine() as engine:
        transcript = await _hears(bench, engine, speech)
        missing = set(said.lower().split()) - set(transcript.text.lower().split())
        require(not missing, f"of {said!r} it heard {transcript.text!r}: {', '.join(sorted(missing))} missing")
        partial = await bench.failing(engine.transcribe(speech, final=False), "a partial", TransientEngineError)
        require(isinstance(partial, Transcript | TransientEngineError), f"a partial is {partial!r:.100}")
        for language in ("en", "de-CH", "zh-Hant-TW", "xx-unheard-of"):
            result = await bench.failing(engine.transcribe(speech, language=language), f"the language {language}")
            _check(result, f"the language {language}")
        await _hears(bench, engine, speech)


async def takes_any_sound(bench: SttBench, speech: bytes, longest_s: float) -> None:
    """Nothing, next to nothing, silence, noise and ``longest_s`` seconds of speech: words or none, but no crash."""
    noise = random.Random(1).randbytes(SAMPLE_RATE * 2)  # noqa: S311 - noise
    size = int(longest_s * SAMPLE_RATE) * 2
    long = (speech * (1 + size // len(speech)))[:size]
    async with bench.engine() as engine:
        for length in (0, 2, 640, 3_200):
            nothing = await bench.within(engine.transcribe(bytes(length)), f"{length} bytes")
            _check(nothing, f"{length} bytes")
        for sound, what in ((bytes(SAMPLE_RATE * 2), "a second of silence"), (noise, "a second of noise")):
            _check(await bench.within(engine.transcribe(sound), what), what)
        _check(await bench.failing(engine.transcribe(long), f"{longest_s:g} s of speech"), f"{longest_s:g} s of speech")
        await _hears(bench, engine, speech)


async def serves_many(bench: SttBench, speech: bytes) -> None:
    """Several at once are heard as each would be alone."""
    async with bench.engine() as engine:
        alone = await _hears(bench, engine, speech)
        work = asyncio.gather(*(engine.transcribe(speech) for _ in range(_AT_ONCE)))
        for transcript in await bench.within(work, f"{_AT_ONCE} at once"):
            require(transcript.text == alone.text, f"beside others it heard {transcript.text!r}, alone {alone.text!r}")


async def can_be_cancelled(bench: SttBench, speech: bytes) -> None:
    """At any moment, and it hears the next one."""
    async with bench.engine() as engine:
        for turns in MOMENTS:
            await bench.cancelled(lambda: engine.transcribe(speech), turns, "a transcription")
        await _hears(bench, engine, speech)


async def closes_in_mid_work(bench: SttBench, speech: bytes) -> None:
    """Closed while it transcribes, whoever waits for the words learns it."""
    async with bench.engine() as engine:
        await _hears(bench, engine, speech)
        task = asyncio.create_task(engine.transcribe(speech))
        await asyncio.sleep(0.01)
        await bench.within(engine.aclose(), "aclose in the middle of a transcription")
        await bench.within(asyncio.wait({task}), "a transcription whose engine was closed")
        if not task.cancelled() and (error := task.exception()) is not None:
            require(isinstance(error, EngineError), f"closed in mid-work it raises {type(error).__name__}: {error}")


# --- with a server ------------------------------------------------------------------------------------------------


async def gives_up_a_server_that_hangs(bench: SttBench, speech: bytes) -> None:
    """What is cancelled while the server says nothing ends at once, and the next one is heard."""
    bench.faults.must_offer("hang")
    async with bench.engine() as engine:
        await bench.faults.hang()
        task = asyncio.create_task(engine.transcribe(speech))
        await asyncio.sleep(0.1)
        require(not task.done(), "a server that does not answer is answered for")
        task.cancel()
        await bench.within(asyncio.wait({task}), "a cancelled transcription")
        await _hears(bench, engine, speech)


async def tells_faults_apart(bench: SttBench, speech: bytes, fault: str) -> None:
    """Each fault of the server is an EngineError of the right kind, and the next utterance is heard."""
    bench.faults.must_offer(fault)
    order, kinds, may_be_words = {
        "fail": (bench.faults.fail, (TransientEngineError, BrokenEngineError), False),
        "refuse": (bench.faults.refuse, (RefusedEngineError,), False),
        "garbage": (bench.faults.garbage, (TransientEngineError, BrokenEngineError), False),
        "empty": (bench.faults.empty, (TransientEngineError, BrokenEngineError), True),
        "drop": (bench.faults.drop, (TransientEngineError, BrokenEngineError), False),
    }[fault]
    async with bench.engine() as engine:
        await order()
        work: Awaitable[Transcript] = engine.transcribe(speech)
        if may_be_words:
            result = await bench.failing(work, fault, *kinds)
            require(isinstance(result, EngineError) or not result.text, f"nothing was heard as {result!r:.100}")
        else:
            await bench.must_fail(work, fault, *kinds)
        await _hears(bench, engine, speech)


async def comes_back(bench: SttBench, speech: bytes) -> None:
    """While the server is away that is told; when it is back, so are the words."""
    bench.faults.must_offer("stop", "start")
    async with bench.engine(tidy=False) as engine:
        await _hears(bench, engine, speech)
        await bench.faults.stop()
        away = (TransientEngineError, UnavailableEngineError)
        await bench.must_fail(engine.transcribe(speech), "a transcription without a server", *away)
        await bench.must_fail(engine.open(), "open without a server", *away)
        await bench.faults.start()
        await bench.within(engine.open(), "open when the server is back")
        await _hears(bench, engine, speech)


async def passes_text_on(bench: SttBench, speech: bytes) -> None:
    """Words of any script come as they were sent."""
    bench.faults.must_offer("answer")
    async with bench.engine() as engine:
        for what, text in TEXTS.items():
            await bench.faults.answer(text)
            heard = await bench.within(engine.transcribe(speech), what)
            require(heard.text.strip() == text, f"{what}: {text!r} came as {heard.text!r}")


async def _hears(bench: SttBench, engine: SttEngine, speech: bytes) -> Transcript:
    transcript = await bench.within(engine.transcribe(speech), "a transcription")
    _check(transcript, "a transcription")
    require(transcript.text.strip(), "it hears no word in speech")
    return transcript


def _check(result: object, what: str) -> None:
    if isinstance(result, EngineError):
        return
    require(isinstance(result, Transcript), f"{what}: it gives {result!r:.100} in place of a Transcript")
