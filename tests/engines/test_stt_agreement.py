"""Which words of a growing utterance are settled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.engines.stt.agreement import Agreement


def heard(*partials):
    agreement = Agreement()
    for partial in partials:
        agreement.hear(partial)
    return agreement.agreed, agreement.text


CASES = [
    # partials, agreed, shown
    ([], "", ""),
    (["set a timer"], "", "set a timer"),
    (["set a", "set a timer"], "set a", "set a timer"),
    (["set a timer", "set a timer"], "set a", "set a timer"),  # the last word may still become "timers"
    (["I have five", "I have fifteen euros"], "I have", "I have fifteen euros"),
    (["I have five.", "I have five, or six"], "I have five,", "I have five, or six"),
    (["Hello there", "hello There, friend"], "hello There,", "hello There, friend"),
    (["one two three", "one too three", "one two three four"], "one", "one two three four"),
    (["turn off", "", "turn off the light"], "", "turn off the light"),
    (["今日は", "今日は天気"], "今日は", "今日は天気"),
    (["Ja, grüezi", "Ja, grüezi mitenand"], "Ja, grüezi", "Ja, grüezi mitenand"),
]


@pytest.mark.parametrize(("partials", "agreed", "shown"), CASES)
def test_words_on_which_two_partials_agree_are_settled_but_for_the_last(partials, agreed, shown):
    assert heard(*partials) == (agreed, shown)


def test_a_recogniser_that_changes_its_mind_does_not_change_what_is_settled():
    assert heard("turn the lights", "turn the lights off", "burn the lights off now") == (
        "turn the lights off",
        "turn the lights off now",
    )


@given(
    st.lists(st.lists(st.sampled_from(["one", "two", "three", "four", "five"]), max_size=6).map(" ".join), max_size=8)
)
def test_what_is_settled_only_grows_and_is_always_how_the_text_begins(partials):
    agreement, before = Agreement(), ""
    for partial in partials:
        agreement.hear(partial)
        assert agreement.agreed.startswith(before)
        assert agreement.text.startswith(agreement.agreed)
        before = agreement.agreed
