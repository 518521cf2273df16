# ruff: noqa: RUF001  punctuation of many scripts
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.turns.speech_markup import CODE_NOTE
from openclaw_actors.turns.speech_text import SpeechText


def clean(text: str, size: int = 1) -> str:
    speech = SpeechText()
    said = "".join(speech.push(text[n : n + size]) for n in range(0, len(text), size))
    return said + speech.flush()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Wait..... what??!!", "Wait... what?!"),
        ("• first item", "first item"),
        ("------", ""),
        ("Great 🎉🎉 job!!!", "Great job!"),
        ('{"spoken":"Hi"}', "Hi"),
        ('```json\n{"spoken":"Hi"}\n```', "Hi"),
        ('`{"spoken":"Hi"}`', "Hi"),
        ('{"spoken":""}', ""),
    ],
)
def test_openclaws_own_examples(text: str, said: str) -> None:
    assert clean(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**Bold**, *italic*, __bold__, _italic_ and ~~gone~~.", "Bold, italic, bold, italic and gone."),
        ("It's **really** *good*!!!", "It's really good!"),
        ("never **closed", "never closed"),
        ("snake_case, 3*4, a * b, ~5 and C:\\Users", "snake_case, 3*4, a * b, ~5 and C:\\Users"),
        ("call `do_it(x)` now", "call do_it(x) now"),
        ("a \\*b\\* c", "a *b* c"),
        ("Tom &amp; Jerry&#39;s AT&T & co", "Tom & Jerry's AT&T & co"),
        ("one\\\ntwo", "one\ntwo"),
    ],
)
def test_marks_of_emphasis_are_not_spoken_and_other_signs_stay(text: str, said: str) -> None:
    assert clean(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Title\n\n## Sub\ntext", "Title\n\nSub\ntext"),
        ("- one\n- [ ] two\n* [x] three\n  + four\n1. five", "one\ntwo\nthree\nfour\n1. five"),
        ("> quoted\n> > twice", "quoted\ntwice"),
        ("above\n\n---\n\n* * *\n\nbelow", "above\n\nbelow"),
        ("-5 degrees\n#hashtag\n$3", "-5 degrees\n#hashtag\n$3"),
        ("Before\n| a | b |\n|---|---|\n| 1 | 2 |\nAfter", "Before\n\nAfter"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("  a \t b  \n  c", "a b\nc"),
    ],
)
def test_lines_lose_their_marks_and_tables_are_skipped(text: str, said: str) -> None:
    assert clean(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("See [the docs](https://a.b/c_(d)) now.", "See the docs now."),
        ("See [the **docs**][ref] now.", "See the docs now."),
        ("![a cat](cat.png) sits", "a cat sits"),
        ("known[^1] and [1] and a[0] and [[other]]", "known and [1] and a[0] and [[other]]"),
        ("Go to https://www.example.com:8080/a/b?c=d. Then", "Go to example.com. Then"),
        ("(see http://x.org/y_(z)) or www.foo.de!", "(see x.org) or foo.de!"),
        ("<https://user@host.net/x>, **https://a.b/c**", "host.net, a.b"),
        ("http:// and www. and whew", "http:// and www. and whew"),
        ("[https://a.b/c](https://a.b/c)", "a.b"),
        ("[" + "long " * 30 + "label](http://x.y/z) end", "[" + "long " * 30 + "label end"),
    ],
)
def test_links_keep_their_label_and_urls_their_host(text: str, said: str) -> None:
    assert clean(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[tts:voice=x speed=1.1]]Hello[[/tts:text]] there", "Hello there"),
        ("<b>bold</b> and <br/>new<!-- not\nthis --> line", "bold and\nnew line"),
        ('<a href="https://x.y/' + "z" * 100 + '">label</a>', "label"),
        ("1 < 2, I <3 you, a <b", "1 < 2, I <3 you, a <b"),
        ("<think>Well, `x`\n```\nhm\n</think>\nAnswer", "Answer"),
        ("Fine 🎉. 👨‍👩‍👧 1️⃣ ok → 21 °C ™", "Fine. 1 ok 21 °C ™"),
        ("bell\x07 nul\x00 bom\ufeff soft\u00adhyphen", "bell nul bom softhyphen"),
        ("हि\u200dन्दी می\u200cشود", "हि\u200dन्दी می\u200cشود"),
        ("你好，，世界！！", "你好，世界！"),
        ('{ "spoken" : "Say \\"x\\"\\n\\u00e9\\ud842\\udfb7 **b**", "more": 1 } end', 'Say "x"\né𠮷 b end'),
        ("{not json} { }", "{not json} { }"),
    ],
)
def test_what_a_voice_can_not_say_is_dropped(text: str, said: str) -> None:
    assert clean(text) == said


def test_a_code_block_is_told_of_once() -> None:
    text = "Look:\n```python\nprint('*x*')\n```\nAnd:\n~~~\nmore\n~~~\nDone."
    assert clean(text) == f"Look:\n\n{CODE_NOTE}\n\nAnd:\n\nDone."
    assert clean("```\nnever closed") == f"{CODE_NOTE}\n"
    assert clean("Type ```ls -l``` there. Or\n```ls``` here.") == "Type ls -l there. Or\nls here."


def test_the_next_answer_begins_anew() -> None:
    speech = SpeechText()
    speech.push("```\nx\n```\n[half a link")
    speech.flush()
    assert speech.push("```\ny\n```\n**b** ") + speech.flush() == f"{CODE_NOTE}\n\nb"


@pytest.mark.parametrize("opener", ["[", "![", "[[tts", "<b", "{", '{"spok', "&", "\\", "**", "_", "https", "`", "~~"])
def test_what_looks_like_markup_holds_back_64_characters_at_most(opener: str) -> None:
    speech = SpeechText()
    said = speech.push("Well, " + opener + "and so on and on " * 10)
    assert len(said) >= len("Well, ") + 170 - 66


def test_plain_words_come_out_as_they_go_in() -> None:
    speech = SpeechText()
    assert speech.push("Plain") == "Plain"
    assert speech.push(" words,") == " words,"
    assert speech.push(" he") + speech.push("re") == " here"


MARKUP = r"""
a b1 http s:// www. x.y /p * ** _ ` ``` ~~~ ~ # - [ ] [[tts: ]] ( ) ! !! < > <b> </ think <think> </think> <!-- -->
| { } {"spoken":" " \ \u00e9 \ud83c & &amp; ; . ... 🎉 é
"""
OTHER = ["x" * 70, "\x00", "\ud800", "\u200d", "\n", "\n", "\n", " ", " ", " "]
pieces = st.lists(st.sampled_from([*MARKUP.split(), *OTHER]), max_size=60).map("".join)


@settings(max_examples=200, deadline=None)
@given(pieces, st.integers(2, 40))
def test_how_the_text_is_cut_into_pieces_changes_nothing(text: str, size: int) -> None:
    once = clean(text, len(text) + 1)
    assert clean(text, size) == once
    assert clean(text, 1) == once


@settings(max_examples=200, deadline=None)
@given(pieces)
def test_whatever_comes_out_can_be_spoken(text: str) -> None:
    said = clean(text)
    assert not any(sign in said for sign in ("🎉", "\x00", "\ud800", "....", "!!", "\n\n\n", "  ", " \n", "\n "))
    assert said == said.lstrip()


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("abc ,.é你"), max_size=200))
def test_text_without_markup_loses_nothing_but_space_and_repetition(text: str) -> None:
    def letters(t: str) -> str:
        return "".join(c for c in t if c.isalnum())

    assert letters(clean(text)) == letters(text)
