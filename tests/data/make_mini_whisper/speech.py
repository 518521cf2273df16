"""Command sentences, spoken by espeak-ng and spoilt as telephones and rooms spoil them.

Run from this folder, with Debian's espeak-ng: ``python speech.py`` writes speech.npz.
"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from random import Random

import numpy as np

from openclaw_actors.media import mulaw
from openclaw_actors.media.resample import Resampler

RATE = 16_000

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
THINGS = ("coffee", "tea", "water", "pizza", "music", "news", "milk", "bread")
ROOMS = ("kitchen", "bedroom", "garden", "office")
DAYS = ("today", "tomorrow", "monday", "friday")
PEOPLE = ("brother", "mother", "doctor", "boss")

VOICES = (
    *("en-us", "en-gb", "en-gb-x-rp", "en-us+m1", "en-us+m3", "en-us+m7"),
    *("en-us+f1", "en-us+f2", "en-us+f4", "en-gb+f3", "en-gb+m2"),
)
OTHER_VOICES = ("en-us", "en-gb+f1", "en-us+m5", "en-us+f5")
"""Three that were not heard in training, and one that was."""


def sentence(random: Random) -> str:
    """One of about 340 that are distinct, and any four numbers."""
    number, thing, room = random.choice(NUMBERS), random.choice(THINGS), random.choice(ROOMS)
    day, person = random.choice(DAYS), random.choice(PEOPLE)
    return random.choice(
        (
            f"set a timer for {number} minutes",
            f"what is the weather like {day}",
            f"turn the lights {random.choice(('on', 'off'))} in the {room}",
            f"please call my {person}",
            f"i would like {number} {thing} please",
            f"what is on my calendar {day}",
            "yes please",
            "no thank you",
            "stop",
            f"tell me the {thing}",
            f"book a table for {number} people {day}",
            f"hello how are you {day}",
            " ".join(random.choices(NUMBERS, k=4)),
        )
    )


def speak(text: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """The sound, float32 at 16 kHz, without the silence around it."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    resampler = Resampler(22_050, RATE)
    pcm = resampler.push(wav[44:]) + resampler.flush()
    sound = np.frombuffer(pcm, np.int16).astype(np.float32) / 32_768
    loud = np.nonzero(np.abs(sound) > 0.005)[0]
    return sound[loud[0] : loud[-1] + 1]


def spoil(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Silence before and after, another gain, noise, and every second time a telephone's 8 kHz mu-law."""
    before, after = np.zeros(random.integers(400, 6400)), np.zeros(random.integers(1600, 8000))
    sound = np.concatenate([before, sound, after]) * 10 ** (random.uniform(-10, 3) / 20)
    sound = sound + random.normal(0, 10 ** (random.uniform(-75, -45) / 20), len(sound))
    pcm = (np.clip(sound, -1, 1) * 32_767).astype(np.int16).tobytes()
    if random.random() < 0.5:
        down, up = Resampler(RATE, 8000), Resampler(8000, RATE)
        narrow = mulaw.decode(mulaw.encode(down.push(pcm) + down.flush()))
        pcm = up.push(narrow) + up.flush()
    return np.frombuffer(pcm, np.int16).astype(np.float32) / 32_768


def make(count: int, seed: int, voices: tuple[str, ...]) -> list[tuple[str, np.ndarray]]:
    """So many sentences with their sound."""
    random = Random(seed)
    jobs = [
        (sentence(random), random.choice(voices), random.randrange(125, 190), random.randrange(30, 70))
        for _ in range(count)
    ]
    with ThreadPoolExecutor(3) as pool:
        sounds = list(pool.map(lambda job: speak(*job), jobs))
    return [(text, sound) for (text, *_), sound in zip(jobs, sounds, strict=True)]


def main() -> None:
    """Write the sentences to train with and those to test with."""
    kinds = {"train": make(2600, 1, VOICES), "test": make(150, 999, OTHER_VOICES)}
    arrays: dict[str, np.ndarray] = {}
    for kind, spoken in kinds.items():
        arrays[f"{kind}_texts"] = np.array([text for text, _ in spoken])
        arrays[f"{kind}_lengths"] = np.array([len(sound) for _, sound in spoken])
        arrays[f"{kind}_sound"] = np.concatenate([sound for _, sound in spoken])
    np.savez_compressed("speech.npz", **arrays)


if __name__ == "__main__":
    main()
