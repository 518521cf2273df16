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
    "[laughs] I am sorry, go on (please).",
    "Danke, das wäre alles. Auf Wiedersehen!",
    "Ne, ne, ne, das stimmt so nicht.",
    "two two two, seven seven seven, two two two",
    "Please subscribe me to the newsletter.",
    "See you in the next meeting.",
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
    "[BLANK_AUDIO]",
    "(applause) ♪♪",
    "*coughs*",
    "Vielen Dank fürs Zuschauen!",
    "Sous-titrage Société Radio-Canada",
    "Субтитры сделал DimaTorzok",
    "Продолжение следует...",
    "시청해주셔서 감사합니다.",
    "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
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


HOTWORDS = "OpenClaw, Grafana, Nguyen, Kubernetes"


@pytest.mark.parametrize(
    ("text", "no_speech", "dropped"),
    [
        ("OpenClaw, Grafana, Nguyen", 0.7, True),
        ("openclaw grafana nguyen kubernetes", 0.6, True),
        ("Grafana, Nguyen, Kubernetes.", 0.7, True),
        ("OpenClaw, Grafana, Nguyen", 0.1, False),  # it is sure to have heard them
        ("Grafana.", 0.7, False),
        ("Nguyen Kubernetes", 0.7, False),
        ("Kubernetes, Grafana, OpenClaw", 0.7, False),  # in another order: not the settings
        ("is that Grafana, Nguyen", 0.7, False),
    ],
)
def test_hot_words_that_come_back_in_silence_are_dropped(text, no_speech, dropped):
    assert made_up(decoded(text, no_speech=no_speech), hotwords=HOTWORDS) is dropped


THRESHOLDS = [
    # seconds, no speech, log probability, dropped: each rule at both sides of its threshold
    (2.0, 0.60, -1.01, False),
    (2.0, 0.61, -1.00, False),
    (2.0, 0.61, -1.01, True),
    (1.0, 0.99, -0.99, False),
    (0.36, 0.0, -0.1, False),
    (0.30, 0.0, -0.1, True),
]


@pytest.mark.parametrize(("seconds", "no_speech", "log_probability", "dropped"), THRESHOLDS)
def test_each_threshold_is_where_it_is_said_to_be(seconds, no_speech, log_probability, dropped):
    text = "please call my brother no"  # 25 letters: 16, and 25 a second
    assert made_up(decoded(text, seconds=seconds, no_speech=no_speech, log_probability=log_probability)) is dropped


@pytest.mark.parametrize(
    ("text", "looping"),
    [
        ("no " * 7, False),
        ("no " * 8, True),
        ("call me back " * 3, False),
        ("call me back " * 4, True),
        ("one two three four five six seven eight " * 4, True),
        ("ab" * 40, True),  # no word twice, yet it compresses 5 to 1
        ("the quick brown fox jumps over the lazy dog and runs away from it", False),
    ],
)
def test_loops_are_told_from_emphasis_by_how_often_it_is_said(text, looping):
    assert loops(text) is looping


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
