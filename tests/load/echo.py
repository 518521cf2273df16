"""Does our own voice, coming back from the caller's loudspeaker, interrupt us? ``python -m tests.load.echo``.

Our voice goes through Opus, a loudspeaker that distorts, a room with 0.3 s of reverberation and Opus again, at levels
and delays as speakerphones have them; half of the trials hold a caller who really speaks over it. Silero and the
endpointer hear what a host would. No call is made: the trials run faster than real time.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt

from openclaw_actors.media.sent_voice import SentVoice
from openclaw_actors.messages import FRAME, SAMPLE_RATE, SpeechStarted
from openclaw_actors.settings.sections import Turns
from openclaw_actors.testkit.speakers import Voice, encode_opus, flite
from openclaw_actors.turns.echo import EchoGuardedVad
from openclaw_actors.turns.endpointing import Endpointer
from openclaw_actors.turns.vad import SileroVad

Sound = npt.NDArray[np.float64]

VOICES: tuple[Voice, ...] = ("slt", "rms", "awb", "kal")
OURS = (
    "It is sunny in Paris today, with a light wind from the west. You will not need an umbrella this afternoon.",
    "The next train to the airport leaves at ten past six from platform four, and it takes about half an hour.",
    "Your appointment with the dentist is on Friday at nine. Shall I put a reminder into your calendar?",
)
THEIRS = ("No, wait, I meant tomorrow.", "Stop.", "What about the train after that?", "Excuse me, say that again?")
DELAYS_MS = (50, 150, 250)
LEVELS_DB = (-10, -20, -30)
RMS = 0.08
"""-22 dBFS, of both voices."""


@dataclass(frozen=True)
class Trial:
    """What we send, what comes in, 16 kHz, full scale 1; and when the caller begins, if one speaks (sample)."""

    sent: Sound
    heard: Sound
    caller_at: int | None


def through_opus(sound: Sound) -> Sound:
    """Encoded and decoded; some 7 ms later, as it is on the line."""
    decoder = av.CodecContext.create("libopus", "r")
    decoder.format, decoder.layout, decoder.sample_rate = "s16", "mono", 48_000
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    pcm = (sound.clip(-1, 1) * 32_767).astype("<i2").tobytes()
    frames = [f for packet in encode_opus(pcm) for f in decoder.decode(av.Packet(packet))]
    pieces = [piece.to_ndarray().reshape(-1) for f in [*frames, None] for piece in resampler.resample(f)]
    out = np.concatenate(pieces).astype(np.float64) / 32_768
    return np.pad(out, (0, max(0, sound.size - out.size)))[: sound.size]


def room(rng: np.random.Generator, seconds: float = 0.3, direct_db: float = 3.0) -> Sound:
    """An impulse response: the direct sound, and reverberation that falls by 60 dB in ``seconds``."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.normal(size=times.size) * 10 ** (-3 * times / seconds)
    tail[: SAMPLE_RATE // 500] = 0
    tail *= np.sqrt(10 ** (-direct_db / 10) / np.sum(tail**2))
    tail[0] = 1
    return tail


def voice(text: str, name: Voice) -> Sound:
    """One of flite's voices, at RMS."""
    sound = np.frombuffer(flite(text, name).pcm, "<i2").astype(np.float64) / 32_768
    return sound * (RMS / np.sqrt(np.mean(sound**2)))


def trial(seed: int, echo_db: float | None, delay_ms: int, *, caller: bool) -> Trial:
    """One scene; ``echo_db`` None: the caller's device cancels all echo."""
    rng, choose = np.random.default_rng(seed), random.Random(seed)
    our_voice, their_voice = choose.sample(VOICES, 2)
    sent = np.concatenate((np.zeros(SAMPLE_RATE // 2), voice(choose.choice(OURS), our_voice), np.zeros(SAMPLE_RATE)))
    heard = rng.normal(size=sent.size) * 0.0005
    if echo_db is not None:
        loudspeaker = np.tanh(through_opus(sent) * 3) / 3
        echo = np.convolve(loudspeaker, room(rng))[: sent.size] * 10 ** (echo_db / 20)
        delay = delay_ms * SAMPLE_RATE // 1000
        heard[delay:] += echo[: sent.size - delay]
    words, at = voice(choose.choice(THEIRS), their_voice), round((1.5 + 2 * choose.random()) * SAMPLE_RATE)
    if caller:
        heard[at : at + words.size] += words[: heard.size - at]
    return Trial(sent, through_opus(heard), at if caller else None)


def onsets(scene: Trial, *, guarded: bool = True) -> list[int]:
    """Where the endpointer finds that somebody begins to speak: the sample at which it says so."""
    sent = SentVoice()
    vad = EchoGuardedVad(SileroVad(), sent) if guarded else SileroVad()
    endpointer = Endpointer(Turns(), vad=vad)
    found: list[int] = []
    for start in range(0, scene.heard.size - FRAME, FRAME):
        ours = scene.sent[start : start + FRAME]
        if ours.any():
            sent.voice((ours * 32_767).astype("<i2").tobytes())
        else:
            sent.silence()
        frame = (scene.heard[start : start + FRAME].clip(-1, 1) * 32_767).astype("<i2").tobytes()
        for event in endpointer.push(start, frame, start / SAMPLE_RATE):
            if isinstance(event, SpeechStarted):
                found.append(start + FRAME)
            elif hasattr(event, "end"):  # what was found is over as soon as it may be, so that the next is found too
                endpointer.weigh(event.utterance, event.rev, words=1.0)
    return found


def false_interruptions(echo_db: float, trials: int, *, guarded: bool) -> int:
    """Of ``trials`` in which only we speak, those in which somebody is found."""
    scenes = (trial(seed, echo_db, DELAYS_MS[seed % 3], caller=False) for seed in range(trials))
    return sum(bool(onsets(scene, guarded=guarded)) for scene in scenes)


def lateness_ms(echo_db: float | None, trials: int) -> list[float | None]:
    """How much later a caller is found than without any echo and guard; None: not within a second."""
    late: list[float | None] = []
    for seed in range(1000, 1000 + trials):
        scene = trial(seed, echo_db, DELAYS_MS[seed % 3], caller=True)
        clean = trial(seed, None, 0, caller=True)
        at = scene.caller_at or 0
        first = min(onset for onset in onsets(clean, guarded=False) if onset > at)
        found = [onset for onset in onsets(scene) if at < onset <= first + SAMPLE_RATE]
        late.append(1000 * (found[0] - first) / SAMPLE_RATE if found else None)
    return late


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 when an echo interrupted us or a caller was not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=24, help="scenes a cell")
    trials = parser.parse_args(argv).trials
    headings = "echo | interrupts us, unguarded | guarded | real interruption found | later by p50 / p90 ms"
    sys.stdout.write(f"| {headings} |\n|---|---|---|---|---|\n")
    failed = 0
    for level in (None, *LEVELS_DB):
        bare, guarded = ("0", 0) if level is None else (
            f"{false_interruptions(level, min(trials, 6), guarded=False)} of {min(trials, 6)}",
            false_interruptions(level, trials, guarded=True),
        )  # fmt: skip
        late = lateness_ms(level, trials)
        found = [value for value in late if value is not None]
        failed += guarded + len(late) - len(found)
        p50, p90 = np.percentile(found, [50, 90])
        name = "none" if level is None else f"{level} dB"
        row = (name, bare, f"{guarded} of {trials}", f"{len(found)} of {trials}", f"{p50:.0f} / {p90:.0f}")
        sys.stdout.write(f"| {' | '.join(row)} |\n")
        sys.stdout.flush()
    return min(1, failed)


if __name__ == "__main__":
    sys.exit(main())
