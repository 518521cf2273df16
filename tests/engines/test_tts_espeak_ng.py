from __future__ import annotations

import asyncio
import os
import signal

import pytest
from tts_samples import rms, within

from openclaw_actors.engines.tts.espeak_library import EspeakLibrary
from openclaw_actors.engines.tts.espeak_ng import EspeakNgEngine
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.settings.sections import EspeakNg


async def spoken(engine: EspeakNgEngine, text: str) -> bytes:
    return b"".join([piece async for piece in engine.speak(text) if isinstance(piece, bytes)])


def seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / 22_050


async def test_it_speaks_with_no_network_and_nothing_installed_by_hand(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()
    pcm = await within(spoken(engine, "Hello there, what is the weather like in Paris today?"))

    assert engine.sample_rate == 22_050
    assert 2 < seconds(pcm) < 4
    assert rms(pcm) > 1_000


async def test_sound_comes_in_pieces_while_the_rest_is_still_made(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()
    pieces = [piece async for piece in engine.speak("One. Two. Three. Four. Five. Six.") if isinstance(piece, bytes)]

    assert len(pieces) > 20
    assert all(0 < len(piece) <= 0.1 * 22_050 * 2 and len(piece) % 2 == 0 for piece in pieces)


async def test_a_phrase_that_is_closed_early_leaves_the_voice_ready_for_the_next(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()
    long = engine.speak("This is a very long sentence that nobody wants to hear. " * 40)
    await within(anext(long))
    await long.aclose()

    assert 0.2 < seconds(await within(spoken(engine, "Hello."))) < 1.5


async def test_many_callers_get_each_their_own_words(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()
    texts = ["yes", "a rather longer answer to that question", "no", "something in between"]
    lengths = [seconds(pcm) for pcm in await within(asyncio.gather(*(spoken(engine, text) for text in texts)))]

    assert lengths[1] > lengths[3] > max(lengths[0], lengths[2])


async def test_a_voice_that_is_not_there_is_named_with_its_neighbours(closing):
    engine = closing(EspeakNgEngine(EspeakNg(voice="en-uss")))

    with pytest.raises(UnavailableEngineError, match="no voice 'en-uss'; did you mean en-us"):
        await engine.open()


async def test_a_caller_hears_the_phrase_though_the_process_was_killed_before_it(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()
    (pid,) = engine._pool.pids
    os.kill(pid, signal.SIGKILL)

    assert seconds(await within(spoken(engine, "Still here."))) > 0.4


async def test_text_can_not_command_the_voice(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()
    plain = seconds(await within(spoken(engine, "stop")))

    assert seconds(await within(spoken(engine, '<break time="9s"/>stop'))) < plain + 4
    assert seconds(await within(spoken(engine, "[[h@l'oU]] stop"))) > plain
    assert seconds(await within(spoken(engine, "stop\0stop"))) > 1.3 * plain


async def test_nothing_to_say_is_no_sound(closing):
    engine = closing(EspeakNgEngine(EspeakNg()))
    await engine.open()

    assert rms(await within(spoken(engine, ""))) == 0


@pytest.mark.parametrize("voice", ["en-us", "en-gb", "en-gb+f3", "de+m2", "pt-br"])
async def test_every_language_that_is_listed_is_a_voice_with_or_without_a_variant(closing, voice: str):
    engine = closing(EspeakNgEngine(EspeakNg(voice=voice)))
    await within(engine.open())

    assert seconds(await within(spoken(engine, "One."))) > 0.2


async def test_speed_and_voice_shape_the_sound_and_the_cache_key(closing):
    slow, fast = closing(EspeakNgEngine(EspeakNg(speed=100))), closing(EspeakNgEngine(EspeakNg(speed=300)))
    for engine in (slow, fast):
        await engine.open()
    text = "How fast do I speak to you today?"

    assert seconds(await within(spoken(slow, text))) > 1.5 * seconds(await within(spoken(fast, text)))
    assert slow.cache_key() != fast.cache_key()
    assert EspeakNgEngine(EspeakNg(voice="de")).cache_key() != EspeakNgEngine(EspeakNg()).cache_key()


def test_the_library_lists_what_it_has():
    library = EspeakLibrary("en-us+f3", 165)

    assert {"en-us", "de", "es"} <= set(library._voices())
