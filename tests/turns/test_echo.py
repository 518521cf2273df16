"""Our own voice from the caller's loudspeaker, through a room and Opus: it is nobody, and hides nobody."""

from __future__ import annotations

import numpy as np
import pytest

from openclaw_actors.media.sent_voice import SentVoice
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.turns.echo import EchoGuardedVad
from openclaw_actors.turns.vad import WINDOW, EnergyVad
from tests.conftest import needs_program
from tests.load.echo import onsets, trial


@pytest.fixture(autouse=True)
def _voices() -> None:
    needs_program("flite", "apt install flite")


@pytest.mark.parametrize(("level_db", "delay_ms"), [(-10, 50), (-20, 150), (-30, 250)])
def test_our_own_voice_from_their_loudspeaker_interrupts_nobody(level_db: int, delay_ms: int) -> None:
    scene = trial(3, level_db, delay_ms, caller=False)
    assert onsets(scene, guarded=False)
    assert onsets(scene) == []


@pytest.mark.parametrize("level_db", [-10, -30])
def test_a_caller_who_speaks_over_our_echo_is_found(level_db: int) -> None:
    scene = trial(1001, level_db, 150, caller=True)
    assert scene.caller_at is not None
    (first, *_) = onsets(scene)
    assert scene.caller_at < first < scene.caller_at + 0.5 * SAMPLE_RATE


@pytest.mark.parametrize("seed", [1001, 1004, 1007])
def test_where_there_is_no_echo_nobody_is_held_up(seed: int) -> None:
    scene = trial(seed, None, 0, caller=True)
    assert onsets(scene)[0] == onsets(scene, guarded=False)[0]


def test_while_we_are_silent_every_voice_is_a_callers() -> None:
    guarded, bare = EchoGuardedVad(EnergyVad(), SentVoice()), EnergyVad()
    sound = np.random.default_rng(1).normal(0, 0.05, (40, WINDOW)).astype(np.float32)
    sound[:20] *= 0.01
    assert [guarded.probability(w) for w in sound] == [bare.probability(w) for w in sound]
