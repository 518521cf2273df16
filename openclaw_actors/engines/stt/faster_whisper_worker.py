"""Whisper inside a worker process: utterances of several calls at once, greedily, without timestamps.

It calls CTranslate2 itself where faster-whisper's ``transcribe`` can't be told what a call needs: that takes one
utterance at a time, pads each to 30 s (encoding takes 288, 512 and 1602 ms for tiny, base and small on one core; 5 s
take 13, 28 and 95), and suppresses tokens by a list of its own in place of the model's.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read at import; a model without its tokenizer must fail here, not wait for a hub

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from openclaw_actors.engines.stt.hallucination import Decoded, loops, made_up
from openclaw_actors.engines.stt.whisper_device import Device, choose_device, gpu_seen
from openclaw_actors.engines.stt.whisper_job import Job, Recognised
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.messages import SAMPLE_RATE

WINDOW_S = 30
"""What Whisper hears at once."""

CONTEXTS_S = (5, 8, 12, 20, WINDOW_S)
"""How much may be encoded with ``trim_context``. Few lengths, so that utterances of several calls have the same; none
below 5 s: the decoder gains nothing more there (13 ms for tiny) and is ever further from what it was trained on."""

_SHORTEST_S = 0.1

_TOKENS_PER_SECOND = 25
"""Scripts whose letters take several tokens each reach about 20; English has 4."""

_MOST_TOKENS = 224
"""Half of Whisper's text context, as in its reference implementation."""

_TEXT_CONTEXT = 448
_HOTWORD_TOKENS = 112
"""A quarter of the text context: about 60 names. The rest is for what was said."""

_SURE_LANGUAGE = 0.5
_SURE_AFTER_S = 1.0
"""A guess on less speech is not kept: Whisper hears Welsh in many a short "yes"."""

_REMEDY = "CTranslate2 needs cuBLAS of CUDA 12: pip install 'openclaw_actors[gpu]'"

_SILENT_TAIL = 800
"""Samples of silence after which every frame of the spectrogram is the same: the transform's window has 400."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most 30 s of one job."""

    job: int
    sound: np.ndarray[Any, Any]
    language: str

    @property
    def seconds(self) -> float:
        """Its length, without padding."""
        return len(self.sound) / SAMPLE_RATE


