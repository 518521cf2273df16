"""How often is a caller who pauses in a sentence cut off, at what price? ``python -m tests.load.cut_offs``.

Twelve sentences of flite's with a pause of 300, 600 or 1000 ms in the middle. A cut-off is a reply whose voice begins
before the sentence is over; the reply time is mouth to ear from the sentence's end. The recogniser, the agent and the
voice are the stubs of the benchmarks (50 ms, 100 ms, 10 ms a token, 50 ms), the recogniser hearing without fault what
has been said so far: of the words, as a good one would. Then coughs and murmurs over the agent's voice: does it go on?
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import time
import wave
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load_report import percentile
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import StubPlan
from openclaw_actors.testkit.speakers import Speech, Voice, flite, silence
from tests.load.stubs import CONFIG

SENTENCES = (
    ("I would like to know whether", "I should bring an umbrella."),
    ("What is the weather like in", "Paris today?"),
    ("Please call my brother and", "tell him I will be late."),
    ("Can you remind me to", "buy some milk tomorrow?"),
    ("My phone number is five five five", "one two three four."),
    ("I want to book a table for", "two people on Friday."),
    ("Turn off the lights in the", "kitchen and the hall."),
    ("If it rains tomorrow", "please cancel the game."),
    ("How long does it take", "to get to the station?"),
    ("I need a taxi", "to the airport at six."),
    ("Send a message to Anna", "that I am on my way."),
    ("The meeting is at three um", "in the big room."),
)
"""What comes before the pause and behind it. Of three (how long, a taxi, Anna) the first part could be all."""

PAUSES_MS = (0, 300, 600, 1000)
_BLOCK = SAMPLE_RATE // 100


def envelope(pcm: bytes) -> npt.NDArray[np.float64]:
    """Loudness every 10 ms, in dB above a floor."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    blocks = samples[: samples.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    return np.maximum(10 * np.log10(np.mean(blocks**2, axis=1) + 1), 25) - 25


class Hearing:
    """Tells by the loudness over time which of the things that callers say an utterance is; it is never wrong."""

    def __init__(self) -> None:
        self._known: list[tuple[str, npt.NDArray[np.float64]]] = []

    def expect(self, *speeches: Speech) -> None:
        """One of these will be said next."""
        self._known = [(speech.text, envelope(speech.pcm)) for speech in speeches]

    def __call__(self, upload: bytes) -> str:
        """The words in a WAV file."""
        with wave.open(io.BytesIO(upload)) as file:
            heard = envelope(file.readframes(file.getnframes()))
        return max(self._known, key=lambda known: self._likeness(heard, known[1]))[0] if self._known else ""

    def _likeness(self, heard: npt.NDArray[np.float64], known: npt.NDArray[np.float64]) -> float:
        """Correlation at the best shift, over all of both: what is only in one of them counts against it."""
        size = heard.size + known.size
        spectrum = np.fft.rfft(heard, 2 * size) * np.conj(np.fft.rfft(known, 2 * size))
        best = float(np.max(np.fft.irfft(spectrum)))
        return best / (np.linalg.norm(heard) * np.linalg.norm(known) + 1e-9)


@dataclass(frozen=True)
class Row:
    """One length of pause: which sentences were cut off, and the milliseconds to the replies."""

    pause_ms: int
    cut_off: tuple[int, ...]
    reply_ms: tuple[float, ...]


async def say_with_pause(url: str, parts: tuple[Speech, Speech], pause_ms: int) -> tuple[bool, float]:
    """A new call each, so that nothing is learnt: was the caller cut off, and the seconds to the reply."""
    async with Caller(url, keep_audio=False) as caller:
        await caller.wait(0.3)
        first, second = parts
        answer = await caller.ask(first.then(silence(pause_ms / 1000), second))
        began = answer.utterance.began_at
        early = any(began < onset < answer.utterance.ended_at for onset in caller.heard.onsets)
        return early, answer.latency_s


async def pauses(url: str, hearing: Hearing, pause_ms: int) -> Row:
    """All sentences with a pause of this length."""
    cut, replies = [], []
    for number, (before, after) in enumerate(SENTENCES):
        voice: Voice = ("slt", "rms", "awb")[number % 3]
        parts = flite(before, voice), flite(after, voice)
        whole = parts[0].then(silence(pause_ms / 1000), parts[1])
        hearing.expect(*parts, whole)
        early, seconds = await say_with_pause(url, parts, pause_ms)
        replies.append(1000 * seconds)
        if early:
            cut.append(number)
    return Row(pause_ms, tuple(cut), tuple(replies))


