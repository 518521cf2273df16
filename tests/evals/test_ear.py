"""A recogniser hears whether what was spoken reached the caller's ear."""

from __future__ import annotations

from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.evals.ear import NO_EAR, overheard
from openclaw_actors.evals.record import StepRecord
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.testkit.ear import HEARD_RATE
from tests.evals.samples import agent, call, script

SAID = "The weather in Paris is nice today."
STEPS = ({"say": "a", "expect": {"ear": 0.7}}, {"say": "b", "expect": {"ear": 0.7}})


async def test_what_sounds_as_it_is_told_holds_and_silence_does_not(flite):
    resampler = Resampler(SAMPLE_RATE, HEARD_RATE)
    sound = resampler.push(flite(SAID).pcm) + resampler.flush()
    record = call(
        StepRecord(1, 2, 2.5),
        StepRecord(6, 7, 7.5),
        events=(agent(3, SAID), agent(8, SAID, 2)),
        sounds=[(2.5, sound), (7.5, bytes(len(sound)))],
    )
    ear = PocketSphinxEngine()
    await ear.open()
    try:
        heard, silent = await overheard(script(*STEPS), record, ear)
    finally:
        await ear.aclose()
    assert (heard.step, heard.verdict) == (1, "held"), heard
    assert (silent.step, silent.verdict) == (2, "failed")
    assert silent.detail.endswith(f"of {SAID!r}")


async def test_without_a_recogniser_it_is_skipped_in_so_many_words():
    checks = await overheard(script(*STEPS), call(StepRecord(1, 2, 2.5), StepRecord(6)), None)
    assert {(check.verdict, check.detail) for check in checks} == {("skipped", NO_EAR)}
