"""Listeners hear both sides, in step, as long as there is somebody to hear them."""

from __future__ import annotations

import io
from types import SimpleNamespace

import av
import numpy as np
import pytest

from openclaw_actors.media import mulaw
from openclaw_actors.media.audience import FRAME_BYTES, Audience, wav_header
from openclaw_actors.media.codecs import OPUS, PCMU, Codec, encode_phrase
from openclaw_actors.media.playout import Playout
from openclaw_actors.messages import FRAME, SAMPLE_RATE


class Notes:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.sound = bytearray()
        self.ended = 0

    def hear(self, sound: bytes) -> None:
        assert len(sound) == FRAME_BYTES
        self.sound += sound

    def end(self) -> None:
        self.ended += 1

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """The caller and the agent, full scale 1."""
        stereo = np.frombuffer(mulaw.decode(bytes(self.sound)), "<i2").reshape(-1, 2) / 32_768
        return stereo[:, 0], stereo[:, 1]


def tone(hertz: float, seconds: float, rate: int) -> bytes:
    at = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * hertz * at) * 16_000).astype("<i2").tobytes()


def frames(pcm: bytes, samples: int) -> list[bytes]:
    return [pcm[at : at + samples * 2] for at in range(0, len(pcm), samples * 2)]


def loudest_hertz(side: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(side))) * SAMPLE_RATE / side.size)


def packets(hertz: float, seconds: float, codec: Codec = OPUS) -> tuple[bytes, ...]:
    """A tone as the agent's voice would be sent."""
    return encode_phrase(codec, codec.pcm_rate, tone(hertz, seconds, codec.pcm_rate)).packets


@pytest.mark.parametrize("codec", [OPUS, PCMU])
def test_the_caller_is_left_and_the_agent_right_whatever_its_codec(codec):
    audience, notes = Audience(), Notes()
    audience.add(notes)
    both = zip(frames(tone(440, 1, SAMPLE_RATE), FRAME), packets(700, 1, codec), strict=True)
    for caller, agent in both:
        audience.agent(agent, codec)
        audience.caller(caller)
    left, right = notes.sides
    assert left.size == right.size == SAMPLE_RATE
    assert loudest_hertz(left) == pytest.approx(440, abs=1)
    assert loudest_hertz(right) == pytest.approx(700, abs=2)
    lead = np.flatnonzero(np.abs(right) > 0.05)[0] / SAMPLE_RATE
    assert 0.04 <= lead <= 0.08, "the agent waits three frames for the caller's clock"


def test_a_voice_is_not_torn_when_the_callers_frames_come_in_bursts():
    audience, notes = Audience(), Notes()
    audience.add(notes)
    for number, agent in enumerate(packets(700, 2)):
        audience.agent(agent, OPUS)
        if number % 3 == 2:  # three at once, 40 ms late
            for _ in range(3):
                audience.caller(bytes(FRAME * 2))
    _, right = notes.sides
    loud = np.abs(right).reshape(-1, FRAME).max(axis=1) > 0.05
    first, last = np.flatnonzero(loud)[[0, -1]]
    assert loud[first : last + 1].all()


def test_an_agent_whose_caller_has_stopped_is_kept_for_two_seconds_only():
    audience, notes = Audience(), Notes()
    audience.add(notes)
    for agent in packets(700, 5):
        audience.agent(agent, OPUS)
    for _ in range(250):
        audience.caller(bytes(FRAME * 2))
    _, right = notes.sides
    assert np.count_nonzero(np.abs(right).reshape(-1, FRAME).max(axis=1) > 0.05) == 100


def test_music_on_hold_is_heard_as_the_caller_hears_it_and_a_broken_packet_is_left_out():
    audience, notes, playout = Audience(), Notes(), Playout(OPUS, lambda: None)
    audience.add(notes)
    playout.taps.add(SimpleNamespace(sent=audience.agent))
    playout.hold((*packets(523, 0.5), b"\xff\xff\xff"))
    for _ in range(100):
        playout.next_packet()
        audience.caller(bytes(FRAME * 2))
    _, right = notes.sides
    assert loudest_hertz(right) == pytest.approx(523, abs=5)


def test_everybody_hears_the_same_until_they_go_and_the_end_comes_once():
    audience, one, two = Audience(), Notes(), Notes()
    audience.add(one)
    audience.add(two)
    audience.caller(bytes(FRAME * 2))
    assert one.sound == two.sound
    assert audience.remove(one)
    assert not audience.remove(one)
    audience.caller(bytes(FRAME * 2))
    assert len(two.sound) == 2 * len(one.sound)
    audience.end()
    audience.end()
    assert (one.ended, two.ended, len(audience)) == (0, 1, 0)


def test_the_stream_is_a_wav_that_programs_play():
    audience, notes = Audience(), Notes()
    audience.add(notes)
    for caller in frames(tone(440, 1, SAMPLE_RATE), FRAME):
        audience.caller(caller)
    stream = wav_header() + bytes(notes.sound)
    with av.open(io.BytesIO(stream)) as container:
        (sound,) = container.streams.audio
        assert (sound.codec_context.name, sound.rate, sound.channels) == ("pcm_mulaw", SAMPLE_RATE, 2)
        assert sum(frame.samples for frame in container.decode(sound)) == SAMPLE_RATE
