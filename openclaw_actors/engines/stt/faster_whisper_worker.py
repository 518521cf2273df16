"""Whisper inside a worker process: one utterance, greedily, without timestamps.

It calls CTranslate2 itself where faster-whisper's ``transcribe`` can't be told what a call needs: that pads each
utterance to 30 s (encoding takes 288, 512 and 1602 ms for tiny, base and small on one core; 5 s take 13, 28 and 95),
and suppresses tokens by a list of its own in place of the model's.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read at import; a model without its tokenizer must fail here, not wait for a hub

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from openclaw_actors.engines.stt.hallucination import Decoded, loops, made_up
from openclaw_actors.engines.stt.whisper_job import Job
from openclaw_actors.messages import SAMPLE_RATE

_WINDOW_S = 30
"""What Whisper hears at once."""

_SHORTEST_CONTEXT_S = 5
"""Below this the decoder gains nothing more (13 ms for tiny) and is ever further from what it was trained on."""

_SHORTEST_S = 0.1

_TOKENS_PER_SECOND = 25
"""Scripts whose letters take several tokens each reach about 20; English has 4."""

_MOST_TOKENS = 224
"""Half of Whisper's text context, as in its reference implementation."""


class Recogniser:
    """Recognises with one loaded model.

    Args:
        path: the model's directory.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: CTranslate2's name for the numbers to calculate with; ``auto`` is the fastest here.
        cpu_threads: native threads.
        trim_context: encode only as much as was said, at some risk to accuracy.
    """

    def __init__(self, path: str, device: str, compute_type: str, cpu_threads: int, *, trim_context: bool) -> None:
        self._trim_context = trim_context
        self._cpu_threads = cpu_threads
        try:
            self._load(path, device, compute_type)
        except RuntimeError as error:
            if device != "auto" or ctranslate2.get_cuda_device_count() == 0:
                raise
            # A driver without the CUDA libraries is found only by using it.
            print(f"no use of the GPU, the CPU it is: {error}", flush=True)  # noqa: T201 - a worker's log is its output
            self._load(path, "cpu", compute_type)

    def _load(self, path: str, device: str, compute_type: str) -> None:
        self._model = WhisperModel(
            path, device=device, compute_type=compute_type, cpu_threads=self._cpu_threads, local_files_only=True
        )
        # The first use allocates and loads kernels, which no caller should wait for.
        self._decode(np.zeros(SAMPLE_RATE, np.float32), "en", _WINDOW_S)

    def __call__(self, job: Job) -> tuple[str, str]:
        """The text and its language; empty text if nothing was said."""
        sound = np.frombuffer(job.pcm[: len(job.pcm) // 2 * 2], np.int16).astype(np.float32) / 32_768
        texts: list[str] = []
        language = job.language
        for start in range(0, len(sound), _WINDOW_S * SAMPLE_RATE):
            window = sound[start : start + _WINDOW_S * SAMPLE_RATE]
            if len(window) < _SHORTEST_S * SAMPLE_RATE:
                continue
            decoded, language = self._recognise(window, language)
            if not made_up(decoded):
                texts.append(decoded.text)
        return " ".join(texts), language

    def _recognise(self, sound: np.ndarray[Any, Any], language: str) -> tuple[Decoded, str]:
        if self._trim_context:
            context_s = min(_WINDOW_S, max(_SHORTEST_CONTEXT_S, -(-len(sound) // SAMPLE_RATE) + 1))
            decoded, detected = self._decode(sound, language, context_s)
            if context_s == _WINDOW_S or not loops(decoded.text):
                return decoded, detected
            # Without its padding Whisper may not find the end.
        return self._decode(sound, language, _WINDOW_S)

    def _decode(self, sound: np.ndarray[Any, Any], language: str, context_s: int) -> tuple[Decoded, str]:
        seconds = len(sound) / SAMPLE_RATE
        padded = np.pad(sound, (0, context_s * SAMPLE_RATE - len(sound)))
        encoded = self._model.encode(self._model.feature_extractor(padded, padding=0)[:, : context_s * 100])
        language = self._language(language, encoded)
        tokenizer = Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, "transcribe", language)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        result = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            sampling_temperature=0.0,
            max_length=len(prompt) + min(_MOST_TOKENS, 16 + round(_TOKENS_PER_SECOND * seconds)),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=[-1],  # the list in the model's own config.json
        )[0]
        tokens = result.sequences_ids[0]
        # The score is the mean over the tokens without the end's; the threshold is meant for the mean with it.
        average = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return Decoded(tokenizer.decode(tokens).strip(), seconds, result.no_speech_prob, average), language

    def _language(self, language: str, encoded: Any) -> str:
        if not self._model.model.is_multilingual:
            return "en"
        primary = language.partition("-")[0].lower()
        if primary in self._model.supported_languages:
            return primary
        best, _ = self._model.model.detect_language(encoded)[0][0]
        return str(best)[2:-2]  # <|en|>
