"""edge-tts-as-a-service, against a server with its routes."""

from __future__ import annotations

import pytest
from tts_samples import RATE, loudest_hz, rms, silence, tone, within

from openclaw_actors.engines.protocols import Voice
from openclaw_actors.engines.tts.edge_tts_service import EdgeTtsServiceEngine
from openclaw_actors.errors import BrokenEngineError, RefusedEngineError, TransientEngineError, UnavailableEngineError
from openclaw_actors.settings.sections import EdgeTtsService
from openclaw_actors.testkit.providers.edge_service import FakeEdgeService


@pytest.fixture
async def service():
    async with FakeEdgeService(lambda text: silence(0.2) + tone(0.05 * len(text)) + silence(0.875)) as server:
        yield server


@pytest.fixture
async def make():
    engines = []

    def make(base_url: str, **settings) -> EdgeTtsServiceEngine:
        engines.append(EdgeTtsServiceEngine(EdgeTtsService(base_url=base_url, **settings)))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.aclose()


async def spoken(engine: EdgeTtsServiceEngine, text: str, voice: Voice | None = None) -> bytes:
    return b"".join([piece async for piece in engine.speak(text, voice or Voice())])


async def test_words_are_heard_as_they_stream(service, make):
    engine = make(service.base_url + "/", rate="+10%")
    await within(engine.open())
    pcm = await within(spoken(engine, "Guten Tag, 你好!"))

    assert service.requests == [
        {"text": "Guten Tag, 你好!", "voice": "en-US-EmmaMultilingualNeural", "rate": "+10%", "pitch": "+0Hz"}
    ]
    assert len(pcm) / 2 / RATE == pytest.approx(0.2 + 0.05 * 14 + 0.875, abs=0.1)
    assert loudest_hz(pcm) == pytest.approx(300, abs=3)


async def test_a_call_may_ask_for_its_own_voice_and_speed(service, make):
    engine = make(service.base_url)
    voice = Voice("de-DE-KatjaNeural", rate=1.5, pitch_hz=-4)
    await within(spoken(engine, "Hallo.", voice))

    asked = service.requests[-1]
    assert (asked["voice"], asked["rate"], asked["pitch"]) == ("de-DE-KatjaNeural", "+50%", "-4Hz")
    assert engine.cache_key(voice) != engine.cache_key()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("error", TransientEngineError),
        ("refused", RefusedEngineError),
        ("bad_request", BrokenEngineError),
        ("silence", TransientEngineError),
        ("drop", TransientEngineError),
        ("garbage", BrokenEngineError),
        ("html", BrokenEngineError),
    ],
)
async def test_each_fault_is_told_by_its_kind_and_the_next_phrase_is_well(service, make, fault, error):
    engine = make(service.base_url)
    service.fail(fault)

    with pytest.raises(error):
        await within(spoken(engine, "Hello there, how are you today?"))
    assert rms(await within(spoken(engine, "Hello."))) > 1_000


async def test_a_phrase_that_is_closed_early_hangs_up_on_the_service(service, make):
    service.fail("hang")
    sound = make(service.base_url).speak("A long sentence that is never finished.")
    assert await within(anext(sound))
    await within(sound.aclose())

    await within(service.abandoned.wait())


async def test_who_has_no_such_voice_is_told_the_nearest(service, make):
    with pytest.raises(UnavailableEngineError, match="did you mean de-DE-KatjaNeural"):
        await within(make(service.base_url, voice="de-DE-KathiNeural").open())


async def test_no_address_and_no_server_say_what_to_do(service, make):
    with pytest.raises(UnavailableEngineError, match=r"tts\.edge_tts_service\.base_url is empty"):
        await within(make("").open())
    await service.stop()
    with pytest.raises(UnavailableEngineError, match=r"127\.0\.0\.1"):
        await within(make(service.base_url).open())
