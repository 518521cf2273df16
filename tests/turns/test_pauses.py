"""Callers who pause in a sentence, heard by a real recogniser: who is cut off?

Media time stands still while the recogniser works, as if it took no time: what is counted is what its words are worth.
"""

from __future__ import annotations

import pytest

from openclaw_actors.engines.stt.pocketsphinx_worker import Recogniser
from openclaw_actors.messages import FRAME, SAMPLE_RATE, LikelyEnd, TurnEnded
from openclaw_actors.settings.sections import Turns
from openclaw_actors.testkit.speakers import Speech, Voice, silence
from openclaw_actors.turns.completeness import completeness
from openclaw_actors.turns.endpointing import Endpointer
from openclaw_actors.turns.vad import SileroVad
from tests.load.cut_offs import SENTENCES


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser()


def ends(recogniser, speech: Speech) -> list[TurnEnded]:
    """The turns that are found in what a caller says, with the words of each likely end."""
    pcm = silence(0.5).then(speech, silence(2)).pcm
    endpointer, found = Endpointer(Turns(), vad=SileroVad()), []
    for start in range(0, len(pcm) // 2 - FRAME, FRAME):
        events = endpointer.push(start, pcm[2 * start : 2 * (start + FRAME)], start / SAMPLE_RATE)
        for event in events:
            if isinstance(event, LikelyEnd):
                begun = max(0, event.utterance - SAMPLE_RATE * 3 // 10)
                words = recogniser(pcm[2 * begun : 2 * (start + FRAME)])
                events += endpointer.weigh(event.utterance, event.rev, words=completeness(words))
        found += [event for event in events if isinstance(event, TurnEnded)]
    return found


SPOKEN: tuple[tuple[int, Voice], ...] = ((0, "slt"), (2, "awb"), (4, "rms"), (6, "slt"), (7, "rms"), (10, "rms"))
"""Sentences whose first part pocketsphinx understands in this voice; of the others it makes something else."""


def cut_off(recogniser, flite) -> int:
    """How many of them are cut in two by a pause of 600 ms."""
    said = [[flite(part, voice) for part in SENTENCES[number]] for number, voice in SPOKEN]
    return sum(len(ends(recogniser, before.then(silence(0.6), after))) > 1 for before, after in said)


def test_by_what_they_have_said_hardly_any_is_cut_off_by_600_ms(recogniser, flite):
    assert cut_off(recogniser, flite) <= 1


def test_by_silence_alone_all_of_them_would_be(flite):
    assert cut_off(lambda _: "that is all", flite) == len(SPOKEN)


def test_a_whole_question_is_ended_without_delay(recogniser, flite):
    question = flite("What is the weather like in Paris today?")
    (ended,) = ends(recogniser, question)
    assert ended.wanted_ms == 200
