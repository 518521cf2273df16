"""What Whisper costs on this machine, and how many callers it serves: ``python -m tests.load.whisper_gpu``.

The weights are random (tests/data/random_whisper.py), so nothing is downloaded and the text means nothing, but each
token costs what it costs with trained ones. Two tables: batches of 4.5 s utterances through the worker's own code; and
callers who speak without a break, with a partial each 0.5 s and a final each 4.5 s, through the engine and its worker
process, until the finals' p95 passes 300 ms.

On a GPU: ``--shape large-v3-turbo --device cuda --batches 1 2 4 8 16 32 64``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # as in the worker process; read at import

import numpy as np

from openclaw_actors.engines.stt.faster_whisper import FasterWhisperEngine
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import FasterWhisper
from tests.data.random_whisper import SHAPES, make

UTTERANCE_S = 4.5
"""With its pre-roll and tail, as long as most turns are at most."""
PARTIAL_EVERY_S = 0.5
GOAL_S = 0.3
"""Of a turn's 0.5 s; the endpoint delay, 0.2 s, hides most of it."""
UTTERANCES = 3
"""Of each caller at each level."""
MOST_CALLERS = 1024


def noise(seconds: float, seed: int = 0) -> bytes:
    """Sound that no two callers share."""
    samples = np.random.default_rng(seed).normal(0, 2000, round(seconds * SAMPLE_RATE))
    return samples.astype(np.int16).tobytes()


def measure_batches(
    settings: FasterWhisper, batches: Sequence[int], threads: int, rounds: int
) -> list[dict[str, float]]:
    """A row for each size of batch: the time it took, and of all cores together, which others' load does not change."""
    from openclaw_actors.engines.stt.faster_whisper_worker import Recogniser
    from openclaw_actors.engines.stt.whisper_job import Job

    recogniser = Recogniser(
        settings.model, settings.device, settings.compute_type, threads, trim_context=settings.trim_context
    )
    rows = []
    for size in batches:
        jobs = [Job(noise(UTTERANCE_S, seed), "en") for seed in range(size)]
        recogniser.together(jobs)  # a new shape's kernels are chosen, and its memory taken, on first use
        took, cpu = [], []
        for _ in range(rounds):
            began, cpu_began = time.perf_counter(), time.process_time()
            recogniser.together(jobs)
            took.append(time.perf_counter() - began)
            cpu.append(time.process_time() - cpu_began)
        rows.append({"batch": size, "seconds": median(took), "cpu_seconds": median(cpu)})
    return rows


class Crowd:
    """Callers who all speak to one engine."""

    def __init__(self, engine: FasterWhisperEngine) -> None:
        self._engine = engine
        self._sound = noise(UTTERANCE_S)
        self.finals_s: list[float] = []
        self.partials = 0
        self.dropped = 0

    async def caller(self, delay_s: float) -> None:
        """Speak UTTERANCES in real time."""
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(delay_s)
        for _ in range(UTTERANCES):
            began = clock()
            for number in range(1, round(UTTERANCE_S / PARTIAL_EVERY_S)):
                await asyncio.sleep(max(0.0, began + number * PARTIAL_EVERY_S - clock()))
                upto = 2 * round(number * PARTIAL_EVERY_S * SAMPLE_RATE)
                try:
                    await self._engine.transcribe(self._sound[:upto], language="en", final=False)
                    self.partials += 1
                except TransientEngineError:
                    self.dropped += 1
            await asyncio.sleep(max(0.0, began + UTTERANCE_S - clock()))
            asked = clock()
            await self._engine.transcribe(self._sound, language="en")
            self.finals_s.append(clock() - asked)

    async def speak(self, callers: int) -> dict[str, float]:
        """A row: so many callers, begun evenly over one utterance."""
        await asyncio.gather(*(self.caller(UTTERANCE_S * number / callers) for number in range(callers)))
        return {
            "callers": callers,
            "final_p50_s": median(self.finals_s),
            "final_p95_s": float(np.quantile(self.finals_s, 0.95)),
            "partials_dropped": self.dropped / max(1, self.dropped + self.partials),
        }


async def measure_callers(settings: FasterWhisper) -> list[dict[str, float]]:
    """Rows of ever more callers, and between the last that went well and the first that did not."""
    engine = FasterWhisperEngine(settings)
    await engine.open()
    rows = []
    good, bad, callers = 0, MOST_CALLERS + 1, 1
    try:
        while good < callers < bad:
            row = await Crowd(engine).speak(callers)
            rows.append(row)
            if row["final_p95_s"] <= GOAL_S:
                good = callers
            else:
                bad = callers
            callers = 2 * good if bad > MOST_CALLERS else (good + bad) // 2
            if bad - good <= max(1, good // 8):
                break
    finally:
        await engine.aclose()
    return sorted(rows, key=lambda row: row["callers"])


def table(batches: Sequence[dict[str, float]], callers: Sequence[dict[str, float]]) -> str:
    """Both as markdown."""
    lines = ["| batch | ms | ms an utterance | of CPU, ms an utterance | speech per second, s |", "|---" * 5 + "|"]
    for row in batches:
        size, seconds = row["batch"], row["seconds"]
        cost = f"{1000 * seconds / size:.1f} | {1000 * row['cpu_seconds'] / size:.1f}"
        lines.append(f"| {size} | {1000 * seconds:.0f} | {cost} | {size * UTTERANCE_S / seconds:.0f} |")
    lines += ["", "| callers | final p50 / p95 ms | partials dropped |", "|---|---|---|"]
    for row in callers:
        p50, p95 = (1000 * row[key] for key in ("final_p50_s", "final_p95_s"))
        lines.append(f"| {row['callers']} | {p50:.0f} / {p95:.0f} | {100 * row['partials_dropped']:.0f} % |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--compute-type", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="native threads, on a CPU")
    parser.add_argument("--trim-context", action="store_true", help="as stt.faster_whisper.trim_context")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5, help="of each batch; the median counts")
    parser.add_argument("--no-callers", action="store_true", help="batches alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    stored = "float16" if SHAPES[options.shape].width > 1000 else "int8"
    with tempfile.TemporaryDirectory() as folder:
        settings = FasterWhisper(
            model=str(make(Path(folder), SHAPES[options.shape], quantization=stored)),
            device=options.device,
            compute_type=options.compute_type,
            trim_context=options.trim_context,
        )
        batches = measure_batches(settings, options.batches, options.threads, options.rounds)
        callers = [] if options.no_callers else asyncio.run(measure_callers(settings))
    result = json.dumps({"batches": batches, "callers": callers}, indent=2) + "\n" if options.json else ""
    sys.stdout.write(result or table(batches, callers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
