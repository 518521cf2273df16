"""Twilio's messages, as its documentation has them, and as somebody might send them who means no good."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.transports.media_streams.framing import (
    Connected,
    Digit,
    FrameError,
    Ignored,
    MarkEchoed,
    Media,
    Started,
    Stopped,
)
from openclaw_actors.transports.media_streams.twilio import TwilioFraming

START = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC11111111111111111111111111111111",
        "streamSid": "MZ44444444444444444444444444444444",
        "callSid": "CA22222222222222222222222222222222",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": "secret"},
    },
    "streamSid": "MZ44444444444444444444444444444444",
}
SILENCE = base64.b64encode(b"\xff" * 160).decode()
FRAMING = TwilioFraming()


def parse(message: object):
    return FRAMING.parse(json.dumps(message))


def media(**members: object) -> dict:
    part = {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": SILENCE, **members}
    return {"event": "media", "sequenceNumber": "3", "media": part, "streamSid": "MZ4"}


def test_the_messages_of_a_call():
    assert parse({"event": "connected", "protocol": "Call", "version": "1.0.0"}) == Connected()
    assert parse(START) == Started(
        "MZ44444444444444444444444444444444",
        "AC11111111111111111111111111111111",
        "CA22222222222222222222222222222222",
        {"token": "secret"},
        is_mulaw=True,
    )
    assert parse(media()) == Media(b"\xff" * 160, 2, 20)
    pressed = {"event": "dtmf", "streamSid": "MZ4", "dtmf": {"track": "inbound_track", "digit": "#"}}
    assert parse(pressed) == Digit("#")
    assert parse({"event": "mark", "streamSid": "MZ4", "mark": {"name": "0:3"}}) == MarkEchoed("0:3")
    assert parse({"event": "stop", "streamSid": "MZ4", "stop": {"callSid": "CA2"}}) == Stopped()
    assert parse({"event": "something-new", "streamSid": "MZ4"}) == Ignored()


def test_a_start_without_parameters_or_call_is_one_of_nobody():
    bare = {**START["start"], "customParameters": None, "callSid": None}
    started = parse({**START, "start": bare})
    assert (started.parameters, started.carrier_call_id) == ({}, "")


def test_other_sound_than_mulaw_is_seen():
    for change in ({"encoding": "audio/x-l16"}, {"sampleRate": 16000}, {"channels": 2}):
        changed = {**START["start"], "mediaFormat": {**START["start"]["mediaFormat"], **change}}
        assert not parse({**START, "start": changed}).is_mulaw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        "[]",
        "7",
        "null",
        "{}",
        '{"event": 7}',
        '{"event": "media"}',
        '{"event": "media", "media": []}',
        '{"event": "start"}',
        '{"event": "start", "start": {"streamSid": "MZ"}}',
        '{"event": "mark", "mark": {"name": ""}}',
        '{"event": "mark", "mark": {"name": 7}}',
        '{"event": "dtmf", "dtmf": {"digit": "12"}}',
        '{"event": "dtmf", "dtmf": {"digit": ""}}',
        '{"event": "dtmf", "dtmf": {"digit": "e"}}',
        "[" * 60_000,
        '{"a":' * 60_000,
        json.dumps(media(payload=7)),
        json.dumps(media(payload="?")),
        json.dumps(media(payload="AAA")),
        json.dumps(media(payload="\u00e4\u00e4\u00e4\u00e4")),
        json.dumps(media(chunk="x")),
        json.dumps(media(chunk="-1")),
        json.dumps(media(chunk="\u0663")),
        json.dumps(media(chunk="9" * 5000)),
        json.dumps(media(timestamp=True)),
        json.dumps(media(timestamp=1.5)),
        json.dumps(media(timestamp=None)),
        json.dumps({**START, "start": {**START["start"], "customParameters": [1]}}),
        json.dumps({**START, "start": {**START["start"], "streamSid": "M" * 300}}),
    ],
    ids=lambda text: text[:40],
)
def test_what_can_not_be_read_is_an_error_that_quotes_nothing_of_it(text):
    with pytest.raises(FrameError) as error:
        FRAMING.parse(text)
    assert len(str(error.value)) < 80


@given(st.text(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_text_brings_it_down(text):
    with contextlib.suppress(FrameError):
        FRAMING.parse(text)


def test_what_we_say_is_one_of_the_three_messages_that_twilio_takes():
    said = [
        FRAMING.media("MZ4", b"\xce" * 160),
        FRAMING.mark("MZ4", "0:1"),
        FRAMING.clear("MZ4"),
    ]
    assert [json.loads(text) for text in said] == [
        {"event": "media", "streamSid": "MZ4", "media": {"payload": base64.b64encode(b"\xce" * 160).decode()}},
        {"event": "mark", "streamSid": "MZ4", "mark": {"name": "0:1"}},
        {"event": "clear", "streamSid": "MZ4"},
    ]
