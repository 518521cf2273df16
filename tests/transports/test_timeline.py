"""The caller's time line: contiguous, never far from real time, whatever the network does."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.codecs import OPUS, PCMU, Codec
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.messages import FRAME, LONGEST_AUDIO, SAMPLE_RATE, AudioIn
from openclaw_actors.transports.timeline import Timeline

from .conftest import CALLER_HZ, Tone, loudness, pitch

PTIME = 0.02
T0 = 500.0
PACKETS = {codec.name: [Tone(codec, CALLER_HZ).next_packet()] for codec in (OPUS, PCMU)}
for _codec in (OPUS, PCMU):
    _tone = Tone(_codec, CALLER_HZ)
    PACKETS[_codec.name] = [_tone.next_packet() for _ in range(50)]


def packet(number: int, late: float = 0.0, codec: Codec = OPUS, *, shift: float = 0.0, source: int = 0) -> RtpAudio:
    """The packet that is due at ``number`` times 20 ms; ``shift``: seconds by which its timestamp is off."""
    ticks = int((number * PTIME + shift) * codec.clock_rate + 0.5)
    return RtpAudio(
        number & 0xFFFF,
        ticks & 0xFFFF_FFFF,
        PACKETS[codec.name][number % 50],
        T0 + number * PTIME + late,
        source,
    )


class Run:
    """Feeds a time line in the order of arrival and fires its timer; notes when each frame came out."""

    def __init__(self, codec: Codec = OPUS, start: int = 0) -> None:
        self.line = Timeline(codec, start)
        self.out: list[tuple[float, AudioIn]] = []
        self._now = 0.0

    def feed(self, packets: list[RtpAudio], until: float | None = None) -> Run:
        for arriving in sorted(packets, key=lambda p: p.arrived_at):
            self.wait(arriving.arrived_at)
            self.take(arriving.arrived_at, self.line.push(arriving))
        if until is not None:
            self.wait(until)
        return self

    def wait(self, until: float) -> None:
        while (deadline := self.line.deadline) is not None and deadline <= until:
            self._now = max(self._now, deadline)  # what a hole held back may be overdue when it is given up
            frames = self.line.tick(self._now)
            self.take(self._now, frames)
            assert frames or self.line.deadline > deadline, "each tick moves the time line on"

    def take(self, at: float, told: list[AudioIn]) -> None:
        assert all(0 < len(audio.pcm) <= 2 * LONGEST_AUDIO for audio in told)
        self.out += [(at, frame) for audio in told for frame in audio.frames()]

    @property
    def frames(self) -> list[AudioIn]:
        return [frame for _, frame in self.out]

    def assert_contiguous(self, start: int = 0) -> None:
        assert [f.start for f in self.frames] == [start + FRAME * i for i in range(len(self.frames))]
        assert {len(f.pcm) for f in self.frames} <= {2 * FRAME}

    def lag(self) -> list[float]:
        """Seconds by which each frame came out after its media time was over."""
        return [at - T0 - frame.start / SAMPLE_RATE for at, frame in self.out]


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=lambda c: c.name)
def test_each_packet_becomes_a_frame_the_instant_it_comes(codec):
    run = Run(codec, start=1600).feed([packet(i, codec=codec) for i in range(100)])
    run.assert_contiguous(1600)
    assert len(run.frames) == 100
    assert [at for at, _ in run.out] == [T0 + i * PTIME for i in range(100)]
    assert not any(f.concealed for f in run.frames)
    assert pitch(b"".join(f.pcm for f in run.frames[10:60])) == pytest.approx(CALLER_HZ, abs=1)


def test_a_lost_packet_is_concealed_with_the_callers_own_voice():
    run = Run().feed([packet(i) for i in range(100) if i != 50])
    run.assert_contiguous()
    assert [i for i, f in enumerate(run.frames) if f.concealed] == [50]
    assert loudness(run.frames[50]) > 0.5 * loudness(run.frames[49])
    assert max(run.lag()[51:]) < 0.001, "the loss leaves no delay"


def test_in_a_second_of_blackout_silence_comes_in_real_time_and_no_delay_is_left():
    quiet = [packet(i) for i in range(100)] + [packet(i) for i in range(150, 250)]
    run = Run().feed(quiet)
    run.assert_contiguous()
    assert len(run.frames) == 250
    hole = [at for at, f in run.out if f.concealed]
    assert len(hole) == 50
    assert hole[0] == pytest.approx(T0 + 2.0 + 0.06), "40 ms past the jitter target, when the next was overdue"
    assert max(np.diff(hole[:47])) == pytest.approx(PTIME)
    assert loudness(run.frames[110]) == 0
    assert max(run.lag()) <= 0.08 + 1e-9
    assert max(run.lag()[150:]) < 0.001


def test_what_was_stuck_in_the_network_for_a_second_is_dropped_since_silence_has_taken_its_place():
    jam = [packet(i, (150 - i) * PTIME) for i in range(100, 150)]
    run = Run().feed([packet(i) for i in range(100)] + jam + [packet(i) for i in range(150, 250)])
    run.assert_contiguous()
    assert len(run.frames) == 250
    assert run.line.dropped >= 45
    assert min(run.lag()) > -0.001, "media time never runs ahead"
    assert max(run.lag()[150:]) < 0.001


def test_silence_goes_on_for_as_long_as_nothing_comes():
    run = Run().feed([packet(i) for i in range(50)], until=T0 + 31)
    run.assert_contiguous()
    assert len(run.frames) == pytest.approx(31 / PTIME, abs=5)
    assert all(f.concealed for f in run.frames[51:])


def test_a_sender_that_says_nothing_while_it_is_silent_keeps_its_time():
    talk = [packet(i) for i in range(50)]
    after = [RtpAudio(50 + i, 48_000 * 11 + i * 960, PACKETS["opus"][i], T0 + 11 + i * PTIME) for i in range(50)]
    run = Run().feed(talk + after)
    run.assert_contiguous()
    assert len(run.frames) == 600
    assert not any(f.concealed for f in run.frames[550:])
    assert max(run.lag()[550:]) < 0.001


def test_a_sender_whose_clock_stands_still_while_muted_is_heard_again_within_a_fifth_of_a_second():
    talk = [packet(i) for i in range(50)]
    after = [RtpAudio(50 + i, (50 + i) * 960, PACKETS["opus"][i % 50], T0 + 6 + i * PTIME) for i in range(100)]
    run = Run().feed(talk + after)
    run.assert_contiguous()
    heard = [at for at, f in run.out if not f.concealed and at > T0 + 2]
    assert heard[0] <= T0 + 6.2
    assert len(heard) >= 90
    assert run.frames[-1].start / SAMPLE_RATE == pytest.approx(8.0, abs=0.15)


def test_a_route_that_grows_longer_by_a_fifth_of_a_second_costs_no_more_than_that():
    run = Run().feed([packet(i) for i in range(100)] + [packet(i, 0.2) for i in range(100, 400)])
    run.assert_contiguous()
    assert not any(f.concealed for _, f in run.out[150:])
    assert max(run.lag()[150:]) <= 0.21


def test_a_clock_that_jumps_forward_makes_up_no_time():
    run = Run().feed([packet(i) for i in range(50)] + [packet(i, shift=7.0) for i in range(50, 100)])
    run.assert_contiguous()
    assert len(run.frames) == 100
    assert min(run.lag()) > -0.001


def test_another_source_joins_without_a_hole():
    other = [packet(i, shift=-333.0, source=9) for i in range(50, 100)]
    run = Run().feed([packet(i) for i in range(50)] + other)
    run.assert_contiguous()
    assert len(run.frames) == 100
    assert not any(f.concealed for f in run.frames)


def test_after_our_own_loop_stood_still_nothing_that_queued_up_is_lost():
    run = Run()
    run.feed([packet(i) for i in range(50)])
    for i in range(50, 100):  # read at once, before any timer
        run.take(T0 + 2.0, run.line.push(packet(i, 2.0 - i * PTIME)))
    run.assert_contiguous()
    assert len(run.frames) == 100
    assert not any(f.concealed for f in run.frames)


def test_a_client_that_floods_is_held_to_real_time():
    run = Run()
    flood = [RtpAudio(i & 0xFFFF, i * 960, PACKETS["opus"][i % 50], T0 + i * 0.001) for i in range(5000)]
    run.feed(flood)
    assert len(run.frames) * PTIME <= 5 + 2 + 0.3, "five seconds and the credit, not a hundred"
    assert run.line.dropped > 4000


def test_a_broken_packet_is_concealed_and_the_next_is_heard():
    broken = RtpAudio(50, 50 * 960, b"\xff\xff\xff", T0 + 1)
    run = Run().feed([packet(i) for i in range(50)] + [broken] + [packet(i) for i in range(51, 100)])
    run.assert_contiguous()
    assert len(run.frames) == 100
    assert run.line.undecodable == 1
    assert [i for i, f in enumerate(run.frames) if f.concealed] == [50]


def test_padding_that_probes_the_route_is_no_sound():
    probe = RtpAudio(50, 49 * 960, b"", T0 + 0.99)
    rest = [RtpAudio(51 + i, (50 + i) * 960, PACKETS["opus"][i], T0 + 1 + i * PTIME) for i in range(50)]
    run = Run().feed([packet(i) for i in range(50)] + [probe] + rest)
    assert len(run.frames) == 100
    assert not any(f.concealed for f in run.frames)


@pytest.mark.parametrize(("loss", "jitter"), [(0.01, 0.0), (0.05, 0.0), (0.05, 0.06), (0.2, 0.02)])
def test_under_loss_and_jitter_the_line_holds_and_the_latency_is_that_of_the_network(loss, jitter):
    rng = random.Random(5)
    sent = [packet(i, rng.uniform(0, jitter)) for i in range(1000) if rng.random() >= loss]
    run = Run().feed(sent)
    run.assert_contiguous()
    assert len(run.frames) >= 995
    heard = sum(not f.concealed for f in run.frames)
    assert heard >= 0.97 * len(sent)
    assert max(run.lag()) <= jitter * 1.1 + 0.08
    assert np.median(run.lag()) <= jitter + 0.001


def test_a_sender_whose_clock_is_fast_is_not_cut_for_it():
    line = Timeline(OPUS)
    frames = 0
    for i in range(14_000):  # 0.8 % in 280 s: 2.2 s, more than the credit at once
        arrived = T0 + i * PTIME * 0.992
        frames += len(line.push(RtpAudio(i & 0xFFFF, (i * 960) & 0xFFFF_FFFF, OPUS.silence, arrived)))
    assert frames == 14_000
    assert line.dropped == 0


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "come", "come", "lost", "broken", "empty", "shift", "source"]),
        st.floats(0, 1.5),
        st.sampled_from([0.0, 0.0, 0.0, 1.0]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.sampled_from([OPUS, PCMU]), st.integers(0, 10**6))
def test_whatever_comes_frames_are_contiguous_and_time_is_kept(events, codec, start):
    packets: list[RtpAudio] = []
    shift, source = 0.0, 0
    for i, (event, late, scale) in enumerate(events):
        if event == "shift":
            shift += late * 20 - 10
        elif event == "source":
            source += 1
        made = packet(i, late * scale, codec, shift=shift + 100, source=source)
        payload = {"broken": os.urandom(7), "empty": b""}.get(event, made.payload)
        if event != "lost":
            packets.append(RtpAudio(made.sequence, made.timestamp, payload, made.arrived_at, source))
    run = Run(codec, start).feed(packets)
    if not run.frames:
        return
    run.wait(run.out[-1][0] + 2)
    run.assert_contiguous(start)
    first = run.out[0][0]
    for at, frame in run.out:
        ahead = (frame.start + FRAME - start) / SAMPLE_RATE - (at - first)
        assert ahead <= 2.0 + 1.0, "no more than the credit and one packet"
    assert run.out[-1][0] - T0 >= 1.5, "silence goes on"
