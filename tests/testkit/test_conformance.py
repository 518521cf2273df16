"""The suite finds what is wrong: each engine here breaks one promise, and the check that looks for it says so."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import pytest

from openclaw_actors.engines.protocols import OWN_VOICE, Transcript
from openclaw_actors.errors import RefusedEngineError, TransientEngineError
from openclaw_actors.testkit.conformance import Bench, ConformanceError, Faults, NotOfferedError, agent, stt, tts

SPEECH = bytes(16_000)


class Ear:
    """Holds all promises; each subclass breaks one."""

    name = "ear"
    partial_every_s = 0.0

    async def open(self):
        """Nothing to open."""

    async def aclose(self):
        """Nor to close."""

    async def transcribe(self, pcm, *, language="", final=True):
        await asyncio.sleep(0.01)
        return Transcript("hello there" if len(pcm) == len(SPEECH) else "")


async def check(engine, which, *arguments, faults=None):
    bench = Bench(engine, faults or Faults(), patience_s=0.5)
    async with asyncio.timeout(30):
        await which(bench, *arguments)


STT_CHECKS = [
    (stt.opens_and_closes, SPEECH),
    (stt.closes_unopened,),
    (stt.hears, SPEECH, "hello"),
    (stt.takes_any_sound, SPEECH, 1.0),
    (stt.serves_many, SPEECH),
    (stt.can_be_cancelled, SPEECH),
    (stt.closes_in_mid_work, SPEECH),
]


@pytest.mark.parametrize("which", STT_CHECKS, ids=lambda which: which[0].__name__)
async def test_an_engine_that_holds_passes(which):
    await check(Ear, *which)


class LeavesATask(Ear):
    async def open(self):
        self.task = asyncio.create_task(asyncio.sleep(60), name="forgotten")


class LeavesASocket(Ear):
    async def open(self):
        self.server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)


class LeavesAProcess(Ear):
    async def open(self):
        self.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220


@pytest.fixture
def settles_at_once(monkeypatch):
    monkeypatch.setattr("openclaw_actors.testkit.conformance.bench._SETTLES_S", 0.1)


@pytest.mark.parametrize(
    ("engine", "what"),
    [(LeavesATask, "the task forgotten"), (LeavesASocket, "the open socket"), (LeavesAProcess, "the process")],
)
async def test_what_is_left_behind_is_named(engine, what, settles_at_once):
    made = []

    def make():
        made.append(engine())
        return made[-1]

    with pytest.raises(ConformanceError, match=f"leaves behind: .*{what}"):
        await check(make, stt.serves_many, SPEECH)
    for each in made:
        with contextlib.suppress(AttributeError):
            each.task.cancel()
        with contextlib.suppress(AttributeError):
            each.server.close()
            await each.server.wait_closed()
        with contextlib.suppress(AttributeError):
            each.process.kill()
            each.process.communicate()


class IgnoresCancelling(Ear):
    async def transcribe(self, pcm, **_):
        for _ in range(100):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        return Transcript("hello there")


class RaisesItsOwn(Ear):
    async def transcribe(self, pcm, *, language="", final=True):
        if language.startswith("xx"):
            raise KeyError(language)
        return await super().transcribe(pcm)


class HearsOthers(Ear):
    running = 0

    async def transcribe(self, pcm, **_):
        HearsOthers.running += 1
        await asyncio.sleep(0.01)
        HearsOthers.running -= 1
        return Transcript("hello there" if not HearsOthers.running else "somebody else")


class CrashesOnNothing(Ear):
    async def transcribe(self, pcm, **_):
        return Transcript("hello there") if pcm[0] is not None else None


class GivesText(Ear):
    async def transcribe(self, pcm, **_):
        return "hello there"


class ClosesOnce(Ear):
    closed = False

    async def aclose(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class HearsNothing(Ear):
    async def transcribe(self, pcm, **_):
        return Transcript("")


@pytest.mark.parametrize(
    ("engine", "which", "what"),
    [
        (IgnoresCancelling, (stt.can_be_cancelled, SPEECH), "cancelled after .* not done after"),
        (RaisesItsOwn, (stt.hears, SPEECH, ""), "KeyError is no EngineError"),
        (HearsOthers, (stt.serves_many, SPEECH), "beside others it heard"),
        (CrashesOnNothing, (stt.takes_any_sound, SPEECH, 1.0), "IndexError|index out of range"),
        (GivesText, (stt.hears, SPEECH, ""), "in place of a Transcript"),
        (ClosesOnce, (stt.serves_many, SPEECH), "closed already"),
        (HearsNothing, (stt.opens_and_closes, SPEECH), "no word in speech"),
        (Ear, (stt.hears, SPEECH, "good bye"), "missing"),
    ],
)
async def test_a_broken_promise_is_found(engine, which, what):
    with pytest.raises((ConformanceError, RuntimeError, IndexError), match=what):
        await check(engine, *which)


# --- faults of a server -----------------------------------------------------------------------------------------------


class Told(Faults):
    """Orders that the engine itself carries out."""

    next = None

    async def fail(self):
        Told.next = TransientEngineError("500")

    async def refuse(self):
        Told.next = TransientEngineError("401, and it does not know what that means")

    async def garbage(self):
        """Is taken for a transcript."""

    async def hang(self):
        """Is answered all the same."""


class Served(Ear):
    async def transcribe(self, pcm, **_):
        error, Told.next = Told.next, None
        if error is not None:
            raise error
        return Transcript("hello there")


async def test_a_fault_of_the_right_kind_passes():
    await check(Served, stt.tells_faults_apart, SPEECH, "fail", faults=Told())


@pytest.mark.parametrize(
    ("fault", "what"),
    [("refuse", "TransientEngineError instead of RefusedEngineError"), ("garbage", "it goes well")],
)
async def test_a_fault_of_the_wrong_kind_is_found(fault, what):
    with pytest.raises(ConformanceError, match=what):
        await check(Served, stt.tells_faults_apart, SPEECH, fault, faults=Told())


async def test_an_answer_to_what_was_never_answered_is_found():
    with pytest.raises(ConformanceError, match="is answered for"):
        await check(Served, stt.gives_up_a_server_that_hangs, SPEECH, faults=Told())


async def test_what_can_not_be_ordered_is_said_before_an_engine_is_made():
    def never():
        raise AssertionError("made for nothing")

    with pytest.raises(NotOfferedError, match=r"Faults\.drop"):
        await check(never, stt.tells_faults_apart, SPEECH, "drop", faults=Told())


# --- agents and voices ---------------------------------------------------------------------------------------------


class Mind:
    name = "mind"
    speculative = repeatable = True
    first_token_s = 0.0

    async def open(self):
        """Nothing to open."""

    async def aclose(self):
        """Nor to close."""

    async def reply(self, request):
        if len(request.text) > 10_000:
            raise RefusedEngineError("too long")
        yield "Yes. "
        await asyncio.sleep(0.001)
        yield "No."


class CanNotBeClosed(Mind):
    def reply(self, request):
        class Pieces:
            def __aiter__(self):
                return self

            async def __anext__(self):
                raise StopAsyncIteration

        return Pieces()


class Mute(Mind):
    async def reply(self, request):
        yield ""


async def test_agents_are_looked_over_too():
    for which in (agent.answers_anything, agent.can_be_closed_at_any_moment, agent.closes_in_mid_work):
        await check(Mind, which)
    with pytest.raises(ConformanceError, match="can't be closed"):
        await check(CanNotBeClosed, agent.serves_many)
    with pytest.raises(ConformanceError, match="no answer"):
        await check(Mute, agent.serves_many)


class Hum:
    name = "hum"
    sample_rate = 16_000
    piece = b"\1\2" * 1_600

    async def open(self):
        """Nothing to open."""

    async def aclose(self):
        """Nor to close."""

    def cache_key(self, voice=OWN_VOICE):
        return "hum"

    async def speak(self, text, voice=OWN_VOICE):
        for _ in range(5):
            yield self.piece
            await asyncio.sleep(0)


class HalfASample(Hum):
    piece = b"\1\2\3" * 1_601


class Silence(Hum):
    piece = bytes(3_200)


class NewNameEachTime(Hum):
    def cache_key(self, voice=OWN_VOICE):
        return f"hum {id(object())} {asyncio.get_running_loop().time()}"


async def test_voices_are_looked_over_too():
    for which in (tts.speaks_any_text, tts.can_be_closed_at_any_moment, tts.names_its_sound, tts.speaks_in_any_voice):
        await check(Hum, which)
    with pytest.raises(ConformanceError, match="within a sample"):
        await check(HalfASample, tts.serves_many)
    with pytest.raises(ConformanceError, match="no sound"):
        await check(Silence, tts.serves_many)
    with pytest.raises(ConformanceError, match="changes by itself"):
        await check(NewNameEachTime, tts.names_its_sound)
