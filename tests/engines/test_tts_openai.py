from __future__ import annotations

import io
import wave

import pytest
from aiohttp import web
from pydantic import SecretStr
from tts_samples import RATE, loudest_hz, tone, within

from openclaw_actors.engines.tts.openai import OpenAiTtsEngine
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.settings.sections import OpenAiTts
from openclaw_actors.testkit.providers.edge import to_mp3
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, StubPlan


@pytest.fixture
async def stub():
    plan = StubPlan(tts_delay_s=0, leading_silence_s=0, voice=lambda text: tone(0.05 * len(text)), api_key="sk-1")
    async with OpenAiStub(plan) as server:
        yield server


@pytest.fixture
def engine_for(closing):
    def make(base_url: str, **settings) -> OpenAiTtsEngine:
        settings = {"api_key": SecretStr("sk-1")} | settings
        return closing(OpenAiTtsEngine(OpenAiTts(base_url=base_url, **settings)))

    return make


async def spoken(engine: OpenAiTtsEngine, text: str) -> bytes:
    return b"".join([chunk async for chunk in engine.speak(text)])


@pytest.fixture
async def serve():
    """Serve speech from one handler; gives the base URL."""
    runners = []

    async def start(handler) -> str:
        app = web.Application()
        app.router.add_post("/v1/audio/speech", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_words_become_samples_at_24_khz(stub, engine_for):
    engine = engine_for(stub.base_url, model="tts-x", voice="nova")
    await within(engine.open())
    pcm = await within(spoken(engine, "Hello there."))

    assert pcm == tone(0.05 * 12)
    asked = stub.of("speech")[0].body
    assert asked | {"input": "Hello there.", "model": "tts-x", "voice": "nova", "response_format": "pcm"} == asked


async def test_sound_comes_while_the_server_is_still_sending_and_closing_ends_the_request(stub, engine_for):
    stub.fail("speech", Fault("hang", after=2))
    sound = engine_for(stub.base_url).speak("A sentence that takes a while to say.")
    first = await within(anext(sound))
    await within(sound.aclose())

    assert len(first) >= 2
    await within(stub.of("speech")[0].finished.wait())


async def test_bytes_cut_within_a_sample_are_put_together_again(serve, engine_for):
    pcm = tone(0.2)

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(pcm), 333):
            await response.write(pcm[start : start + 333])
        return response

    assert await within(spoken(engine_for(await serve(handler)), "x")) == pcm


def wav_16k() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(tone(0.5, rate=16_000))
    return file.getvalue()


@pytest.mark.parametrize("body", [to_mp3(tone(0.5)), wav_16k()], ids=["mp3", "wav"])
async def test_a_server_that_answers_another_format_is_understood(serve, engine_for, body):
    async def handler(_):
        return web.Response(body=body, content_type="audio/pcm")

    pcm = await within(spoken(engine_for(await serve(handler)), "x"))

    assert len(pcm) / 2 / RATE == pytest.approx(0.5, abs=0.08)
    assert loudest_hz(pcm) == pytest.approx(300, abs=5)


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        (Fault("status", status=401), RefusedEngineError, "401"),
        (Fault("status", status=403), RefusedEngineError, "403"),
        (Fault("status", status=404), RefusedEngineError, "404"),
        (Fault("status", status=429), TransientEngineError, "429"),
        (Fault("status", status=500), TransientEngineError, "500"),
        (Fault("status", status=503), TransientEngineError, "503"),
        (Fault("drop"), TransientEngineError, "connection lost"),
        (Fault("drop", after=2), TransientEngineError, "connection lost"),
        (Fault("empty"), TransientEngineError, "no sound"),
        (Fault("garbage"), BrokenEngineError, "within a sample"),
    ],
    ids=lambda value: f"{value.kind} {value.status} {value.after}" if isinstance(value, Fault) else None,
)
async def test_each_fault_is_told_by_its_kind_and_the_next_phrase_is_well(stub, engine_for, fault, error, text):
    engine = engine_for(stub.base_url)
    stub.fail("speech", fault)

    with pytest.raises(error, match=text):
        await within(spoken(engine, "Hello there, how are you?"))
    assert await within(spoken(engine, "Hello."))
    assert len(stub.of("speech")) == 2  # nothing was tried again behind our back


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, {"error": {"message": "no credit", "code": "insufficient_quota"}}, RefusedEngineError),
        (200, {"error": {"message": "surprise"}}, BrokenEngineError),
    ],
    ids=["quota", "json in place of sound"],
)
async def test_an_answer_in_words_is_read(serve, engine_for, status, body, error):
    async def handler(_):
        return web.json_response(body, status=status)

    with pytest.raises(error):
        await within(spoken(engine_for(await serve(handler)), "x"))


async def test_a_server_that_falls_silent_is_given_up(stub, engine_for, monkeypatch):
    monkeypatch.setattr("openclaw_actors.engines.tts.openai._SILENCE_S", 0.2)
    stub.fail("speech", Fault("hang", after=1))

    with pytest.raises(TransientEngineError):
        await within(spoken(engine_for(stub.base_url), "Hello there, how are you?"), 3)


async def test_a_wrong_key_is_found_at_the_probe(stub, engine_for):
    with pytest.raises(RefusedEngineError, match="401"):
        await within(engine_for(stub.base_url, api_key=SecretStr("wrong")).open())


async def test_a_server_without_a_list_of_models_serves(serve, engine_for):
    async def handler(_):
        return web.Response(body=tone(0.1))

    await within(engine_for(await serve(handler)).open())


async def test_what_is_missing_is_said_at_the_probe(stub, engine_for):
    with pytest.raises(UnavailableEngineError, match=r"tts\.openai\.base_url"):
        await within(engine_for("", api_key=SecretStr("")).open())
    gone = stub.base_url
    await stub.stop()
    with pytest.raises(UnavailableEngineError, match="does not answer"):
        await within(engine_for(gone).open())


async def test_it_serves_again_after_it_was_closed(stub, engine_for):
    engine = engine_for(stub.base_url)
    await engine.aclose()
    await engine.aclose()
    await within(engine.open())

    assert await within(spoken(engine, "Hello."))