def cough(seed: int) -> Speech:
    """Two bursts of noise, 170 and 130 ms, each falling by 40 dB, coloured as by a mouth: no voice in it."""
    rng = np.random.default_rng(seed)

    def burst(seconds: float) -> npt.NDArray[np.float64]:
        times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        noise = np.convolve(rng.normal(size=times.size), np.exp(-np.arange(40) / 6), "same")
        return noise / np.abs(noise).max() * 10 ** (-2 * times / seconds) * np.minimum(1, times / 0.005)

    sound = np.concatenate((burst(0.17), np.zeros(round(0.12 * SAMPLE_RATE)), burst(0.13)))
    return Speech((sound * 14_000).astype("<i2").tobytes())


def hum(hz: float) -> Speech:
    """Mm-hm, with closed lips: two hums of 160 ms, the second a fourth higher, harmonics falling 12 dB an octave."""

    def syllable(pitch: float) -> npt.NDArray[np.float64]:
        times = np.arange(round(0.16 * SAMPLE_RATE)) / SAMPLE_RATE
        wave = sum(np.sin(2 * np.pi * pitch * n * times) / n**2 for n in range(1, 9))
        return np.asarray(wave * np.hanning(times.size))

    sound = np.concatenate((syllable(hz), np.zeros(round(0.04 * SAMPLE_RATE)), syllable(hz * 4 / 3)))
    return Speech((sound * 9_000).astype("<i2").tobytes(), "mm-hm")


def murmurs() -> list[tuple[str, Speech]]:
    """What is no interruption, by name; flite would spell "mm-hm" out, so that one is made by hand."""
    voices: tuple[Voice, ...] = ("slt", "rms")
    said = [(f"“{text}” ({voice})", flite(text, voice)) for text in ("yeah", "okay", "uh huh") for voice in voices]
    hummed = [(f"“mm-hm”, hummed at {hz} Hz", hum(hz)) for hz in (110, 200)]
    return [*((f"cough {seed}", cough(seed)) for seed in range(4)), *hummed, *said]


async def murmur(url: str, question: Speech, sound: Speech) -> tuple[bool, float]:
    """Whether the agent went on after ``sound`` in its reply, and for how many seconds it was silent."""
    async with Caller(url, keep_audio=False) as caller:
        await caller.wait(0.3)
        await caller.ask(question)
        await caller.wait(1.0)
        said = await caller.say(sound)
        with suppress(TimeoutError):
            await caller.wait_voice(2.0, after=said.began_at + 0.02)
        await caller.wait(0.5)
        cut = any(e.type == "call.barge_in" and e.data["outcome"] == "interrupted" for e in caller.events)
        went_on = not cut and caller.heard.quiet_s(time.monotonic()) < 0.3
        resumed = next((onset for onset in caller.heard.onsets if onset > said.began_at), said.began_at)
        return went_on, max(0.0, resumed - said.began_at)


async def run() -> str:
    """Both tables, as markdown."""
    hearing = Hearing()
    question = flite("What is the weather like in Paris today?")
    lines = [
        "| pause in the sentence | cut off | reply p50 / p95 ms | which |",
        "|---|---|---|---|",
    ]
    async with OpenAiStub(StubPlan(transcript=hearing)) as stub, HostProcess(CONFIG.format(url=stub.base_url)) as host:
        for pause_ms in PAUSES_MS:
            row = await pauses(host.url, hearing, pause_ms)
            which = ", ".join(f"“{SENTENCES[number][0]} …”" for number in row.cut_off) or "none"
            lines.append(
                f"| {row.pause_ms} ms | {len(row.cut_off)} of {len(SENTENCES)} | {percentile(row.reply_ms, 50):.0f} / "
                f"{percentile(row.reply_ms, 95):.0f} | {which} |"
            )
            sys.stderr.write(lines[-1] + "\n")
        asked = len(stub.of("chat"))
        lines += ["", f"{asked} requests to the model for {len(PAUSES_MS) * len(SENTENCES)} sentences.", ""]
        lines += ["| over the agent's voice | it goes on | silent for s |", "|---|---|---|"]
        for name, sound in murmurs():
            hearing.expect(question, sound)
            went_on, silent_s = await murmur(host.url, question, sound)
            lines.append(f"| {name} | {'yes' if went_on else '**no**'} | {silent_s:.2f} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    sys.stdout.write(asyncio.run(run()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
