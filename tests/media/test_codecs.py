from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.media import codecs, mulaw
from openclaw_actors.media.codecs import OPUS, PCMU, Codec, Encoded, PhraseEncoder, encode_phrase
from openclaw_actors.media.libopus import OpusEncoder, libopus

both = pytest.mark.parametrize("codec", [OPUS, PCMU], ids=lambda codec: codec.name)


def tone(seconds: float, rate: int, hz: float = 300) -> bytes:
    t = np.arange(round(seconds * rate)) / rate
    return (9_000 * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


def decode(codec: Codec, packets: tuple[bytes, ...]) -> np.ndarray:
    if codec is PCMU:
        return np.frombuffer(mulaw.decode(b"".join(packets)), "<i2")
    decoder = av.AudioCodecContext.create("libopus", "r")
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def loudest_hz(sound: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * rate / len(sound)


@both
@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_phrase_at_any_rate_is_heard_at_its_pitch_and_length(codec: Codec, rate: int):
    encoded = encode_phrase(codec, rate, tone(1.0, rate))
    heard = decode(codec, encoded.packets)

    assert 50 <= len(encoded.packets) <= 51
    assert loudest_hz(heard, codec.clock_rate) == pytest.approx(300, abs=3)
    assert np.abs(heard).max() == pytest.approx(9_000, rel=0.15)


@both
def test_each_packet_has_its_20_ms_of_pcm(codec: Codec):
    encoded = encode_phrase(codec, codec.pcm_rate, tone(0.111, codec.pcm_rate))

    assert len(encoded.packets) == 6
    assert len(encoded.pcm) == 6 * codec.packet_samples * 2
    assert encoded.pcm.startswith(tone(0.111, codec.pcm_rate))
    assert not any(encoded.pcm[len(tone(0.111, codec.pcm_rate)) :])


@both
def test_the_rest_of_a_paused_phrase_can_be_encoded_anew(codec: Codec):
    whole = encode_phrase(codec, codec.pcm_rate, tone(0.5, codec.pcm_rate))
    rest = whole.without_first(10)
    again = encode_phrase(codec, codec.pcm_rate, rest.pcm)

    assert rest.packets == whole.packets[10:]
    assert again.pcm == rest.pcm
    assert loudest_hz(decode(codec, again.packets), codec.clock_rate) == pytest.approx(300, abs=5)


@both
def test_nothing_said_is_no_packet(codec: Codec):
    assert encode_phrase(codec, 22_050, b"") == Encoded()
    assert not Encoded()


def test_silence_of_opus_is_960_zero_samples():
    assert not decode(OPUS, (OPUS.silence,)).any()
    assert len(decode(OPUS, (OPUS.silence,))) == 960


def test_libopus_and_pyavs_encoder_make_the_same_packets(monkeypatch):
    pcm = tone(0.4, 24_000)
    own = encode_phrase(OPUS, 24_000, pcm)
    monkeypatch.setattr(codecs, "libopus", lambda: None)

    assert encode_phrase(OPUS, 24_000, pcm) == own
    assert {packet[0] >> 3 for packet in own.packets} == {27}, "CELT, super-wideband, 20 ms (RFC 6716 table 2)"


def test_an_encoder_gives_its_memory_back():
    freed = []
    library = libopus()

    class Counting:
        opus_encoder_create, opus_encoder_ctl = library.opus_encoder_create, library.opus_encoder_ctl
        opus_encode = library.opus_encode

        @staticmethod
        def opus_encoder_destroy(state) -> None:
            freed.append(state)
            library.opus_encoder_destroy(state)

    encoder = OpusEncoder(Counting, 24_000, 40_000, 10)
    assert encoder.encode(bytes(960))
    with pytest.raises(ValueError, match="libopus error -1"):
        encoder.encode(bytes(100))
    del encoder
    gc.collect()
    assert len(freed) == 1


def test_a_rate_that_is_none_of_opus_is_refused():
    with pytest.raises(MemoryError, match="no encoder: -1"):
        OpusEncoder(libopus(), 22_050, 40_000, 10)


def test_an_encoder_starts_no_threads_of_its_own():
    before = threading.active_count()
    encoder = PhraseEncoder(OPUS, 24_000)
    encoder.encode(tone(0.1, 24_000))

    assert threading.active_count() == before


def test_phrases_are_encoded_side_by_side_without_mixing():
    phrases = [tone(0.4, 22_050, hz) for hz in (200, 400, 800, 1_600)]
    with ThreadPoolExecutor(4, thread_name_prefix="encode") as pool:
        together = list(pool.map(lambda pcm: encode_phrase(OPUS, 22_050, pcm), phrases))

    assert together == [encode_phrase(OPUS, 22_050, pcm) for pcm in phrases]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 3_000), max_size=8),
    st.sampled_from([OPUS, PCMU]),
    st.sampled_from([8_000, 22_050, 24_000]),
)
def test_pieces_make_no_difference(sizes: list[int], codec: Codec, rate: int):
    pcm = tone(0.3, rate)
    encoder = PhraseEncoder(codec, rate)
    out, at = Encoded(), 0
    for size in sizes:
        out += encoder.encode(pcm[at : at + 2 * size])
        at += 2 * size
    out += encoder.encode(pcm[at:]) + encoder.flush()

    assert out == encode_phrase(codec, rate, pcm)
