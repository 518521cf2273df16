"""What a call-back came to, and when the next one is made: rules without clock, store or carrier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_actors.messages import Line
from openclaw_actors.settings.sections import Voicemail
from openclaw_actors.store.records import VoicemailRecord
from openclaw_actors.telephony.voicemail.states import Attempt, Outcome, opening, retry_after_s

ANSWERED = ("call.answered", {})
HUMAN = ("call.answered_by", {"what": "human"})
MACHINE = ("call.answered_by", {"what": "machine_end_beep"})
SAID = ("call.transcript", {"role": "agent", "text": "Hello", "final": True, "cut": False})
ALL_SAID = ("callback.spoken", {})
THEY_SAID = ("call.transcript", {"role": "user", "text": "thanks", "final": True})


def ended(status: str, reason: str = "caller_hangup"):
    return ("call.ended", {"status": status, "reason": reason})


LOST = ended("failed", "host_restarted")
REACHED, LEFT = Outcome("reached"), Outcome("left")


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([], None),
        ([ANSWERED, SAID], None),
        ([ANSWERED, HUMAN, SAID], None),
        ([ANSWERED, HUMAN, ALL_SAID], REACHED),
        ([ANSWERED, HUMAN, SAID, THEY_SAID], REACHED),
        ([ANSWERED, SAID, ended("completed")], REACHED),
        ([ANSWERED, ended("completed")], Outcome("missed", "cut_off")),
        ([ANSWERED, SAID, MACHINE], None),
        ([ANSWERED, SAID, MACHINE, ended("completed", "announced")], LEFT),
        ([ANSWERED, SAID, MACHINE, ended("completed", "machine")], Outcome("missed", "machine")),
        ([ANSWERED, SAID, MACHINE, LOST], Outcome("missed", "machine")),
        ([ended("busy", "busy")], Outcome("missed", "busy")),
        ([ended("no-answer", "no_answer")], Outcome("missed", "no-answer")),
        ([ended("failed", "carrier_failed:13227")], Outcome("missed", "failed")),
        ([LOST], Outcome("missed", "failed")),
        ([ANSWERED, SAID, LOST], Outcome("missed", "cut_off")),
        ([ANSWERED, ALL_SAID, LOST], REACHED),
    ],
)
def test_what_was_heard_decides(events, outcome):
    attempt = Attempt(asks_who=True)
    for kind, data in events:
        attempt.hear(kind, data)
    assert attempt.outcome == outcome


def test_who_rings_in_and_does_not_get_past_the_pin_has_heard_nothing():
    attempt = Attempt(asks_who=False, inbound=True)
    for kind, data in [ANSWERED, SAID, ended("completed", "pin_refused")]:
        attempt.hear(kind, data)
    assert attempt.outcome == Outcome("missed", "cut_off")


events = st.lists(
    st.sampled_from([ANSWERED, HUMAN, MACHINE, SAID, ALL_SAID, THEY_SAID, LOST, ended("busy"), ended("completed")])
)


@given(events, st.booleans(), st.booleans())
def test_an_ended_call_has_an_outcome_and_nobody_is_reached_who_did_not_answer(heard, asks, inbound):
    attempt = Attempt(asks, inbound)
    for kind, data in [*heard, LOST]:
        attempt.hear(kind, data)
    assert attempt.outcome is not None
    if not any(kind in {"callback.spoken", "call.transcript"} for kind, _ in heard):
        assert attempt.outcome.result == "missed"


@given(st.integers(1, 9), st.floats(0.01, 90_000))
def test_pauses_grow_and_stay_within_a_quarter_of_a_day(attempts, retry_s):
    now, later = retry_after_s(attempts, retry_s), retry_after_s(attempts + 1, retry_s)
    assert retry_s <= now <= later <= max(retry_s, 6 * 3600)


def test_one_call_answers_all_messages_in_their_order():
    first = VoicemailRecord("vm_1", "due", "stream", "2026-01-02T03:04:05.000Z", transcript="one", answer="First.")
    second = VoicemailRecord("vm_2", "due", "stream", "2026-01-02T03:05:05.000Z", transcript="two", answer="Second.")
    begins = opening([first, second], Voicemail(opening="Hello."))
    assert begins.text == "Hello. First. Second."
    assert begins.history == (Line("user", "one"), Line("user", "two"))
    assert "«First. Second.»" in begins.context
