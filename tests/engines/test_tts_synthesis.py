from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np
import pytest
from tts_samples import Tone, heard, loudest_hz, within

from openclaw_actors.engines.tts import rendering
from openclaw_actors.engines.tts.cache import PhraseCache
from openclaw_actors.engines.tts.synthesis import Synthesis
from openclaw_actors.errors import BrokenEngineError, RefusedEngineError, TransientEngineError
from openclaw_actors.media import codecs
from openclaw_actors.media.codecs import OPUS, PCMU, Encoded, encode_phrase
from openclaw_actors.settings.sections import TtsCache

TEXT = "x" * 20
"""1.2 s of hum."""


@pytest.fixture
async def synthesis(closing):
    voice = Synthesis(PhraseCache(TtsCache()))
    yield voice
    await voice.aclose()


async def collect(sound) -> Encoded:
    return Encoded.joined([piece async for piece in sound])


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=lambda codec: codec.name)
async def test_a_phrase_comes_without_the_silence_around_it(synthesis, codec):
    phrase = await within(collect(synthesis.phrase(Tone(), codec, TEXT)))

    assert len(phrase.packets) * 0.02 == pytest.approx(1.2 + 0.1 + 0.01, abs=0.03)
    assert loudest_hz(phrase.pcm, codec.pcm_rate) == pytest.approx(300, abs=3)
    assert len(phrase.pcm) == len(phrase.packets) * codec.packet_samples * 2


async def test_the_first_packets_come_while_the_engine_is_still_speaking(synthesis):
    gate = asyncio.Semaphore(4)  # 400 ms of sound, of which 185 ms are silence
    engine = Tone(gate=gate)
    async with aclosing(synthesis.phrase(engine, OPUS, TEXT)) as sound:
        first = await within(anext(sound))

        assert first.packets
        assert engine.running == 1


@pytest.fixture
def made(monkeypatch) -> list[bytes]:
    """The PCM of each packet that was encoded."""
    found: list[bytes] = []
    encoder = codecs.opus_encoder

    def counted():
        encode = encoder()
        return lambda pcm: found.append(pcm) or encode(pcm)

    monkeypatch.setattr(codecs, "opus_encoder", counted)
    return found


async def test_a_phrase_is_encoded_as_its_packets_are_looked_at(synthesis, made):
    """A caller who interrupts throws the rest away."""
    phrase = await within(collect(synthesis.phrase(Tone(), OPUS, TEXT)))
    assert made == []
    heard(phrase.packets[:10])
    assert made == [phrase.pcm[at : at + 960] for at in range(0, 9_600, 960)]


async def test_a_phrase_of_which_little_was_played_is_known_the_next_time(synthesis, made):
    engine = Tone()
    first = await within(collect(synthesis.phrase(engine, OPUS, TEXT)))
    heard(first.packets[:10])
    again = await within(collect(synthesis.phrase(engine, OPUS, TEXT)))
    assert engine.asked == [TEXT]
    assert loudest_hz(heard(again.packets), 48_000) == pytest.approx(300, abs=3)
    assert len(made) == len(again.packets), "none twice"


async def test_a_clip_that_must_be_ready_is_encoded(synthesis, made):
    clip = await within(synthesis.whole(Tone(), OPUS, TEXT))
    assert len(made) == len(clip.packets)


@pytest.mark.parametrize("known", [True, False], ids=["cached", "made anew"])
async def test_what_a_restart_leaves_out_is_encoded_before_the_rest_is_sent(synthesis, made, known: bool):
    """By the clock that sends, all of it would be encoded at once."""
    if known:
        await within(collect(synthesis.phrase(Tone(), OPUS, TEXT)))
    rest = await within(collect(synthesis.phrase(Tone(), OPUS, TEXT, skip_s=0.9)))
    assert len(made) == 45
    heard(rest.packets[:1])
    assert len(made) == 46


async def test_what_was_said_before_is_not_asked_of_the_engine_again(synthesis):
    engine = Tone()
    first = await within(collect(synthesis.phrase(engine, OPUS, TEXT)))
    again = await within(collect(synthesis.phrase(engine, OPUS, f" {TEXT}\n")))

    assert engine.asked == [TEXT]
    assert again == first


async def test_callers_who_ask_for_the_same_at_once_share_one_request(synthesis):
    engine = Tone()
    phrases = await within(asyncio.gather(*(collect(synthesis.phrase(engine, OPUS, TEXT)) for _ in range(8))))

    assert engine.asked == [TEXT]
    assert len(set(phrases)) == 1


async def test_one_caller_leaving_does_not_stop_the_voice_for_the_other(synthesis):
    gate = asyncio.Semaphore(4)
    engine = Tone(gate=gate)
    async with aclosing(synthesis.phrase(engine, OPUS, TEXT)) as stays:
        async with aclosing(synthesis.phrase(engine, OPUS, TEXT)) as leaves:
            first = await within(anext(stays))
            assert await within(anext(leaves)) == first
        for _ in range(30):
            gate.release()
        rest = await within(collect(stays))

    assert len((first + rest).packets) * 0.02 == pytest.approx(1.31, abs=0.03)
    assert engine.asked == [TEXT]


