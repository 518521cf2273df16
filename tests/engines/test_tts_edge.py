from __future__ import annotations

import asyncio
import struct

import edge_tts.communicate
import numpy as np
import pytest
from edge_tts.drm import DRM
from tts_samples import RATE, loudest_hz, rms, silence, tone, within

from openclaw_actors.engines.tts.edge_tts import EdgeTtsEngine
from openclaw_actors.errors import (
    BrokenEngineError,
    RefusedEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.settings.sections import EdgeTts
from openclaw_actors.testkit.providers.edge import FRAME_BYTES, EdgeFault, FakeEdge, to_mp3


@pytest.fixture(autouse=True)
def _the_package_as_it_was(monkeypatch):
    monkeypatch.setattr(edge_tts.communicate, "WSS_URL", edge_tts.communicate.WSS_URL)
    monkeypatch.setattr(DRM, "clock_skew_seconds", 0.0)


@pytest.fixture
async def edge():
    async with FakeEdge(lambda text: silence(0.2) + tone(0.05 * len(text)) + silence(0.875)) as server:
        yield server


def engine_for(server: FakeEdge, **settings) -> EdgeTtsEngine:
    return EdgeTtsEngine(EdgeTts(**settings), endpoint=server.endpoint)


async def spoken(engine: EdgeTtsEngine, text: str) -> bytes:
    return b"".join([piece async for piece in engine.speak(text) if isinstance(piece, bytes)])


async def test_words_are_heard_as_24_khz_samples(edge):
    engine = engine_for(edge)
    await within(engine.open())
    pcm = await within(spoken(engine, "Hello & <b>world</b>."))

    assert edge.requests[-1].text == "Hello & <b>world</b>."
    assert len(pcm) / 2 / RATE == pytest.approx(0.2 + 0.05 * 21 + 0.875, abs=0.1)
    assert loudest_hz(pcm) == pytest.approx(300, abs=3)


async def test_the_fake_speaks_as_the_real_service_does():
    mp3 = to_mp3(tone(1.0))

    assert len(mp3) % FRAME_BYTES == 0
    assert all(mp3[at : at + 2] == b"\xff\xf3" for at in range(0, len(mp3), FRAME_BYTES))


async def test_voice_rate_and_pitch_reach_the_service(edge):
    engine = engine_for(edge, voice="de-DE-KatjaNeural", rate="+20%", pitch="-5Hz")
    await within(spoken(engine, "Guten Tag"))
    request = edge.requests[-1]

    assert "de-DE, KatjaNeural" in request.voice
    assert request.prosody | {"rate": "+20%", "pitch": "-5Hz"} == request.prosody
    assert request.config["outputFormat"] == "audio-24khz-48kbitrate-mono-mp3"
    assert engine.cache_key() == "edge-tts/de-DE-KatjaNeural/+20%/-5Hz"


async def test_sound_comes_while_the_service_is_still_sending(edge):
    edge.fail(EdgeFault("hang", after=3))
    sound = engine_for(edge).speak("A long sentence that is never finished.")
    first = await within(anext(sound))
    await within(sound.aclose())

    assert len(first) > 0
    await within(edge.requests[-1].closed.wait())


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        (EdgeFault("no_audio"), TransientEngineError, "no sound"),
        (EdgeFault("drop", after=0), TransientEngineError, "no sound|can't be reached"),
        (EdgeFault("drop", after=4), TransientEngineError, "broke off|can't be reached"),
        (EdgeFault("status", status=503), TransientEngineError, "503"),
        (EdgeFault("status", status=429), TransientEngineError, "429"),
        (EdgeFault("garbage"), BrokenEngineError, "understood"),
        (EdgeFault("unknown_path"), BrokenEngineError, "understood"),
    ],
    ids=lambda value: value.kind if isinstance(value, EdgeFault) else None,
)
async def test_each_fault_is_told_by_its_kind(edge, fault, error, text):
    edge.fail(fault)

    with pytest.raises(error, match=text):
        await within(spoken(engine_for(edge), "Hello there, how are you today my friend?"))
    assert rms(await within(spoken(engine_for(edge), "Hello."))) > 1_000  # and the next phrase is well


async def test_a_wrong_clock_is_learned_from_the_service(edge):
    edge.fail(EdgeFault("status", status=403, clock_skew_s=-2_000))

    assert rms(await within(spoken(engine_for(edge), "Hello."))) > 1_000
    assert DRM.clock_skew_seconds == pytest.approx(-2_000, abs=5)


async def test_a_service_that_refuses_twice_is_not_asked_by_the_next_call(edge):
    edge.fail(EdgeFault("status", status=403), EdgeFault("status", status=403))

    with pytest.raises(RefusedEngineError, match="newer edge-tts"):
        await within(spoken(engine_for(edge), "Hello."))


async def test_without_a_network_it_says_so_at_the_probe_and_in_use(edge):
    engine = engine_for(edge)
    await edge.stop()

    with pytest.raises(UnavailableEngineError, match="can't be reached"):
        await within(engine.open())
    with pytest.raises(TransientEngineError, match="can't be reached"):
        await within(spoken(engine, "Hello."))


async def test_a_probe_of_a_service_that_hangs_ends(edge, monkeypatch):
    monkeypatch.setattr("openclaw_actors.engines.tts.edge_tts._PROBE_S", 0.1)
    edge.fail(EdgeFault("hang"))

    with pytest.raises(UnavailableEngineError, match="more than"):
        await within(engine_for(edge).open())


async def test_a_voice_that_can_be_no_voice_is_refused_before_anything_is_sent(edge):
    with pytest.raises(UnavailableEngineError, match=r"tts\.edge_tts: .*[Vv]oice"):
        await within(engine_for(edge, voice="Emma").open())
    assert not edge.requests


async def test_phrases_of_many_calls_are_spoken_side_by_side(edge):
    engine = engine_for(edge)
    lengths = [len(pcm) for pcm in await within(asyncio.gather(*(spoken(engine, "x" * n) for n in (5, 40, 20))))]

    assert lengths[0] < lengths[2] < lengths[1]


async def test_what_is_heard_is_what_was_said_to_the_sample_rate_and_level(edge):
    pcm = await within(spoken(engine_for(edge), "x" * 30))
    loud = np.abs(np.frombuffer(pcm, "<i2")).max()

    assert loud == pytest.approx(9_000, rel=0.1)
    assert struct.calcsize("<h") * (len(pcm) // 2) == len(pcm)
