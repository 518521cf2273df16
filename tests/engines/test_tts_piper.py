"""Piper's own package with a voice made here: the real signature, phonemes by its espeak-ng, a hum for sound."""

from __future__ import annotations

import pytest
from piper_voice import RATE, make_voice
from tts_samples import rms, within

from openclaw_actors.engines.protocols import Voice
from openclaw_actors.engines.tts.piper import PiperEngine
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.settings.sections import Piper


async def spoken(engine: PiperEngine, text: str, voice: Voice | None = None) -> list[bytes]:
    return [piece async for piece in engine.speak(text, voice or Voice())]


async def test_it_speaks_sentence_by_sentence_at_the_voices_own_rate(closing, tmp_path):
    engine = closing(PiperEngine(Piper(voice=str(make_voice(tmp_path / "hum.onnx")))))
    await within(engine.open(), 30)
    pieces = await within(spoken(engine, "Hello there. How are you?"))

    assert engine.sample_rate == RATE
    assert len(pieces) == 2
    assert all(rms(piece) > 1_000 for piece in pieces)


async def test_a_call_may_have_it_speak_faster(closing, tmp_path):
    engine = closing(PiperEngine(Piper(voice=str(make_voice(tmp_path / "hum.onnx")))))
    await within(engine.open(), 30)
    plain = b"".join(await within(spoken(engine, "Hello there.")))
    fast = b"".join(await within(spoken(engine, "Hello there.", Voice(rate=2.0))))

    assert len(plain) == pytest.approx(2 * len(fast), rel=0.02)
    assert engine.cache_key() != engine.cache_key(Voice(rate=2.0))


async def test_text_can_not_command_the_voice(closing, tmp_path):
    engine = closing(PiperEngine(Piper(voice=str(make_voice(tmp_path / "hum.onnx")))))
    await within(engine.open(), 30)

    assert b"".join(await within(spoken(engine, "Well [[ hal ]] there."))) == b"".join(
        await within(spoken(engine, "Well (( hal ]] there."))
    )


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (Piper(), "tts.piper.voice is empty"),
        (Piper(voice="en_US-nobody-low"), r"python -m piper.download_voices en_US-nobody-low --download-dir"),
        (Piper(voice="/nowhere/voice.onnx"), "there is no voice at /nowhere/voice.onnx"),
    ],
    ids=["no voice", "not downloaded", "no file"],
)
async def test_what_is_missing_is_told_with_its_remedy(closing, settings, remedy):
    with pytest.raises(UnavailableEngineError, match=remedy):
        await within(closing(PiperEngine(settings)).open())


async def test_a_file_that_is_no_voice_and_a_speaker_that_is_not_there_are_told(closing, tmp_path):
    voice = make_voice(tmp_path / "hum.onnx", speakers=2)
    with pytest.raises(UnavailableEngineError, match=r"no speaker 'anna'.*it has speaker0, speaker1"):
        await within(closing(PiperEngine(Piper(voice=str(voice), speaker="anna"))).open(), 30)
    voice.write_bytes(b"no model")
    with pytest.raises(UnavailableEngineError, match="can't be loaded"):
        await within(closing(PiperEngine(Piper(voice=str(voice)))).open(), 30)
    voice.with_name("hum.onnx.json").unlink()
    with pytest.raises(UnavailableEngineError, match=r"hum\.onnx\.json"):
        await within(closing(PiperEngine(Piper(voice=str(voice)))).open(), 30)
