"""The judge of a line finds each thing that a caller would call a drop."""

from __future__ import annotations

import pytest

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.chaos.tape import TICKS, Offered, Tape

SOUND = [b"\x78%d" % number for number in range(50)]


@pytest.fixture
def record():
    """A line of 50 packets of sound, all well."""

    def make() -> Tape:
        tape = Tape(Caller("http://127.0.0.1:1"))
        for number, payload in enumerate(SOUND):
            tape.received.append(RtpAudio(65_520 + number & 0xFFFF, number * TICKS, payload, number * 0.02))
            tape.offered.append(Offered(number * 0.02, payload, ready=True))
        return tape

    return make


def faults(tape: Tape, control: Tape) -> str:
    return "; ".join(tape.faults(control, 0, 10))


def test_a_line_that_is_well_has_no_faults_even_where_the_numbers_wrap(record):
    assert faults(record(), record()) == ""


def test_a_lost_packet_is_found(record):
    tape = record()
    del tape.received[20]
    assert "1 breaks in the RTP sequence" in faults(tape, record())


def test_silence_where_sound_was_ready_is_found(record):
    tape = record()
    tape.offered[20] = Offered(0.4, OPUS.silence, ready=True)
    assert "1 packets of silence inside a phrase" in faults(tape, record())


def test_sound_that_did_not_arrive_as_it_was_is_found(record):
    tape = record()
    packet = tape.received[20]
    tape.received[20] = RtpAudio(packet.sequence, packet.timestamp, OPUS.silence, packet.arrived_at)
    assert "1 packets of the playout did not arrive" in faults(tape, record())


def test_a_jump_of_the_clock_is_found_unless_the_control_call_has_it_too(record):
    tape, control = record(), record()
    for each in (tape, control):
        each.received[20:] = [
            RtpAudio(p.sequence, p.timestamp + 5 * TICKS, p.payload, p.arrived_at) for p in each.received[20:]
        ]
    assert "1 jumps of the RTP timestamp" in faults(tape, record())
    assert faults(tape, control) == ""


def test_a_gap_is_found_unless_the_control_call_has_one_as_long(record):
    tape, control = record(), record()
    for each in (tape, control):
        each.received[20:] = [
            RtpAudio(p.sequence, p.timestamp, p.payload, p.arrived_at + 0.2) for p in each.received[20:]
        ]
    assert "a gap of 220 ms" in faults(tape, record())
    assert faults(tape, control) == ""