async def test_an_interruption_stops_the_engine_at_once(synthesis):
    engine = Tone(gate=asyncio.Semaphore(4))
    async with aclosing(synthesis.phrase(engine, OPUS, TEXT)) as sound:
        await within(anext(sound))

    await within(engine.stopped.wait())
    assert engine.running == 0


async def test_cancelling_the_listener_stops_an_engine_that_says_nothing(synthesis):
    engine = Tone(gate=asyncio.Semaphore(0))
    listener = asyncio.create_task(collect(synthesis.phrase(engine, OPUS, TEXT)))
    await within(engine.started.wait())
    listener.cancel()

    await within(engine.stopped.wait())
    with pytest.raises(asyncio.CancelledError):
        await listener


async def test_a_phrase_that_was_stopped_is_not_kept(synthesis):
    gate = asyncio.Semaphore(4)
    engine = Tone(gate=gate)
    async with aclosing(synthesis.phrase(engine, OPUS, TEXT)) as sound:
        await within(anext(sound))
    engine.gate = None
    phrase = await within(collect(synthesis.phrase(engine, OPUS, TEXT)))

    assert engine.asked == [TEXT, TEXT]
    assert len(phrase.packets) * 0.02 == pytest.approx(1.31, abs=0.03)


async def test_a_fault_in_the_middle_reaches_every_listener_after_the_sound_before_it(synthesis):
    engine = Tone(fail=TransientEngineError("the line dropped"), fail_after=6)

    async def listen() -> tuple[int, str]:
        packets = 0
        try:
            async for piece in synthesis.phrase(engine, OPUS, TEXT):
                packets += len(piece.packets)
        except TransientEngineError as error:
            return packets, str(error)
        return packets, ""

    results = await within(asyncio.gather(listen(), listen()))

    assert results[0] == results[1]
    assert results[0][0] > 10
    assert results[0][1] == "the line dropped"
    engine.fail = None
    assert (await within(collect(synthesis.phrase(engine, OPUS, TEXT)))).packets  # the failure was not kept


@pytest.mark.parametrize(
    ("raised", "seen", "text"),
    [
        (RefusedEngineError("no key"), RefusedEngineError, "no key"),
        (ValueError("surprise"), BrokenEngineError, "ValueError: surprise"),
    ],
)
async def test_a_fault_keeps_its_kind_and_a_surprise_counts_as_broken(synthesis, raised, seen, text):
    with pytest.raises(seen, match=text):
        await within(collect(synthesis.phrase(Tone(fail=raised), OPUS, TEXT)))


async def test_a_request_that_hangs_is_not_joined_by_the_next_call(synthesis, monkeypatch):
    monkeypatch.setattr(rendering, "_JOINABLE_S", 0.0)
    engine = Tone(gate=asyncio.Semaphore(0))
    hangs = asyncio.create_task(collect(synthesis.phrase(engine, OPUS, TEXT)))
    await within(engine.started.wait())
    engine.gate = None

    assert (await within(collect(synthesis.phrase(engine, OPUS, TEXT)))).packets
    assert not hangs.done()
    hangs.cancel()


@pytest.mark.parametrize("known", [True, False], ids=["cached", "made anew"])
async def test_a_restart_goes_on_at_the_packet_where_the_voice_stopped(synthesis, known: bool):
    engine = Tone()
    whole = await within(collect(synthesis.phrase(engine, OPUS, TEXT)))
    if not known:
        engine.key = "tone/unknown"
    rest = await within(collect(synthesis.phrase(engine, OPUS, TEXT, skip_s=0.4)))

    assert rest.packets == whole.packets[20:]
    assert rest.pcm == whole.pcm[20 * 960 :]
    spliced = heard((*whole.packets[:20], *rest.packets))
    assert np.array_equal(spliced, heard(whole.packets))


async def test_skipping_more_than_there_is_leaves_nothing(synthesis):
    engine = Tone()

    assert not await within(collect(synthesis.phrase(engine, OPUS, TEXT, skip_s=60)))
    assert not await within(collect(synthesis.phrase(engine, OPUS, TEXT, skip_s=60)))


@pytest.mark.parametrize("text", ["", " ... ", "🙂", "?!"])
async def test_what_has_no_word_is_no_sound_and_no_request(synthesis, text: str):
    engine = Tone(fail=TransientEngineError("no audio was received"))

    assert not await within(collect(synthesis.phrase(engine, OPUS, text)))
    assert not engine.asked


async def test_a_clip_is_ready_as_a_whole(synthesis):
    clip = await within(synthesis.whole(Tone(), OPUS, TEXT, shareable=True))

    assert len(clip.packets) == 66


async def test_the_rest_of_a_paused_phrase_is_encoded_from_its_first_sample(synthesis):
    whole = await within(synthesis.whole(Tone(), OPUS, TEXT))
    packets = encode_phrase(OPUS, OPUS.pcm_rate, whole.without_first(7).pcm).packets

    assert len(packets) == len(whole.packets) - 7


async def test_closing_stops_what_is_under_way():
    engine = Tone(gate=asyncio.Semaphore(0))
    voice = Synthesis(PhraseCache(TtsCache()))
    listener = asyncio.create_task(collect(voice.phrase(engine, OPUS, TEXT)))
    await within(engine.started.wait())
    await within(voice.aclose())

    assert engine.running == 0
    with pytest.raises(BrokenEngineError, match="stopped"):
        await listener
