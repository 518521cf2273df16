"""What the recognisers get wrong, and what that costs: ``python -m tests.load.word_errors`` (``make wer``).

Sentences that mini-whisper knows (tests/data/mini-whisper) are spoken by flite and espeak-ng, go through Opus or
through mu-law, and are recognised at once (batch) or while they are spoken (streamed: a partial every 0.3 s of sound,
then the final, as the Stt stage asks for them). Then twelve callers speak at once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

import av
import jiwer
import numpy as np

from openclaw_actors.engines.protocols import SttEngine
from openclaw_actors.engines.stt.agreement import Agreement
from openclaw_actors.engines.stt.faster_whisper import FasterWhisperEngine
from openclaw_actors.engines.stt.hallucination import normalise
from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.engines.tts.espeak_ng import EspeakNgEngine
from openclaw_actors.errors import TransientEngineError
from openclaw_actors.media import mulaw
from openclaw_actors.media.resample import Resampler
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.settings.sections import EspeakNg, FasterWhisper
from openclaw_actors.testkit.speakers import Speech, encode_opus, flite

WHISPER, WHISPER_30_S, POCKETSPHINX = "mini-whisper", "mini-whisper, 30 s", "pocketsphinx"
"""The second with its stock context, of which it saw little in training: what a strange context costs."""

MODEL = Path(__file__).parents[1] / "data" / "mini-whisper"

PARTIAL_EVERY_S = 0.3
"""As often as the engine ever asks (engines/stt/pace.py)."""

CALLERS = 12

SENTENCES = (
    "set a timer for five minutes",
    "what is the weather like tomorrow",
    "turn the lights off in the kitchen",
    "please call my brother",
    "i would like three coffee please",
    "what is on my calendar friday",
    "yes please",
    "no thank you",
    "stop",
    "tell me the news",
    "book a table for six people monday",
    "hello how are you today",
    "turn the lights on in the garden",
    "set a timer for ten minutes",
    "i would like two water please",
    "please call my doctor",
    "what is the weather like today",
    "one four seven nine",
    "book a table for eight people tomorrow",
    "tell me the music",
)
FLITE_VOICES = ("slt", "rms", "awb")
ESPEAK_VOICES = ("en-us", "en-gb", "en-us+f2")


async def espeak(voice: str, texts: Sequence[str]) -> list[Speech]:
    """The texts as espeak-ng speaks them."""
    engine = EspeakNgEngine(EspeakNg(voice=voice, speed=150))
    await engine.open()
    spoken = []
    try:
        for text in texts:
            resampler = Resampler(engine.sample_rate, SAMPLE_RATE)
            pcm = b"".join([resampler.push(part) async for part in engine.speak(text) if isinstance(part, bytes)])
            spoken.append(Speech(pcm + resampler.flush(), text).trimmed())
    finally:
        await engine.aclose()
    return spoken


def through_opus(speech: Speech) -> Speech:
    """As a browser's caller is heard: 32 kbit/s, decoded at 48 kHz, and down to 16 kHz."""
    decoder = av.CodecContext.create("libopus", "r")
    resampler = Resampler(48_000, SAMPLE_RATE)
    frames = [frame for packet in encode_opus(_settled(speech).pcm) for frame in decoder.decode(av.Packet(packet))]
    return Speech(b"".join(resampler.push_frame(frame) for frame in frames) + resampler.flush(), speech.text)


def through_mulaw(speech: Speech) -> Speech:
    """As a telephone's caller is heard: 8 kHz, 8 bits."""
    down, up = Resampler(SAMPLE_RATE, 8000), Resampler(8000, SAMPLE_RATE)
    pcm = _settled(speech).pcm
    narrow = mulaw.decode(mulaw.encode(down.push(pcm) + down.flush()))
    return Speech(up.push(narrow) + up.flush(), speech.text)


def _settled(speech: Speech) -> Speech:
    """With what the Stt stage takes around an utterance: 0.3 s before its onset and 0.2 s after its end."""
    before, after = (bytes(2 * round(seconds * SAMPLE_RATE)) for seconds in (0.3, 0.2))
    return Speech(before + speech.pcm + after, speech.text)


CHANNELS = {"Opus": through_opus, "mu-law": through_mulaw}


@dataclass
class Score:
    """What was said and what was heard, a line each, and how it came about."""

    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    final_s: list[float] = field(default_factory=list)
    partial_words: int = 0
    """Words of all partials but the last of each utterance."""
    taken_back: int = 0
    """Those of them that the next partial had otherwise."""
    agreed_words: int = 0
    agreed_wrong: int = 0
    """Agreed words that a recognition of the whole at once has otherwise."""

    @property
    def errors(self) -> float:
        """The word error rate."""
        return jiwer.wer(self.said, self.heard)

    @property
    def exact(self) -> float:
        """The share of utterances without an error."""
        return mean(said == heard for said, heard in zip(self.said, self.heard, strict=True))

    def note(self, said: str, heard: str, seconds: float) -> None:
        """One utterance."""
        self.said.append(said)
        self.heard.append(normalise(heard))
        self.final_s.append(seconds)


def changed(before: Sequence[str], after: Sequence[str]) -> int:
    """How many of the words before are not in the same place after."""
    return sum(1 for place, word in enumerate(before) if place >= len(after) or after[place] != word)


async def batch(engine: SttEngine, speeches: Sequence[Speech]) -> Score:
    """Each utterance recognised once, when it is over."""
    score = Score()
    for speech in speeches:
        began = time.perf_counter()
        transcript = await engine.transcribe(speech.pcm, language="en")
        score.note(speech.text, transcript.text, time.perf_counter() - began)
    return score


