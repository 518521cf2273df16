"""What was sent, as sound, by its own clock."""

from __future__ import annotations

import numpy as np
import pytest

from openclaw_actors.media.sent_voice import SentVoice
from openclaw_actors.messages import FRAME, SAMPLE_RATE


def ramp(rate: int, value: int) -> bytes:
    """20 ms at a level."""
    return np.full(rate // 50, value, "<i2").tobytes()


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_sound_of_any_rate_is_read_at_16_khz_where_it_was_sent(rate):
    sent = SentVoice()
    sent.silence()
    sent.voice(ramp(rate, 16_384))
    sent.silence()
    assert (sent.position, sent.voiced_to) == (3 * FRAME, 2 * FRAME)
    heard = sent.read(sent.position, 3 * FRAME)
    assert heard.dtype == np.float32
    assert np.all(heard[:FRAME] == 0)
    assert np.all(heard[FRAME : 2 * FRAME] == 0.5)
    assert np.all(heard[2 * FRAME :] == 0)


def test_a_part_of_a_packet_is_read_and_what_is_not_sent_yet_is_silence():
    sent = SentVoice()
    for value in (1_000, 2_000):
        sent.voice(ramp(16_000, value))
    heard = sent.read(2 * FRAME + 100, FRAME)
    assert np.allclose(heard[:-100] * 32_768, 2_000)
    assert np.all(heard[-100:] == 0)
    assert np.allclose(sent.read(FRAME + 10, 20) * 32_768, [1_000] * 10 + [2_000] * 10)


def test_it_keeps_no_more_than_an_echo_can_need():
    sent = SentVoice()
    for _ in range(500):
        sent.voice(ramp(16_000, 1_000))
    assert np.count_nonzero(sent.read(sent.position, 10 * SAMPLE_RATE)) == 1.5 * SAMPLE_RATE


def test_the_playout_says_what_it_sent(tmp_path):
    from openclaw_actors.media.codecs import PCMU
    from openclaw_actors.media.playout import Playout
    from openclaw_actors.messages import Speech

    playout = Playout(PCMU, lambda: None)
    playout.next_packet()
    pcm = np.repeat(np.array([3_000, -3_000], "<i2"), 160).tobytes()
    playout.add(Speech(1, 0, "hi", (b"a" * 160, b"b" * 160), pcm, ends_phrase=True, ends_turn=True))
    playout.release(1)
    packets = [playout.next_packet() for _ in range(4)]
    assert packets[:2] == [b"a" * 160, b"b" * 160]
    heard = playout.sent.read(5 * FRAME, 5 * FRAME) * 32_768
    assert np.allclose(heard[FRAME + 2 : 2 * FRAME - 2], 3_000)
    assert np.allclose(heard[2 * FRAME + 2 : 3 * FRAME - 2], -3_000)
    assert np.all(heard[3 * FRAME :] == 0)
