# ruff: noqa: RUF001  punctuation of many scripts
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.turns.phrases import PhraseSplitter


def split(text: str, size: int = 1) -> list[str]:
    splitter = PhraseSplitter()
    phrases = [phrase for n in range(0, len(text), size) for phrase in splitter.push(text[n : n + size])]
    return phrases + splitter.flush()


def after_pushing(text: str) -> tuple[PhraseSplitter, list[str]]:
    splitter = PhraseSplitter()
    return splitter, splitter.push(text)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Let me have a look, one moment please.", ["Let me have a look,", "one moment please."]),
        ("Yes, I can do that for you.", ["Yes, I can do that", "for you."]),
        ("The quick brown fox jumps over every dog.", ["The quick brown fox jumps over", "every dog."]),
        ("Sure!", ["Sure!"]),
        ("Ask Dr. Smith about it. He knows.", ["Ask Dr. Smith about it.", "He knows."]),
        ("It is 3.5 degrees. Brr.", ["It is 3.5 degrees.", "Brr."]),
        ("That costs 1,000 euros: too much.", ["That costs 1,000 euros:", "too much."]),
        ("Look at example.com/a.b, it is there.", ["Look at example.com/a.b,", "it is there."]),
        ('I think "maybe not," she said.', ['I think "maybe not,"', "she said."]),
        ("Heading here\nAnd then the text.", ["Heading here", "And then the text."]),
        ("今天天气很好，我们去公园吧！", ["今天天气很好，", "我们去公园吧！"]),
        ("नमस्ते दोस्तों। आप कैसे हैं?", ["नमस्ते दोस्तों।", "आप कैसे हैं?"]),
        ("مرحبا يا صديقي، كيف حالك؟", ["مرحبا يا صديقي،", "كيف حالك؟"]),
        ("", []),
        ("...", []),
        ("  \n ", []),
    ],
)
def test_a_first_phrase_comes_early_and_breaks_nothing(text: str, phrases: list[str]) -> None:
    assert split(text) == phrases


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        (
            "One moment please. It rains. Take your umbrella with you. The wind is strong. Bye.",
            ["One moment please.", "It rains. Take your umbrella with you. The wind is strong.", "Bye."],
        ),
        (
            "One moment please. The train of Mr. Jones leaves at 5 p.m. from platform 4, e.g. for the U.S. border. Go!",
            [
                "One moment please.",
                "The train of Mr. Jones leaves at 5 p.m. from platform 4, e.g. for the U.S. border.",
                "Go!",
            ],
        ),
        (
            'One moment please. Well... is it "really?" I would not know what to say. See www.example.com/x.y now.',
            [
                "One moment please.",
                'Well... is it "really?" I would not know what to say.',
                "See www.example.com/x.y now.",
            ],
        ),
    ],
)
def test_later_phrases_are_whole_sentences_and_short_ones_go_together(text: str, phrases: list[str]) -> None:
    assert split(text) == phrases


def test_the_first_phrase_does_not_wait_for_the_second() -> None:
    assert after_pushing("Let me have a look, ")[1] == ["Let me have a look,"]
    assert after_pushing("The quick brown fox jumps over ")[1] == ["The quick brown fox jumps over"]


def test_a_very_long_sentence_is_cut_at_a_clause_and_else_between_words() -> None:
    clauses = split("One moment please. " + "this clause goes on and on, " * 20)
    assert all(phrase.endswith("on,") and len(phrase) <= 160 for phrase in clauses[1:])
    words = split("One moment please. " + "word " * 200)
    assert all(set(phrase.split()) == {"word"} and len(phrase) <= 300 for phrase in words[1:])
    assert max(map(len, split("a" * 1000))) == 300


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("Sure.", ["Sure."]),
        ("One moment", []),
        ("I am looking for th", ["I am looking for"]),
        ("Hello", []),
        ("It costs 3.", []),
        ("I know Dr.", []),
        ("你好。", ["你好。"]),
        ("…", []),
    ],
)
def test_a_stall_speaks_what_is_whole(text: str, phrases: list[str]) -> None:
    splitter, early = after_pushing(text)
    assert early == []
    assert splitter.stalled() == phrases
    assert splitter.stalled() == []


def test_a_later_stall_waits_for_a_mark() -> None:
    splitter, _ = after_pushing("One moment please. And then some words")
    assert splitter.stalled() == []
    splitter.push(", and others. Yes. Onl")
    assert splitter.stalled() == ["And then some words, and others. Yes."]
    assert splitter.flush() == ["Onl"]


def test_after_a_flush_the_next_answer_begins_early_again() -> None:
    splitter, _ = after_pushing("One moment please. Some")
    splitter.flush()
    assert splitter.push("Let me have a look, ") == ["Let me have a look,"]


WORDS = 'Hello Dr 3 5 e.g. a.b Yes the weather 今天 天气 नमस्ते . . , ! ? ... … ; : — " ) 。 ， ？ । ؟ 🎉 é'
texts = st.lists(st.sampled_from([*WORDS.split(), "x" * 50, "\n", "  ", *[" "] * 10]), max_size=120).map("".join)


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(1, 9))
def test_no_text_is_lost_and_phrases_are_short(text: str, size: int) -> None:
    phrases = split(text, size)
    said, given_text = ("".join(t.split()) for t in ("".join(phrases), text))
    assert [c for c in said if c.isalnum()] == [c for c in given_text if c.isalnum()]
    if len(text) < 300:  # longer runs of bare marks are dropped wherever they stand
        assert given_text.startswith(said)
    assert all(phrase == phrase.strip() and len(phrase) <= 300 for phrase in phrases)
    assert all(any(c.isalnum() for c in phrase) for phrase in phrases)


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(2, 400))
def test_how_the_text_arrives_changes_no_phrase(text: str, size: int) -> None:
    assert split(text, size) == split(text, 1)


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(1, 9))
def test_stalls_lose_no_text_either(text: str, size: int) -> None:
    splitter = PhraseSplitter()
    said: list[str] = []
    for n in range(0, len(text), size):
        said += splitter.push(text[n : n + size]) + splitter.stalled()
    said += splitter.flush()
    assert [c for c in "".join(said) if c.isalnum()] == [c for c in text if c.isalnum()]
