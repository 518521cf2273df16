"""What Whisper makes up is dropped, and what callers say is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.engines.stt.hallucination import Decoded, compression_ratio, loops, made_up, normalise

SAID = [
    "Yes please.",
    "No, no, no, no.",
    "Thank you.",
    "one one one one two two two two",
    "My number is 5 5 5 0 1 0 0 9 9 9.",
    "I would like to know whether I should bring an umbrella.",
    "Set a timer for five minutes, and another timer for ten minutes, and another for twenty minutes.",
    "Ja, grüezi, ich hätte gern einen Kaffee.",
    "今日の天気はどうですか",
]

MADE_UP = [
    "",
    " ... ",
    "Thanks for watching!",
    "Thank you for watching.",
    "Subtitles by the Amara.org community",
    "you you you you you you you you you",
    "I'm going to go. I'm going to go. I'm going to go. I'm going to go.",
    "la la la la " * 30,
]


def decoded(text, *, seconds=None, no_speech=0.1, log_probability=-0.3):
    return Decoded(text, len(text) / 15 if seconds is None else seconds, no_speech, log_probability)


@pytest.mark.parametrize("text", SAID)
def test_what_callers_say_is_believed(text):
    assert not made_up(decoded(text))


@pytest.mark.parametrize("text", MADE_UP)
def test_loops_and_closing_lines_are_dropped_however_sure_the_model_is(text):
    assert made_up(decoded(text, no_speech=0.0, log_probability=-0.01))


def test_silence_must_be_suspected_and_the_text_improbable_together():
    assert not made_up(decoded("hello there", no_speech=0.9, log_probability=-0.5))
    assert not made_up(decoded("hello there", no_speech=0.1, log_probability=-1.5))
    assert made_up(decoded("hello there", no_speech=0.9, log_probability=-1.5))


def test_politeness_is_believed_unless_silence_is_suspected():
    assert not made_up(decoded("Thank you.", no_speech=0.3))
    assert made_up(decoded("Thank you.", no_speech=0.6))
    assert not made_up(decoded("Thank you, that is all.", no_speech=0.6))


def test_nobody_speaks_that_fast():
    assert not made_up(decoded("no thank you", seconds=0.3))
    assert made_up(decoded("the committee will meet again on the second thursday of november", seconds=0.5))


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200), st.floats(0, 30), st.floats(0, 1), st.floats(-10, 0))
def test_any_text_is_judged_and_being_surer_never_makes_it_made_up(text, seconds, no_speech, log_probability):
    verdict = made_up(Decoded(text, seconds, no_speech, log_probability))
    surer = made_up(Decoded(text, seconds + 1, no_speech / 2, log_probability / 2))
    assert verdict or not surer


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(["red", "green", "blue", "yellow", "white", "black"]), min_size=2, max_size=6, unique=True)
)
def test_a_phrase_said_over_and_over_is_a_loop_and_said_once_is_not(words):
    phrase = " ".join(words)
    assert not loops(phrase)
    assert loops(" ".join([phrase] * 6))


def test_normalised_text_has_words_only():
    assert normalise("  Well -- Hello,\tWORLD!  ") == "well hello world"
    assert compression_ratio("") == 0
