"""Whether the caller could hear what the agent is said to have spoken: a recogniser listens to what came."""

from __future__ import annotations

from collections import Counter

from openclaw_actors.engines.protocols import SttEngine
from openclaw_actors.errors import EngineError
from openclaw_actors.evals.checks import Check
from openclaw_actors.evals.record import CallRecord, text_of
from openclaw_actors.evals.scripts import Script, words_of
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.testkit.ear import HEARD_RATE

NO_EAR = "no recogniser is chosen: --ear faster-whisper, or another one of the host's"


async def overheard(script: Script, record: CallRecord, ear: SttEngine | None) -> list[Check]:
    """One Check for each ``ear`` of the script; skipped without a recogniser."""
    said = [text_of(lines) for lines in record.said_by_agent()]
    wanted = [
        (number + 1, step.expect.ear, said[number], record.sound_of(number))
        for number, step in enumerate(script.steps)
        if step.expect.ear
    ]
    if script.expect.ear:
        wanted.append((0, script.expect.ear, " ".join(said), b"".join(pcm for _, pcm in record.sounds)))
    checks = []
    for step, share, words, pcm in wanted:
        what = f"an ear hears {share:.0%} of it"
        if ear is None:
            checks.append(Check(step, what, "skipped", NO_EAR))
            continue
        try:
            heard = await _recognise(ear, pcm)
        except EngineError as error:
            checks.append(Check(step, what, "failed", f"the recogniser failed: {error}"))
            continue
        found = share_heard(words, heard)
        detail = f"{found:.0%}: it heard {heard!r} of {words!r}"
        checks.append(Check(step, what, "held" if found >= share else "failed", "" if found >= share else detail))
    return checks


async def _recognise(ear: SttEngine, pcm: bytes) -> str:
    resampler = Resampler(HEARD_RATE, SAMPLE_RATE)
    at_16k = resampler.push(pcm) + resampler.flush()
    return (await ear.transcribe(at_16k)).text if at_16k else ""


def share_heard(said: str, heard: str) -> float:
    """Of the words that were said, the share that was heard, each as often as it was said; 0 when nothing was said."""
    spoken, there = Counter(words_of(said)), Counter(words_of(heard))
    return (spoken & there).total() / spoken.total() if spoken else 0.0
