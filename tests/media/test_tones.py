"""Keys are heard by a detector at the far end; hold music goes round without a click; files are read, or refused."""

from __future__ import annotations

import io
import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media.clips import MAX_BYTES, MAX_S, NAMES, known_clip, read_clip
from openclaw_actors.media.codecs import OPUS, PCMU, Codec, encode_phrase
from openclaw_actors.media.hold_music import HOLD_SOUNDS, hold_packets, hold_sound
from openclaw_actors.media.mulaw import decode as mulaw_decode
from openclaw_actors.media.tones import GAP_S, KEY_S, KEYS, MAX_DIGITS, PAUSE_S, TONE_RATE, check_digits, dtmf

KEY_LISTS = st.text(st.sampled_from([*KEYS, "w"]), min_size=1, max_size=6)


def decoded(codec: Codec, packets: tuple[bytes, ...]) -> tuple[np.ndarray, int]:
    """What the far end hears, and its rate in Hz."""
    if codec == PCMU:
        return np.frombuffer(b"".join(mulaw_decode(packet) for packet in packets), "<i2").astype(float), 8000
    decoder = av.AudioCodecContext.create("libopus", "r")
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(float)
    return sound, 48_000


def detected(sound: np.ndarray, rate: int) -> str:
    """The keys in ``sound``: of each 20 ms, the strongest low and high frequency if both stand out (Goertzel)."""
    heard: list[str] = []
    before = ""
    lows = sorted({low for low, _ in KEYS.values()})
    highs = sorted({high for _, high in KEYS.values()})
    size = rate // 50
    time = np.arange(size) / rate
    for start in range(0, len(sound) - size, size):
        part = sound[start : start + size]
        power = {hertz: abs(np.dot(part, np.exp(-2j * np.pi * hertz * time))) / size for hertz in (*lows, *highs)}
        pair = (max(lows, key=power.__getitem__), max(highs, key=power.__getitem__))
        loud = all(power[hertz] > 1000 for hertz in pair)  # -30 dB of full scale
        now = next(key for key, frequencies in KEYS.items() if frequencies == pair) if loud else ""
        if now and now != before:
            heard.append(now)
        before = now
    return "".join(heard)


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=["opus", "pcmu"])
def test_every_key_is_heard_through_the_codec(codec):
    digits = "".join(KEYS)
    packets = encode_phrase(codec, TONE_RATE, dtmf(digits)).packets
    assert detected(*decoded(codec, packets)) == digits


@given(KEY_LISTS)
@settings(max_examples=25, deadline=None)
def test_keys_take_their_time_and_repeats_are_told_apart(digits):
    pcm = dtmf(digits)
    pauses = digits.count("w")
    seconds = (len(digits) - pauses) * (KEY_S + GAP_S) + pauses * PAUSE_S
    assert len(pcm) == round(seconds * TONE_RATE) * 2
    assert detected(np.frombuffer(pcm, "<i2").astype(float), TONE_RATE) == digits.replace("w", "")


def test_digits_are_taken_as_people_write_them():
    assert check_digits(" 12*#abcdW ") == "12*#ABCDw"


@pytest.mark.parametrize(
    ("text", "why"), [("", "at least one"), ("12e3", "not E"), ("1" * (MAX_DIGITS + 1), "may have 64"), ("٣", "not ٣")]
)
def test_digits_that_are_none_are_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        check_digits(text)


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=["opus", "pcmu"])
@pytest.mark.parametrize("kind", HOLD_SOUNDS)
def test_a_hold_loop_goes_round_without_a_click(codec, kind):
    sound, rate = decoded(codec, hold_packets(codec, kind) * 2)
    steps = np.abs(np.diff(sound))
    seam, near = len(sound) // 2, rate // 20
    played_once = max(steps[:near].max(), steps[-near:].max())
    assert steps[seam - near : seam + near].max() <= 1.2 * played_once + 50
    assert np.abs(sound).max() > 1000
    assert np.abs(sound).max() < 8000, "10 dB and more below speech"


@pytest.mark.parametrize("kind", HOLD_SOUNDS)
def test_a_hold_loop_is_whole_packets_long_and_begins_and_ends_in_silence(kind):
    pcm = np.frombuffer(hold_sound(kind), "<i2")
    assert len(pcm) % OPUS.packet_samples == 0
    assert abs(int(pcm[0])) < 50
    assert abs(int(pcm[-1])) < 50


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_of_ours_is_there_by_name(name):
    clip = known_clip(name)
    assert 0.2 < clip.seconds < 10
    assert np.abs(np.frombuffer(clip.pcm, "<i2")).max() > 1000


def test_an_unknown_name_is_told_which_there_are():
    with pytest.raises(ValueError, match="beep, busy, chime, ringback"):
        known_clip("moo")


def wav(seconds: float, *, rate: int = 16_000, channels: int = 1, hertz: float = 440.0) -> bytes:
    count = round(seconds * rate)
    sound = (8000 * np.sin(2 * np.pi * hertz * np.arange(count) / max(rate, 1))).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.repeat(sound, channels).tobytes())
    return file.getvalue()


def ogg_opus(seconds: float) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        for start in range(0, round(seconds * 48_000), 960):
            time = (start + np.arange(960)) / 48_000
            sound = (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(sound[None, :], format="s16", layout="mono")
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def pitch(pcm: bytes, rate: int) -> float:
    """The strongest frequency, in Hz."""
    sound = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(sound))) * rate / len(sound))


@pytest.mark.parametrize(
    "data",
    [wav(1.0), wav(1.0, rate=44_100, channels=2), wav(1.0, rate=8000), ogg_opus(1.0)],
    ids=["wav", "stereo", "telephone", "opus"],
)
def test_a_file_is_read_at_its_length_and_pitch(data):
    clip = read_clip(data)
    assert clip.seconds == pytest.approx(1.0, abs=0.03)
    assert pitch(clip.pcm, clip.sample_rate) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "WAV or an Ogg"),
        (b"#EXTM3U\nhttp://127.0.0.1/", "WAV or an Ogg"),
        (b"RIFF" + bytes(100), "can't be decoded"),
        (b"OggS" + bytes(100), "can't be decoded"),
        (wav(0.0), "no sound|can't be decoded"),
        (wav(MAX_S + 1, rate=8000), "60 s"),
        (wav(100.0, rate=1), "rate"),
        (bytes(MAX_BYTES + 1), "may have"),
    ],
    ids=["empty", "playlist", "broken wav", "broken ogg", "no samples", "long", "1 Hz", "big"],
)
def test_what_is_no_sound_is_refused_with_the_reason(data, why):
    with pytest.raises(ValueError, match=why):
        read_clip(data)


@given(st.binary(max_size=300), st.sampled_from([b"RIFF", b"OggS"]))
@settings(max_examples=50, deadline=None)
def test_a_strangers_bytes_are_read_or_refused_and_nothing_else(data, magic):
    try:
        pcm = read_clip(magic + data).pcm
    except ValueError:
        return
    assert pcm
