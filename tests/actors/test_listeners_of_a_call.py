"""Listening in, as the Call holds it: what is private stays so, and a fault ends the listening alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from openclaw_actors.actors.listening import ListeningIn
from openclaw_actors.actors.peer_ear import PeerEar
from openclaw_actors.media import mulaw
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import FRAME, AudioIn, Listen, StopListening

LOUD = (np.sin(np.arange(FRAME)) * 16_000).astype("<i2").tobytes()


def sound(pcm: bytes) -> AudioIn:
    return AudioIn(0, pcm, arrived_at=0.0)


class Notes:
    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []
        self.ended = False

    def hear(self, sound: bytes) -> None:
        self.heard.append(np.frombuffer(mulaw.decode(sound), "<i2").reshape(-1, 2))

    def end(self) -> None:
        self.ended = True


@pytest.fixture
def call():
    """What ListeningIn knows of a call."""
    call = SimpleNamespace(events=[], private=False)
    call.taps = Playout(OPUS, lambda: None).taps
    call.context = SimpleNamespace(call_id="call_1", playout=SimpleNamespace(taps=call.taps))
    call.ear = PeerEar(None, 1, call.taps)
    call.listening = ListeningIn(
        call.context, lambda kind, **data: call.events.append((kind, data)), lambda: call.private
    )
    return call


def test_who_gives_a_pin_is_not_heard(call):
    notes = Notes()
    call.listening.take(Listen(notes, "ada"))
    call.private = True
    call.ear.on_audio(sound(LOUD))
    call.private = False
    call.ear.on_audio(sound(LOUD))
    hidden, heard = (np.abs(frame[:, 0]).max() for frame in notes.heard)
    assert hidden < 10
    assert heard > 10_000


def test_each_is_told_of_by_name_and_the_taps_end_with_the_last(call):
    one, two = Notes(), Notes()
    call.listening.take(Listen(one, "ada"))
    call.listening.take(Listen(two, "bob"))
    call.listening.take(StopListening(one))
    call.listening.take(StopListening(one))
    assert call.taps.all == (call.listening,)
    call.listening.end()
    assert call.taps.all == ()
    assert (one.ended, two.ended) == (False, True)
    told = [(kind, data["listener"], data["listeners"]) for kind, data in call.events]
    assert told == [
        ("call.listener.joined", "ada", 1),
        ("call.listener.joined", "bob", 2),
        ("call.listener.left", "ada", 1),
        ("call.listener.left", "bob", 0),
    ]


def test_the_peer_that_the_caller_came_back_on_is_heard_and_the_one_before_no_more(call):
    notes = Notes()
    call.listening.take(Listen(notes, "ada"))
    again = PeerEar(None, 2, call.taps)
    call.ear.retire()
    call.ear.on_audio(sound(LOUD))
    assert not notes.heard
    again.on_audio(sound(LOUD))
    assert len(notes.heard) == 1


def test_a_fault_ends_the_listening_and_never_reaches_the_call(call):
    notes = Notes()
    call.listening.take(Listen(notes, "ada"))
    call.ear.on_audio(sound(b"odd"))
    assert notes.ended
    assert call.taps.all == ()
    assert call.events[-1][0] == "call.listener.left"


def test_a_listening_that_fails_does_not_cost_the_recording_beside_it_a_frame(call):
    recorded = []
    call.listening.take(Listen(Notes(), "ada"))
    call.taps.add(SimpleNamespace(heard=recorded.append))
    frames = [sound(b"odd"), sound(LOUD)]
    for frame in frames:
        call.ear.on_audio(frame)
    assert recorded == frames


def test_what_came_several_frames_at_a_time_is_heard_frame_by_frame(call):
    notes = Notes()
    call.listening.take(Listen(notes, "ada"))
    call.ear.on_audio(sound(LOUD * 3))
    assert [len(frame) for frame in notes.heard] == [FRAME] * 3
