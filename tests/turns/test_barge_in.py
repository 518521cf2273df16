# ruff: noqa: RUF001  words of many languages
from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.turns.barge_in import has_words, is_backchannel, normalise, words

MURMURS = """
Uh-huh.|Yeah, okay…|I see.|That’s right!|Mm-hmm|mhm|Ummm, okay|Right. Right.|OKAY|that makes sense, yeah
Ja, genau.|D'accord|Claro, sí|va bene|tá bom|Ага, понятно.|ठीक है।|好的。|はい、うん|네|نعم، تمام|Hı hı.
"""
REQUESTS = """
no|Stop.|wait|Right now|Okay, but which one?|I see what you mean, but|Yeah no|Is that right?|hello
nein|не надо|停|待って|बस करो
"""


def phrases(block: str) -> list[str]:
    return re.split(r"[|\n]", block.strip())


@pytest.mark.parametrize("text", phrases(MURMURS))
def test_murmurs_of_a_listener_do_not_interrupt(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", phrases(REQUESTS))
def test_words_that_ask_for_something_interrupt(text: str) -> None:
    assert has_words(text)
    assert not is_backchannel(text)


@pytest.mark.parametrize("text", ["", "  ", "…", "?!", "🎉", "- -", "\u200b"])
def test_nothing_said_is_neither_words_nor_backchannel(text: str) -> None:
    assert not has_words(text)
    assert not is_backchannel(text)
    assert words(text) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What's the weather, in Paris?", "whats the weather in paris"),
        ("It’s  3 o'clock.", "its 3 oclock"),
        ("STRASSE", "Straße"),
        ("ﬁne café", "FINE CAFÉ"),
        ("Well-known", "well known"),
    ],
)
def test_transcripts_that_differ_in_dress_are_the_same(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), [("two", "to"), ("I can", "I can't"), ("at 3", "at 13"), ("जी", "जा")])
def test_transcripts_that_differ_in_a_word_are_not(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert has_words(text) == bool(normalise(text))