class Recogniser:
    """Recognises with one loaded model.

    Args:
        path: the model's directory.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: CTranslate2's name for the numbers to calculate with; ``auto`` is float16 on a GPU, int8 beside.
        cpu_threads: native threads.
        batch: utterances at once; 0: what suits the device.
        hotwords: words to expect.
        trim_context: encode only as much as was said, at some risk to accuracy.
    """

    def __init__(
        self,
        path: str,
        device: str = "auto",
        compute_type: str = "auto",
        cpu_threads: int = 1,
        batch: int = 0,
        hotwords: str = "",
        *,
        trim_context: bool = False,
    ) -> None:
        self._trim_context = trim_context
        self._hotwords = hotwords.strip()
        self._cpu_threads = cpu_threads
        self._tokenizers: dict[str, Tokenizer] = {}
        try:
            chosen = choose_device(device, compute_type)
            self._load(path, chosen)
        except RuntimeError as error:
            # A driver without the CUDA libraries is found only by using it.
            if device == "cpu" or not gpu_seen():
                raise
            if device == "cuda":
                raise UnavailableEngineError(f"the GPU is of no use: {error}. {_REMEDY}") from error
            print(f"no use of the GPU, the CPU it is: {error}. {_REMEDY}", flush=True)  # noqa: T201 - goes to the log
            chosen = choose_device("cpu", "auto")
            self._load(path, chosen)
        self.at_once = batch or chosen.batch

    def _load(self, path: str, chosen: Device) -> None:
        self._model = WhisperModel(
            path,
            device=chosen.name,
            compute_type=chosen.compute_type,
            cpu_threads=self._cpu_threads,
            local_files_only=True,
        )
        self._multilingual: bool = self._model.model.is_multilingual
        has = self._model.hf_tokenizer.token_to_id
        # faster-whisper's own list has Cantonese for all, which only the large-v3 models know.
        self._known_languages = {code for code in self._model.supported_languages if has(f"<|{code}|>") is not None}
        # The first use allocates and loads kernels, which no caller should wait for.
        self._decode([Window(0, np.zeros(SAMPLE_RATE, np.float32), "en")], WINDOW_S)

    def __call__(self, job: Job) -> Recognised:
        """What was said in one utterance."""
        return self.together([job])[0]

    def together(self, jobs: Sequence[Job]) -> list[Recognised]:
        """What was said in each; empty text if nothing was."""
        began = time.perf_counter()
        windows = [window for number, job in enumerate(jobs) for window in _windows(number, job)]
        texts: dict[int, list[str]] = defaultdict(list)
        languages: dict[int, str] = {}
        for window, decoded in zip(windows, self._recognise(windows, jobs), strict=True):
            if not made_up(decoded, hotwords=self._hotwords):
                texts[window.job].append(decoded.text)
                languages.setdefault(window.job, decoded.language)  # what nobody said is in no language
        took_s = time.perf_counter() - began
        return [
            Recognised(" ".join(texts[number]), languages.get(number, ""), took_s, len(jobs))
            for number in range(len(jobs))
        ]

    def _recognise(self, windows: Sequence[Window], jobs: Sequence[Job]) -> list[Decoded]:
        """Each window decoded, those of one length together."""
        by_context: dict[int, list[int]] = defaultdict(list)
        for place, window in enumerate(windows):
            by_context[self._context_s(window)].append(place)
        decoded: dict[int, Decoded] = {}
        for context_s, places in by_context.items():
            decoded.update(zip(places, self._decode([windows[n] for n in places], context_s), strict=True))
        # Without its padding Whisper may not find the end. A partial is not worth more time.
        lost = [
            place
            for place, window in enumerate(windows)
            if jobs[window.job].final and self._context_s(window) < WINDOW_S and loops(decoded[place].text)
        ]
        if lost:
            decoded.update(zip(lost, self._decode([windows[n] for n in lost], WINDOW_S), strict=True))
        return [decoded[place] for place in range(len(windows))]

    def _context_s(self, window: Window) -> int:
        if not self._trim_context:
            return WINDOW_S
        return next((context for context in CONTEXTS_S if context >= window.seconds + 0.5), WINDOW_S)

    def _decode(self, windows: Sequence[Window], context_s: int) -> list[Decoded]:
        features = np.stack([self._features(window.sound, context_s) for window in windows])
        encoded = self._model.encode(features)
        languages = self._languages(windows, encoded)
        tokenizers = [self._tokenizer(language) for language, _ in languages]
        prompts = [
            [*self._expected(tokenizer), *tokenizer.sot_sequence, tokenizer.no_timestamps] for tokenizer in tokenizers
        ]
        results = self._model.model.generate(
            encoded,
            prompts,
            beam_size=1,
            sampling_temperature=0.0,
            max_length=_max_length(windows, len(prompts[0])),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=[-1],  # the list in the model's own config.json
        )
        decoded: list[Decoded] = []
        for window, (language, sure), tokenizer, result in zip(windows, languages, tokenizers, results, strict=True):
            tokens = result.sequences_ids[0]
            # The score is the mean over the tokens without the end's; the threshold is meant for the mean with it.
            average = result.scores[0] * len(tokens) / (len(tokens) + 1)
            text = tokenizer.decode(tokens).strip()
            known = language if sure else ""
            decoded.append(Decoded(text, window.seconds, result.no_speech_prob, average, known))
        return decoded

    def _features(self, sound: np.ndarray[Any, Any], context_s: int) -> np.ndarray[Any, Any]:
        """The log-mel spectrogram of the sound and of silence up to ``context_s``: the latter is all alike.

        For 4.5 s in 30 it takes 1.7 ms of CPU in place of 14; a GPU would wait for that.
        """
        frames = context_s * 100
        heard = self._model.feature_extractor(np.pad(sound, (0, _SILENT_TAIL)), padding=0)[:, :frames]
        silence = np.broadcast_to(heard[:, -1:], (len(heard), frames - heard.shape[1]))
        return np.concatenate([heard, silence], axis=1)

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(self._model.hf_tokenizer, self._multilingual, "transcribe", language)
        return self._tokenizers[language]

    def _expected(self, tokenizer: Tokenizer) -> list[int]:
        """The hot words as what was said before: Whisper then spells them so."""
        if not self._hotwords:
            return []
        return [tokenizer.sot_prev, *tokenizer.encode(" " + self._hotwords)[:_HOTWORD_TOKENS]]

    def _languages(self, windows: Sequence[Window], encoded: Any) -> list[tuple[str, bool]]:
        """The language of each window, and whether it is sure."""
        if not self._multilingual:
            return [("en", False)] * len(windows)  # all that it knows, so that tells nothing of the caller
        named = [window.language.partition("-")[0].lower() for window in windows]
        known = [language if language in self._known_languages else "" for language in named]
        if all(known):
            return [(language, True) for language in known]
        languages = []
        for window, language, guesses in zip(windows, known, self._model.model.detect_language(encoded), strict=True):
            token, probability = guesses[0]
            sure = probability >= _SURE_LANGUAGE and window.seconds >= _SURE_AFTER_S
            languages.append((language, True) if language else (str(token)[2:-2], sure))  # <|en|>
        return languages


def _windows(number: int, job: Job) -> list[Window]:
    sound = np.frombuffer(job.pcm[: len(job.pcm) // 2 * 2], np.int16).astype(np.float32) / 32_768
    pieces = [sound[start : start + WINDOW_S * SAMPLE_RATE] for start in range(0, len(sound), WINDOW_S * SAMPLE_RATE)]
    return [Window(number, piece, job.language) for piece in pieces if len(piece) >= _SHORTEST_S * SAMPLE_RATE]


def _max_length(windows: Sequence[Window], prompt: int) -> int:
    """CTranslate2's ``max_length`` that leaves each window the tokens it may need, after a prompt of so many.

    It says no more than half of ``max_length``, nor than what the prompt leaves of it.
    """
    longest = max(window.seconds for window in windows)
    wanted = min(_MOST_TOKENS, 16 + round(_TOKENS_PER_SECOND * longest), _TEXT_CONTEXT - prompt)
    return wanted + max(wanted, prompt)
