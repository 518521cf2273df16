"""Realtime transcription over a real WebSocket: what goes up and when, what comes back, and what each fault means."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from pydantic import SecretStr

from openclaw_actors.engines.protocols import StreamingSttEngine
from openclaw_actors.engines.stt import realtime_session
from openclaw_actors.engines.stt.openai_realtime import OpenAiRealtimeEngine
from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.media.resample import Resampler
from openclaw_actors.settings.sections import OpenAiRealtime
from openclaw_actors.testkit.providers.openai_realtime import RealtimeFault, RealtimeStub

TENTH = bytes(3_200)
"""0.1 s of silence, 16 kHz."""
SECOND = bytes(32_000)


@pytest.fixture
async def stub():
    async with RealtimeStub() as stub:
        yield stub


@pytest.fixture
def engine_for(closing):
    def make(stub, **settings) -> OpenAiRealtimeEngine:
        settings = {"api_key": SecretStr("sk-right"), "base_url": stub.base_url} | settings
        return closing(OpenAiRealtimeEngine(OpenAiRealtime(**settings)))

    return make


@pytest.fixture
def session_for(closing, engine_for):
    async def make(stub, language="", **settings):
        session = closing(engine_for(stub, **settings).session(language=language))
        await session.open()
        return session

    return make


def quiet(_words):
    """Nobody listens to the words."""


async def test_a_session_is_set_up_for_transcription_alone_and_takes_no_turns_of_its_own(stub, session_for):
    await session_for(stub, language="de-CH", model="gpt-live-transcribe", prompt="OpenClaw")
    connection = await stub.wait_connection()
    assert connection.query["intent"] == "transcription"
    assert connection.headers["Authorization"] == "Bearer sk-right"
    assert connection.session == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "gpt-live-transcribe", "language": "de", "prompt": "OpenClaw"},
                "turn_detection": None,
            }
        },
    }


async def test_only_others_than_openai_are_told_the_model_in_the_address(stub, session_for, engine_for):
    await session_for(stub, model="whisper-9")
    assert (await stub.wait_connection()).query["model"] == "whisper-9"
    openai = engine_for(stub, base_url="")
    assert "model" not in openai._connect()._AsyncRealtimeConnectionManager__extra_query


async def test_the_sound_is_up_before_the_utterance_is_over(stub, session_for):
    session = await session_for(stub)
    hearing = session.hear(quiet)
    connection = await stub.wait_connection()
    for _ in range(5):
        hearing.push(TENTH)
    await connection.until(lambda seen: seen.appended >= 0.4 * 48_000)
    assert connection.items == []
    assert (await hearing.finish()).text == "Hello there."
    assert len(connection.items[0]) == pytest.approx(0.5 * 48_000, abs=4)


async def test_what_goes_up_is_what_was_said_at_24_khz(stub, session_for):
    tone = (8_000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype("<i2").tobytes()
    session = await session_for(stub)
    hearing = session.hear(quiet)
    for start in range(0, len(tone), 640):
        hearing.push(tone[start : start + 640])
    await hearing.finish()
    sent = np.frombuffer(stub.connections[0].items[0], "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(sent[2_400:-2_400]))
    assert spectrum.argmax() / (len(sent) - 4_800) * 24_000 == pytest.approx(440, abs=2)
    assert np.abs(sent).max() == pytest.approx(8_000, rel=0.02)


async def test_words_are_told_while_they_come(session_for):
    async with RealtimeStub("one two three four", streams=True) as stub:
        session, told, third = await session_for(stub), [], asyncio.Event()

        def tell(words):
            told.append(words)
            if words == "one two three":
                third.set()

        hearing = session.hear(tell)
        for _ in range(10):
            hearing.push(TENTH)
        async with asyncio.timeout(10):
            await third.wait()
        assert (await hearing.finish()).text == "one two three four"
        assert told == ["one", "one two", "one two three", "one two three four"]


async def test_a_caller_who_goes_on_is_heard_as_one_utterance(stub, session_for):
    session, told = await session_for(stub), []
    hearing = session.hear(told.append)
    hearing.push(SECOND)
    assert (await hearing.finish()).text == "Hello there."
    stub.hear = "My name is Anna."
    hearing.push(SECOND)
    assert (await hearing.finish()).text == "Hello there. My name is Anna."
    assert told[-1] == "Hello there. My name is Anna."
    assert len(stub.connections[0].items) == 2


async def test_who_asks_again_without_more_sound_gets_the_same_words_for_nothing(stub, session_for):
    hearing = (await session_for(stub)).hear(quiet)
    hearing.push(SECOND)
    assert await hearing.finish() == await hearing.finish()
    assert len(stub.connections[0].items) == 1


async def test_a_cancelled_wait_loses_no_words(session_for):
    async with RealtimeStub(delay_s=0.2) as stub:
        hearing = (await session_for(stub)).hear(quiet)
        hearing.push(SECOND)
        waiting = asyncio.create_task(hearing.finish())
        connection = await stub.wait_connection()
        await connection.until(lambda seen: bool(seen.items))
        waiting.cancel()
        hearing.push(SECOND)
        assert (await hearing.finish()).text == "Hello there. Hello there."


async def test_the_next_utterance_may_begin_before_the_words_of_the_last_have_come(session_for):
    answers = {1: ("first", 0.2), 2: ("second", 0.0)}

    async def hear(pcm):
        said, after = answers[round(len(pcm) / 48_000)]
        await asyncio.sleep(after)
        return said

    async with RealtimeStub(hear) as stub:
        session = await session_for(stub)
        first, second = session.hear(quiet), session.hear(quiet)
        first.push(SECOND)
        waiting = asyncio.create_task(first.finish())
        await asyncio.sleep(0)
        second.push(SECOND + SECOND)
        assert (await second.finish()).text == "second"
        assert (await waiting).text == "first"


async def test_an_utterance_that_was_dropped_is_not_in_the_next(stub, session_for):
    session = await session_for(stub)
    dropped = session.hear(quiet)
    dropped.push(SECOND)
    dropped.drop()
    dropped.drop()
    hearing = session.hear(quiet)
    hearing.push(SECOND + SECOND)
    await hearing.finish()
    assert [round(len(item) / 48_000) for item in stub.connections[0].items] == [2]


async def test_too_little_sound_for_the_api_is_filled_up(stub, session_for):
    hearing = (await session_for(stub)).hear(quiet)
    hearing.push(bytes(640))
    assert (await hearing.finish()).text == "Hello there."
    assert len(stub.connections[0].items[0]) == 4_800


async def test_nothing_said_is_no_words_and_costs_nothing(stub, session_for, engine_for):
    assert (await (await session_for(stub)).hear(quiet).finish()).text == ""
    assert (await engine_for(stub).transcribe(bytes(3_000))).text == ""
    assert stub.connections[0].items == []


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (RealtimeFault("status", 401, "invalid_api_key"), RefusedEngineError),
        (RealtimeFault("status", 403, "forbidden"), RefusedEngineError),
        (RealtimeFault("status", 429, "insufficient_quota"), RefusedEngineError),
        (RealtimeFault("status", 429, "rate_limit_exceeded"), TransientEngineError),
        (RealtimeFault("status", 500), TransientEngineError),
        (RealtimeFault("status", 503), TransientEngineError),
        (RealtimeFault("refuse", code="insufficient_quota", error_type="insufficient_quota"), RefusedEngineError),
        (RealtimeFault("refuse", code="model_not_found", error_type="invalid_request_error"), RefusedEngineError),
        (RealtimeFault("refuse", code="invalid_value", error_type="invalid_request_error"), RefusedEngineError),
        (RealtimeFault("refuse"), TransientEngineError),
    ],
)
async def test_a_session_that_is_refused_says_of_what_kind_that_is(stub, closing, engine_for, fault, error):
    stub.fail(fault)
    with pytest.raises(error):
        await closing(engine_for(stub).session()).open()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (RealtimeFault("drop"), TransientEngineError),
        (RealtimeFault("expire"), TransientEngineError),
        (RealtimeFault("garbage"), BrokenEngineError),
        (RealtimeFault("failed"), TransientEngineError),
        (RealtimeFault("failed", code="insufficient_quota", error_type="insufficient_quota"), RefusedEngineError),
        (RealtimeFault("failed", code="bad_audio", error_type="invalid_request_error"), BrokenEngineError),
    ],
)
async def test_an_utterance_that_fails_says_of_what_kind_that_is(stub, session_for, fault, error):
    stub.fail(fault)
    hearing = (await session_for(stub)).hear(quiet)
    hearing.push(SECOND)
    with pytest.raises(error):
        await hearing.finish()
    with pytest.raises(error):
        hearing.push(TENTH)


async def test_sound_in_which_there_is_no_word_is_no_fault(stub, session_for):
    stub.fail(RealtimeFault("failed", code="audio_unintelligible", error_type="transcription_error"))
    hearing = (await session_for(stub)).hear(quiet)
    hearing.push(SECOND)
    assert (await hearing.finish()).text == ""


@pytest.mark.parametrize("fault", [RealtimeFault("drop"), RealtimeFault("expire"), RealtimeFault("garbage")])
async def test_a_session_that_broke_hears_the_next_utterance(stub, session_for, fault):
    stub.fail(fault)
    session = await session_for(stub)
    lost = session.hear(quiet)
    lost.push(SECOND)
    with pytest.raises((TransientEngineError, BrokenEngineError)):
        await lost.finish()
    again = session.hear(quiet)
    again.push(SECOND)
    async with asyncio.timeout(10):
        assert (await again.finish()).text == "Hello there."


async def test_a_quiet_line_that_breaks_is_back_before_anyone_speaks(stub, session_for):
    await session_for(stub)
    await stub.stop()
    await stub.start()
    await stub.wait_connection(2)


async def test_one_failed_transcription_leaves_the_session_as_it_was(stub, session_for):
    stub.fail(RealtimeFault("failed"))
    session = await session_for(stub)
    lost, next_one = session.hear(quiet), session.hear(quiet)
    lost.push(SECOND)
    with pytest.raises(TransientEngineError):
        await lost.finish()
    next_one.push(SECOND)
    assert (await next_one.finish()).text == "Hello there."
    assert len(stub.connections) == 1


async def test_words_that_were_final_outlive_their_connection(stub, session_for):
    session = await session_for(stub)
    hearing = session.hear(quiet)
    hearing.push(SECOND)
    await hearing.finish()
    await stub.stop()
    await stub.start()
    await stub.wait_connection(2)
    stub.hear = "Anna."
    hearing.push(SECOND)
    assert (await hearing.finish()).text == "Hello there. Anna."


async def test_a_server_that_falls_silent_is_given_up_when_nobody_waits_any_more(stub, engine_for):
    stub.fail(RealtimeFault("hang"))
    engine = engine_for(stub)
    asking = asyncio.create_task(engine.transcribe(SECOND))
    connection = await stub.wait_connection()
    await connection.until(lambda seen: "input_audio_buffer.commit" in seen.events)
    asking.cancel()
    async with asyncio.timeout(10):
        await connection.closed.wait()


async def test_a_server_that_never_confirms_the_session_is_not_waited_for(stub, engine_for, monkeypatch):
    monkeypatch.setattr(realtime_session, "_CONNECT_S", 0.2)

    async def hold(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr("openclaw_actors.testkit.providers.openai_realtime._Talk._update", hold)
    with pytest.raises(UnavailableEngineError, match="did not answer in time"):
        await engine_for(stub).open()


# --- the engine -----------------------------------------------------------------------------------------------------


async def test_it_hears_while_the_caller_speaks(stub, engine_for):
    assert isinstance(engine_for(stub), StreamingSttEngine)


async def test_opening_shows_that_key_and_model_are_right_and_leaves_nothing_open(engine_for):
    async with RealtimeStub(api_key="sk-right") as stub:
        await engine_for(stub).open()
        async with asyncio.timeout(10):
            await stub.connections[0].closed.wait()
        with pytest.raises(RefusedEngineError, match="Incorrect API key"):
            await engine_for(stub, api_key=SecretStr("sk-wrong")).open()


async def test_nobody_there_is_unavailable_and_unconfigured_says_what_to_set(stub, engine_for):
    engine = engine_for(stub)
    await stub.stop()
    with pytest.raises(UnavailableEngineError, match=r"127\.0\.0\.1"):
        await engine.open()
    with pytest.raises(UnavailableEngineError, match=r"stt\.openai_realtime\.api_key"):
        await engine_for(stub, base_url="", api_key=SecretStr("")).open()


async def test_a_whole_utterance_is_heard_too(stub, engine_for):
    transcript = await engine_for(stub).transcribe(SECOND, language="de-CH")
    assert (transcript.text, transcript.language) == ("Hello there.", "de")
    async with asyncio.timeout(10):
        await stub.connections[0].closed.wait()


async def test_real_speech_goes_through_it_word_for_word(closing, engine_for, flite):
    recogniser = closing(PocketSphinxEngine())
    await recogniser.open()

    async def hear(pcm):
        resampler = Resampler(24_000, 16_000)
        return (await recogniser.transcribe(resampler.push(pcm) + resampler.flush())).text

    said = await flite("hello what is the weather like in paris today")
    async with RealtimeStub(hear) as stub:
        transcript = await engine_for(stub).transcribe(said)
    assert transcript.text == "hello what is the weather like in paris today"
