"""What a caller says has exact ends; what it hears has exact beginnings."""

from __future__ import annotations

import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.testkit.ear import HEARD_RATE, Ear
from openclaw_actors.testkit.speakers import (
    Speech,
    encode_opus,
    read_wav,
    silence,
    tone,
    write_microphone,
    write_wav,
)

OPUS_DELAY_S = 0.0065
"""An Opus encoder's own look-ahead (RFC 6716, 6.5 ms): what is heard is that much late in the packets."""


def hear(ear: Ear, packets: tuple[bytes, ...], *, started: float = 100.0, lost: frozenset[int] = frozenset()) -> None:
    for n, packet in enumerate(packets):
        if n not in lost:
            sequence, timestamp = (65_530 + n) & 0xFFFF, (n * 960 + 2**32 - 5_000) % 2**32  # both wrap around
            ear.hear(RtpAudio(sequence, timestamp, packet, started + n * 0.02))


def test_flite_speech_has_its_voice_from_the_lead_in_to_its_very_end(flite):
    speech = flite("Hello, what is the weather like in Paris today?", "slt")
    assert speech.voiced_end_sample == len(speech.pcm) // 2
    assert 0 < speech.voiced_start_sample <= 480
    assert 2.0 < speech.seconds < 4.0


@pytest.mark.parametrize("voice", ["slt", "rms", "awb", "kal"])
def test_every_voice_speaks_at_16_khz(flite, voice):
    # kal is recorded at 8 kHz: read as 16 kHz it would last half as long.
    assert 1.0 < flite("This is a sentence of some length.", voice).seconds < 3.5


@settings(deadline=None, max_examples=25)
@given(before=st.integers(0, 60), voiced=st.integers(5, 60), after=st.integers(0, 60))
def test_voiced_samples_are_found_to_10_ms_wherever_they_lie(before, voiced, after):
    speech = silence(before / 100).then(tone(voiced / 100), silence(after / 100))
    assert speech.voiced_start_sample == before * 160
    assert speech.voiced_end_sample == (before + voiced) * 160
    assert silence(0.5).voiced_end_sample == 0


@settings(deadline=None, max_examples=15)
@given(before=st.integers(15, 60), voiced=st.integers(10, 60))
def test_an_onset_is_heard_when_the_packet_that_holds_it_arrived(before, voiced):
    ear = Ear()
    hear(ear, silence(before / 50).then(tone(voiced / 50), silence(0.3)).packets)
    onset = 100 + before / 50
    assert len(ear.onsets) == 1
    assert onset - 0.01 <= ear.onsets[0] <= onset + OPUS_DELAY_S + 0.011
    assert ear.last_loud_at == pytest.approx(onset + voiced / 50 + OPUS_DELAY_S, abs=0.025)


def test_a_click_is_no_voice_and_a_short_closure_no_second_one():
    ear = Ear()
    click, word = tone(0.004, dbfs=-35), tone(0.2)
    hear(ear, silence(0.4).then(click, silence(0.4), word, silence(0.06), word, silence(0.3), word).packets)
    assert len(ear.onsets) == 2


def test_a_click_just_before_a_voice_does_not_hide_its_onset():
    ear = Ear()
    hear(ear, silence(0.4).then(tone(0.004, dbfs=-35), silence(0.076), tone(0.4)).packets)
    assert len(ear.onsets) == 1
    assert ear.onsets[0] == pytest.approx(100.48, abs=0.02)


def test_what_was_lost_is_silence_in_the_recording_and_counted():
    ear = Ear()
    packets = tone(1.0).packets
    hear(ear, packets, lost=frozenset({10, 11, 30}))
    recording = np.frombuffer(ear.recording(), np.int16)
    assert recording.size == len(packets) * 960
    assert ear.lost_packets == 3
    assert not recording[10 * 960 : 12 * 960].any()
    assert ear.longest_gap_s == pytest.approx(0.06)


def test_late_doubled_empty_and_broken_packets_do_not_deafen_the_ear():
    ear = Ear()
    first, second, third, *rest = tone(0.4).packets
    ear.hear(RtpAudio(1, 0, first, 1.0))
    ear.hear(RtpAudio(3, 1920, third, 1.02))
    ear.hear(RtpAudio(2, 960, second, 1.03))
    ear.hear(RtpAudio(3, 1920, third, 1.04))
    ear.hear(RtpAudio(4, 2880, b"", 1.05))
    ear.hear(RtpAudio(5, 3840, b"\xff\xff\xff\xff", 1.06))
    for n, packet in enumerate(rest):
        ear.hear(RtpAudio(6 + n, 4800 + n * 960, packet, 1.08 + n * 0.02))
    assert ear.late_packets == 2
    assert ear.last_loud_at > 1.08 + (len(rest) - 1) * 0.02


def test_an_ear_that_keeps_nothing_still_hears():
    ear = Ear(keep=False)
    hear(ear, silence(0.2).then(tone(0.4)).packets)
    assert len(ear.onsets) == 1
    assert ear.recording() == b""


def test_wav_files_of_any_rate_are_read_and_chromiums_microphone_is_48_khz(tmp_path):
    write_wav(tmp_path / "8k.wav", Speech(tone(1.0).pcm[::2]).pcm, 8_000)
    assert read_wav(tmp_path / "8k.wav").seconds == pytest.approx(1.0, abs=0.01)
    write_microphone(tmp_path / "mic.wav", silence(0.5), tone(1.0))
    with wave.open(str(tmp_path / "mic.wav")) as mic:
        assert (mic.getframerate(), mic.getnchannels(), mic.getsampwidth()) == (48_000, 1, 2)
        assert mic.getnframes() == pytest.approx(72_000, abs=100)
    (tmp_path / "no.wav").write_bytes(b"not a sound")
    with pytest.raises(av.FFmpegError):
        read_wav(tmp_path / "no.wav")


def test_opus_packets_are_20_ms_each_and_the_last_is_filled_up():
    assert len(encode_opus(silence(0.95).pcm)) == 48
    ear = Ear()
    hear(ear, tone(0.95).packets)
    assert len(ear.recording()) / 2 / HEARD_RATE == pytest.approx(0.96)
