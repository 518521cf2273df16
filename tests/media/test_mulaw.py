from __future__ import annotations

import hashlib

import numpy as np
import pytest

from openclaw_actors.media import mulaw

ALL_SAMPLES = np.arange(-32_768, 32_768, dtype="<i2").tobytes()
ALL_CODES = bytes(range(256))


def scalar_encode(sample: int) -> int:
    """G.711's own steps, written out for one sample: an independent second road to the same code."""
    sign, magnitude = (0x80, -(sample >> 2)) if sample < 0 else (0, sample >> 2)
    magnitude = min(magnitude, 8159) + 33
    segment = magnitude.bit_length() - 6
    code = 0x7F if segment > 7 else segment << 4 | (magnitude >> (segment + 1)) & 0xF
    return ~(sign | code) & 0xFF


def test_every_one_of_the_65536_samples_gets_the_code_of_the_standard():
    codes = mulaw.encode(ALL_SAMPLES)

    # SHA-256 of CPython 3.11's audioop.lin2ulaw over the same samples.
    assert hashlib.sha256(codes).hexdigest() == "81d633c9e6972a18c74a58720b96cb8ca0bdd096d4060b646dd708c3b846019a"
    assert list(codes) == [scalar_encode(sample) for sample in range(-32_768, 32_768)]


def test_every_one_of_the_256_codes_gets_the_sample_of_the_standard():
    pcm = mulaw.decode(ALL_CODES)

    # SHA-256 of CPython 3.11's audioop.ulaw2lin over the same codes.
    assert hashlib.sha256(pcm).hexdigest() == "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"


def test_encoding_a_decoded_code_gives_the_code_again():
    again = mulaw.encode(mulaw.decode(ALL_CODES))

    # 0x7F is negative zero, which the encoder never makes.
    assert [a for a, b in zip(again, ALL_CODES, strict=True) if a != b] == [0xFF]


def test_silence_is_the_byte_ff():
    assert mulaw.encode(bytes(320)) == b"\xff" * 160
    assert mulaw.decode(b"\xff" * 160) == bytes(320)


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="multiple"):
        mulaw.encode(b"\x00\x00\x00")


def test_known_samples_have_the_codes_that_others_measured():
    known = {0: 0xFF, 1000: 0xCE, -1000: 0x4E, 100: 0xF2, 32_767: 0x80, -32_768: 0x00}
    codes = mulaw.encode(np.array(list(known), "<i2").tobytes())
    assert list(codes) == list(known.values())
    assert np.frombuffer(mulaw.decode(b"\xce"), "<i2") == 988
