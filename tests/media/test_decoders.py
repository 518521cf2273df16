"""From packets to 16 kHz samples."""

from __future__ import annotations

import gc
import wave
from pathlib import Path

import numpy as np
import pytest

from openclaw_actors.media import decoders, mulaw
from openclaw_actors.media.codecs import OPUS, PCMU, encode_phrase
from openclaw_actors.media.decoders import UndecodableError, decoder
from openclaw_actors.media.libopus import libopus

RATE = 16_000
SPEECH = Path(__file__).parents[1] / "data" / "speech" / "set-a-timer-for-five-minutes.wav"


def tone(hz: float, seconds: float = 1.0) -> bytes:
    at = np.arange(round(RATE * seconds)) / RATE
    return np.rint(8_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16).tobytes()


def decoded(kind, packets) -> np.ndarray:
    return np.concatenate([kind.decode(packet) for packet in packets])


@pytest.fixture(params=["libopus", "PyAV"])
def opus(request, monkeypatch):
    if request.param == "PyAV":
        monkeypatch.setattr(decoders, "libopus", lambda: None)
    return lambda: decoder(OPUS)


def test_pyavs_wheel_brings_the_library_that_is_looked_for():
    assert isinstance(decoder(OPUS), decoders._OpusDecoder)


@pytest.mark.parametrize("hz", [200, 1_000, 3_000])
def test_sound_comes_out_as_it_went_in(opus, hz):
    packets = encode_phrase(OPUS, RATE, tone(hz)).packets
    heard = decoded(opus(), packets)
    assert len(heard) == pytest.approx(RATE, abs=960)
    steady = heard[4_000:12_000].astype(float)
    spectrum = np.abs(np.fft.rfft(steady))
    assert np.argmax(spectrum) * RATE / len(steady) == pytest.approx(hz, abs=3)
    assert np.sqrt(np.mean(steady**2)) == pytest.approx(8_000 / np.sqrt(2), rel=0.1)


def test_both_decoders_hear_the_same():
    with wave.open(str(SPEECH)) as file:
        packets = encode_phrase(OPUS, RATE, file.readframes(file.getnframes())).packets
    one = decoded(decoders._OpusDecoder(libopus()), packets)[4_000:24_000].astype(float)
    other = decoded(decoders._AvDecoder(), packets)[3_000:25_000].astype(float)
    lag = int(np.argmax(np.correlate(other, one, "valid")))
    assert np.corrcoef(one, other[lag : lag + len(one)])[0, 1] > 0.97
    assert abs(lag - 1_000) <= 32, "the resampler's 0.7-2 ms"


def test_each_packet_gives_its_20_ms_at_once(opus):
    kind = opus()
    packets = encode_phrase(OPUS, RATE, tone(440)).packets
    assert {len(kind.decode(packet)) for packet in packets} == {320}
    assert not kind.decode(OPUS.silence)[200:].any()


@pytest.mark.parametrize("hz", [100, 440, 1_000, 2_000, 3_000, 3_400])
def test_mu_law_is_brought_to_16_khz_without_images(hz):
    heard = decoded(decoder(PCMU), encode_phrase(PCMU, RATE, tone(hz)).packets)
    steady = heard[4_000:12_000].astype(float) * np.blackman(8_000)
    spectrum = np.abs(np.fft.rfft(steady))
    at = np.arange(len(spectrum)) * 2.0
    assert at[np.argmax(spectrum)] == pytest.approx(hz, abs=3)
    image = spectrum[np.abs(at - (8_000 - hz)) < 20].max() / spectrum.max()
    assert image < (0.01 if hz <= 3_000 else 0.06), "what 8 kHz can't hold is not to be heard"


def test_mu_laws_own_samples_come_through_untouched_after_two_milliseconds():
    codes = np.random.default_rng(1).integers(0, 256, 1_600, np.uint8).tobytes()
    kind = decoder(PCMU)
    heard = np.concatenate([kind.decode(codes[at : at + 160]) for at in range(0, 1_600, 160)])
    own = np.frombuffer(mulaw.decode(codes), np.int16)
    assert (heard[32::2] == own[: len(heard[32::2])]).all()
    assert not heard[:32:2].any()


@pytest.mark.parametrize("size", [1, 7, 80, 400])
def test_mu_law_in_pieces_of_any_length_is_the_same_sound(size):
    codes = encode_phrase(PCMU, RATE, tone(440)).packets
    whole = b"".join(codes)
    one, other = decoder(PCMU), decoder(PCMU)
    pieces = np.concatenate([one.decode(whole[at : at + size]) for at in range(0, 4_000, size)])
    assert (pieces[:8_000] == decoded(other, codes)[:8_000]).all()


@pytest.mark.parametrize("payload", [b"\xff", b"\xff\xff\xff\xff", bytes([0xFB]) + bytes(3)], ids=lambda p: p.hex())
def test_a_broken_packet_is_told_and_the_next_is_heard(opus, payload):
    kind = opus()
    packets = encode_phrase(OPUS, RATE, tone(440)).packets
    for packet in packets[:10]:
        kind.decode(packet)
    with pytest.raises(UndecodableError):
        kind.decode(payload)
    assert np.abs(decoded(kind, packets[10:20])).max() > 5_000


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=lambda c: c.name)
def test_an_empty_packet_is_broken_too(codec):
    with pytest.raises(UndecodableError):
        decoder(codec).decode(b"")


def test_a_decoder_gives_its_memory_back():
    freed = []
    library = libopus()

    class Counting:
        opus_decoder_create = library.opus_decoder_create
        opus_decode = library.opus_decode

        @staticmethod
        def opus_decoder_destroy(state) -> None:
            freed.append(state)
            library.opus_decoder_destroy(state)

    kind = decoders._OpusDecoder(Counting)
    state = kind._state
    del kind
    gc.collect()
    assert freed == [state]
