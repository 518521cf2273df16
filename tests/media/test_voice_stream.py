from __future__ import annotations

import contextlib
import io
import struct
import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.voice_stream import VoiceStream

RATE = 24_000


def tone(seconds: float = 0.5, rate: int = RATE, hz: float = 500) -> bytes:
    t = np.arange(round(seconds * rate)) / rate
    return (9_000 * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


def in_container(pcm: bytes, rate: int, form: str, codec: str) -> bytes:
    """The sound as another program would have written it."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.planes[0].update(pcm)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def wav(pcm: bytes, rate: int, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(pcm)
    return file.getvalue()


FORMATS = {
    "pcm": tone(),
    "mp3 24k": in_container(tone(), RATE, "mp3", "libmp3lame"),
    "mp3 44k": in_container(tone(rate=44_100), 44_100, "mp3", "libmp3lame"),
    "mp3 without a tag": in_container(tone(), RATE, "mp3", "libmp3lame")[45:],
    "wav": wav(tone(), RATE),
    "wav 16k": wav(tone(rate=16_000), 16_000),
    "wav stereo": wav(np.repeat(np.frombuffer(tone(), "<i2"), 2).tobytes(), RATE, channels=2),
    "wav by FFmpeg": in_container(tone(), RATE, "wav", "pcm_s16le"),
    "ogg": in_container(tone(rate=48_000), 48_000, "ogg", "libopus"),
}


def decoded(data: bytes, sizes: list[int] | None = None) -> bytes:
    stream, out, at = VoiceStream(RATE), b"", 0
    for size in sizes or []:
        out += stream.push(data[at : at + size])
        at += size
    return out + stream.push(data[at:]) + stream.flush()


@pytest.mark.parametrize("form", FORMATS)
def test_whatever_the_server_answers_is_heard_at_its_pitch_and_length(form: str):
    sound = np.frombuffer(decoded(FORMATS[form]), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))

    assert len(sound) / RATE == pytest.approx(0.5, abs=0.08)  # MP3 adds up to two frames
    assert np.argmax(spectrum) * RATE / len(sound) == pytest.approx(500, abs=5)
    assert np.abs(sound).max() == pytest.approx(9_000, rel=0.2)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.lists(st.integers(1, 3_000), max_size=10))
def test_pieces_make_no_difference(form: str, sizes: list[int]):
    assert decoded(FORMATS[form], sizes) == decoded(FORMATS[form])


def test_sound_comes_out_long_before_the_last_byte():
    stream = VoiceStream(RATE)

    assert len(stream.push(FORMATS["mp3 24k"][:2_000])) > RATE // 20


@pytest.mark.parametrize("first", [-1, -1025, -1281, -257, -30, 0x4952])
def test_samples_that_look_like_the_start_of_another_format_are_still_samples(first: int):
    pcm = struct.pack("<h", first) * 3 + tone()

    assert decoded(pcm) == pcm


@pytest.mark.parametrize(
    "data",
    [
        b"fLaC\x00\x00\x00\x22" + bytes(100),
        b"<!DOCTYPE html><title>502</title>",
        tone() + b"\x00",
        wav(tone(), RATE, width=1),
        wav(tone(), RATE)[:30],
        b"OggS" + b"\xff" * 300 + b"nonsense" * 100,
        FORMATS["ogg"].replace(b"OpusHead", b"\x01vorbis!"),
        b"RIFF" + b"\x00" * 70_000,
    ],
    ids=["flac", "html", "half a sample", "8 bits", "header only", "damaged ogg", "ogg without opus", "no samples"],
)
def test_what_is_no_sound_is_refused(data: bytes):
    with pytest.raises(ValueError, match=r"it |the "):
        decoded(data)


def test_nothing_is_no_sound():
    assert decoded(b"") == b""


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([b"", b"ID3", b"OggS", b"RIFF", b"\xff\xfb\x90\x00"]), st.binary(max_size=4_000))
def test_no_bytes_can_break_it(magic: bytes, data: bytes):
    with contextlib.suppress(ValueError):
        assert len(decoded(magic + data)) % 2 == 0