async def streamed(engine: SttEngine, speeches: Sequence[Speech]) -> Score:
    """Each utterance recognised as it grows, as actors/stt.py does."""
    score = Score()
    step = 2 * round(PARTIAL_EVERY_S * SAMPLE_RATE)
    for speech in speeches:
        agreement, shown = Agreement(), []
        for upto in range(step, len(speech.pcm), step):
            partial = await engine.transcribe(speech.pcm[:upto], language="en", final=False)
            agreement.hear(partial.text)
            words = normalise(agreement.text).split()
            score.partial_words += len(shown)
            score.taken_back += changed(shown, words)
            shown = words
        began = time.perf_counter()
        final = await engine.transcribe(speech.pcm, language="en")
        score.note(speech.text, final.text, time.perf_counter() - began)
        whole = normalise((await engine.transcribe(speech.pcm, language="en")).text).split()
        agreed = normalise(agreement.agreed).split()
        score.agreed_words += len(agreed)
        score.agreed_wrong += changed(agreed, whole)
    return score


async def at_once(engine: SttEngine, speeches: Sequence[Speech], callers: int = CALLERS) -> Score:
    """So many callers who speak in real time, all at the same moment, with partials at the engine's own pace."""
    score = Score()
    clock = asyncio.get_running_loop().time

    async def caller(number: int) -> None:
        for speech in speeches[number::callers]:
            began, agreement = clock(), Agreement()
            while True:
                await asyncio.sleep(engine.partial_every_s or 0.5)
                upto = min(len(speech.pcm), 2 * round((clock() - began) * SAMPLE_RATE))
                if upto == len(speech.pcm):
                    break
                if engine.partial_every_s:
                    try:
                        partial = await engine.transcribe(speech.pcm[:upto], language="en", final=False)
                    except TransientEngineError:
                        continue
                    agreement.hear(partial.text)
                    score.partial_words += 1
            asked = clock()
            final = await engine.transcribe(speech.pcm, language="en")
            score.note(speech.text, final.text, clock() - asked)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return score


@asynccontextmanager
async def recognisers(names: Sequence[str]) -> AsyncIterator[dict[str, SttEngine]]:
    """Those named, open."""
    engines: dict[str, SttEngine] = {}
    try:
        for name in names:
            settings = FasterWhisper(model=str(MODEL), device="cpu", trim_context=name != WHISPER_30_S)
            engines[name] = PocketSphinxEngine() if name == POCKETSPHINX else FasterWhisperEngine(settings)
            await engines[name].open()
        yield engines
    finally:
        for engine in engines.values():
            await engine.aclose()


async def corpora(texts: Sequence[str]) -> dict[str, list[Speech]]:
    """The sentences by speaker, each by one voice of it in turn."""
    spoken = {voice: await espeak(voice, texts) for voice in ESPEAK_VOICES}
    return {
        "espeak-ng": [spoken[ESPEAK_VOICES[n % len(ESPEAK_VOICES)]][n] for n in range(len(texts))],
        "flite": [flite(text, FLITE_VOICES[n % len(FLITE_VOICES)]) for n, text in enumerate(texts)],
    }


def percent(part: float, whole: float = 1) -> str:
    """For a table."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def ms(seconds: Sequence[float], share: float = 0.5) -> str:
    """For a table."""
    return f"{1000 * (median(seconds) if share == 0.5 else float(np.quantile(seconds, share))):.0f}"


async def report(texts: Sequence[str]) -> str:
    """All tables, as markdown."""
    lines = [
        "| recogniser | speaker | line | at once: errors, exact, p50 ms | streamed: errors, exact, p50 ms | revised | "
        "agreed in vain |\n" + "|---" * 7 + "|",
    ]
    spoken = await corpora(texts)
    async with recognisers((WHISPER, WHISPER_30_S, POCKETSPHINX)) as engines:
        for name, engine in engines.items():
            for speaker, speeches in spoken.items():
                for line, channel in CHANNELS.items():
                    heard = [channel(speech) for speech in speeches]
                    whole = await batch(engine, heard)
                    row = [name, speaker, line, f"{percent(whole.errors)}, {percent(whole.exact)}, {ms(whole.final_s)}"]
                    if engine.partial_every_s:
                        live = await streamed(engine, heard)
                        row += [
                            f"{percent(live.errors)}, {percent(live.exact)}, {ms(live.final_s)}",
                            percent(live.taken_back, live.partial_words),
                            f"{percent(live.agreed_wrong, live.agreed_words)} of {live.agreed_words}",
                        ]
                    else:
                        row += ["-", "-", "-"]
                    lines.append(f"| {' | '.join(row)} |")
        lines += [
            "",
            f"{CALLERS} callers speak at once, through Opus:",
            "",
            "| recogniser | word errors | final p50 / p95 ms | partials a second and caller |",
            "|---" * 4 + "|",
        ]
        heard = [through_opus(speech) for speech in spoken["espeak-ng"]]
        heard += heard[: -len(heard) % CALLERS]
        for name in (WHISPER, POCKETSPHINX):
            engine = engines[name]
            crowd = await at_once(engine, heard)
            seconds = sum(speech.seconds for speech in heard)
            lines.append(
                f"| {name} | {percent(crowd.errors)} | {ms(crowd.final_s)} / {ms(crowd.final_s, 0.95)} | "
                f"{crowd.partial_words / seconds:.1f} |"
            )
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, and write them to ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a file for the tables")
    options = parser.parse_args(argv)
    text = asyncio.run(report(SENTENCES))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
