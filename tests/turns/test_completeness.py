"""How finished a caller sounds: the words of one who pauses, and of one who has done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.turns.completeness import FINISHED, STATEMENT, UNFINISHED, completeness


@pytest.mark.parametrize(
    "text",
    [
        "I would like to know whether",
        "What is the weather like in the",
        "Please call my brother and",
        "My phone number is five five five",
        "it is 555 12",
        "I want to book a table for",
        "If it rains tomorrow",
        "The meeting is at three um",
        "I would like to know.",  # a recogniser that ends everything with a full stop
        "First, I need milk,",
        "I was thinking...",
        "Well \u2026",
        "ich m\u00f6chte einen Tisch f\u00fcr",
        "quiero reservar una",
        "je voudrais",
        "est-ce que",
    ],
)
def test_who_breaks_off_has_more_to_say(text: str) -> None:
    assert completeness(text) < UNFINISHED


@pytest.mark.parametrize(
    "text",
    [
        "What is the weather like in Paris today?",
        "what time is it",
        "how are you",
        "yes",
        "no thanks",
        "stop",
        "goodbye",
        "wie sp\u00e4t ist es",
        "\u00bfqu\u00e9 hora es?",
        "o\u00f9 est la gare",
        "\u4f60\u5728\u5e79\u4ec0\u9ebc\uff1f",
        "",
        "...",
    ],
)
def test_a_question_an_answer_and_nothing_are_whole(text: str) -> None:
    assert completeness(text) >= 0.9


@pytest.mark.parametrize(
    "text", ["I need a taxi", "set a timer for five minutes", "my name is Ada", "das geht so nicht"]
)
def test_a_statement_may_be_all_or_go_on(text: str) -> None:
    assert completeness(text) == STATEMENT


@pytest.mark.parametrize("text", ["Where are you from", "What is that for", "yes I am", "wo kommt das von"])
def test_words_that_a_question_may_leave_behind_are_less_sure(text: str) -> None:
    assert UNFINISHED <= completeness(text) < STATEMENT


def test_the_language_that_the_call_has_decides_between_words_of_two_languages() -> None:
    assert completeness("komm mit", "de-CH") < completeness("komm mit", "en")
    assert completeness("I want to go to the", "xx") == STATEMENT


@given(st.text(max_size=60), st.sampled_from(["", "en", "de", "es", "fr", "zh"]))
def test_any_text_in_any_script_has_a_measure(text: str, language: str) -> None:
    assert 0 <= completeness(text, language) <= FINISHED
