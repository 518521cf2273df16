"""What Telnyx's and Plivo's streams say, and what they are told."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

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
from openclaw_actors.transports.media_streams.plivo import PlivoFraming
from openclaw_actors.transports.media_streams.telnyx import TelnyxFraming

TELNYX, PLIVO = TelnyxFraming(), PlivoFraming()
SOUND = base64.b64encode(b"\xff" * 160).decode()
TELNYX_START = {
    "event": "start",
    "sequence_number": "1",
    "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
    "start": {
        "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
        "call_control_id": "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
        "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    },
}
PLIVO_START = {
    "event": "start",
    "sequenceNumber": 1,
    "start": {
        "callId": "12345678-1234-1234-1234-123456789abc",
        "streamId": "87654321-4321-4321-4321-cba987654321",
        "accountId": "MAXXXXXXXXXXXXXXXXXX",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
    },
    "extra_headers": "{}",
}


@pytest.mark.parametrize(
    ("framing", "message", "meaning"),
    [
        (TELNYX, {"event": "connected", "version": "1.0.0"}, Connected()),
        (
            TELNYX,
            TELNYX_START,
            Started(
                "32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
                "3E6F995F-85F7-4705-9741-53B116D28237",
                "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
                {},
                is_mulaw=True,
            ),
        ),
        (
            TELNYX,
            {"event": "media", "media": {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": SOUND}},
            Media(b"\xff" * 160, 2, 20),
        ),
        (
            TELNYX,
            {"event": "media", "media": {"track": "outbound", "chunk": "2", "timestamp": "20", "payload": SOUND}},
            Ignored(),
        ),
        (TELNYX, {"event": "dtmf", "dtmf": {"digit": "#"}}, Digit("#")),
        (TELNYX, {"event": "mark", "mark": {"name": "1:2"}}, MarkEchoed("1:2")),
        (TELNYX, {"event": "stop", "stop": {"call_control_id": "v2:a"}}, Stopped()),
        (
            PLIVO,
            PLIVO_START,
            Started(
                "87654321-4321-4321-4321-cba987654321",
                "MAXXXXXXXXXXXXXXXXXX",
                "12345678-1234-1234-1234-123456789abc",
                {},
                is_mulaw=True,
            ),
        ),
        (
            PLIVO,
            {"event": "media", "media": {"track": "inbound", "chunk": 2, "timestamp": "20", "payload": SOUND}},
            Media(b"\xff" * 160, 2, 20),
        ),
        (PLIVO, {"event": "dtmf", "dtmf": {"track": "inbound", "digit": "5", "timestamp": "9"}}, Digit("5")),
        (PLIVO, {"event": "playedStream", "streamId": "s", "name": "1:2"}, MarkEchoed("1:2")),
        (PLIVO, {"event": "clearedAudio", "streamId": "s"}, Ignored()),
        (PLIVO, {"event": "stop"}, Stopped()),
    ],
)
def test_each_message_means_what_the_carriers_reference_says(framing, message, meaning):
    assert framing.parse(json.dumps(message)) == meaning


@pytest.mark.parametrize(
    ("framing", "start", "part"), [(TELNYX, TELNYX_START, "media_format"), (PLIVO, PLIVO_START, "mediaFormat")]
)
def test_other_sound_than_mu_law_is_told_apart(framing, start, part):
    changed = {
        **start,
        "start": {**start["start"], part: {"encoding": "L16", "sample_rate": 16000, "sampleRate": 16000}},
    }
    assert not framing.parse(json.dumps(changed)).is_mulaw


def test_what_telnyx_is_told():
    assert json.loads(TELNYX.media("s", b"\xff")) == {"event": "media", "media": {"payload": "/w=="}}
    assert json.loads(TELNYX.mark("s", "1:2")) == {"event": "mark", "mark": {"name": "1:2"}}
    assert json.loads(TELNYX.clear("s")) == {"event": "clear"}


def test_what_plivo_is_told():
    sound = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": "/w=="}
    assert json.loads(PLIVO.media("s", b"\xff")) == {"event": "playAudio", "media": sound}
    assert json.loads(PLIVO.mark("s", "1:2")) == {"event": "checkpoint", "streamId": "s", "name": "1:2"}
    assert json.loads(PLIVO.clear("s")) == {"event": "clearAudio", "streamId": "s"}


def test_an_error_of_telnyxs_is_told_by_its_number_alone():
    with pytest.raises(FrameError, match="100003") as error:
        TELNYX.parse(json.dumps({"event": "error", "payload": {"code": 100003, "detail": "secret"}}))
    assert "secret" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.sampled_from(["start", "media", "dtmf", "mark", "name", "payload", "stream_id", "streamId"])


@given(
    st.sampled_from([TELNYX, PLIVO]),
    st.sampled_from(["start", "media", "dtmf", "mark", "playedStream", "error", "stop"]),
    st.dictionaries(PARTS, JSON, max_size=4),
)
def test_whatever_comes_is_read_or_refused_and_nothing_else(framing, event, more):
    with suppress(FrameError):
        framing.parse(json.dumps({**more, "event": event}))
