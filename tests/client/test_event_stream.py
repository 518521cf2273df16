"""Server-sent events are read as the standard says, however the bytes are cut."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.event_stream import EventStream

TEXTS = st.lists(st.text(max_size=20).filter(lambda text: "\0" not in text), max_size=5)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(marks)]


@given(TEXTS, st.sampled_from(["\n", "\r\n"]), st.lists(st.integers(0, 400), max_size=10))
@settings(max_examples=60, deadline=None)
def test_events_come_out_whole_wherever_the_bytes_are_cut(texts, end, places):
    sent = "".join(f"id: 1{end}event: x{end}data: {json.dumps(text)}{end}{end}: beat{end}{end}" for text in texts)
    stream = EventStream()
    found = [data for piece in cut(sent.encode(), places) for data in stream.push(piece)]
    assert [json.loads(data) for data in found] == texts


def test_data_of_several_lines_is_one_text_and_comments_are_none():
    stream = EventStream()
    assert stream.push(b": hello\n\ndata: a\ndata:b\n\ndata\n\nid: 3\n\n") == ["a\nb", ""]


def test_the_pause_that_the_sender_asks_for_is_known():
    stream = EventStream()
    stream.push(b"retry: 2500\nretry: soon\n\n")
    assert stream.retry_s == 2.5
