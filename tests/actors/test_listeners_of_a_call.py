"""Listening in, as the Call holds it: what is private stays so, and a fault ends the listening alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from openclaw_actors.actors.listening import ListeningIn
from openclaw_actors.media import mulaw
from openclaw_actors.messages import FRAME, Listen, StopListening

LOUD = (np.sin(np.arange(FRAME)) * 16_000).astype("<i2").tobytes()


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
    call.context = SimpleNamespace(call_id="call_1", playout=SimpleNamespace(tap=None))
    call.ear = SimpleNamespace(tap=None)
    call.listening = ListeningIn(
        call.context, call.ear, lambda kind, **data: call.events.append((kind, data)), lambda: call.private
    )
    return call


def test_who_gives_a_pin_is_not_heard(call):
    notes = Notes()
    call.listening.take(Listen(notes, "ada"))
    call.private = True
    call.ear.tap(LOUD)
    call.private = False
    call.ear.tap(LOUD)
    hidden, heard = (np.abs(frame[:, 0]).max() for frame in notes.heard)
    assert hidden < 10
    assert heard > 10_000


def test_each_is_told_of_by_name_and_the_taps_end_with_the_last(call):
    one, two = Notes(), Notes()
    call.listening.take(Listen(one, "ada"))
    call.listening.take(Listen(two, "bob"))
    call.listening.take(StopListening(one))
    call.listening.take(StopListening(one))
    assert call.ear.tap is not None
    call.listening.end()
    assert call.ear.tap is call.context.playout.tap is None
    assert (one.ended, two.ended) == (False, True)
    told = [(kind, data["listener"], data["listeners"]) for kind, data in call.events]
    assert told == [
        ("call.listener.joined", "ada", 1),
        ("call.listener.joined", "bob", 2),
        ("call.listener.left", "ada", 1),
        ("call.listener.left", "bob", 0),
    ]


def test_the_taps_move_to_the_peer_that_the_caller_came_back_on(call):
    notes, ear = Notes(), SimpleNamespace(tap=None)
    call.listening.take(Listen(notes, "ada"))
    call.listening.ear_changed(ear)
    ear.tap(LOUD)
    assert len(notes.heard) == 1


def test_a_fault_ends_the_listening_and_never_reaches_the_call(call):
    notes = Notes()
    call.listening.take(Listen(notes, "ada"))
    call.ear.tap(b"odd")
    assert notes.ended
    assert call.ear.tap is None
    assert call.events[-1][0] == "call.listener.left"
