"""Makes a Whisper of any shape with random weights: what it says is nonsense, what it costs is real.

Needs faster-whisper alone: no torch, no network, 60 ms for the smallest. Tests and benchmarks call ``make``;
``python -m tests.data.random_whisper small DIR`` writes one of SHAPES.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ctranslate2.specs.whisper_spec import WhisperSpec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

END, START, NO_TIMESTAMPS = "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"
STAMPS = 1501
TEXT_CONTEXT = 448


@dataclass(frozen=True)
class Shape:
    """The sizes that decide what a recognition costs."""

    width: int
    heads: int
    encoder: int
    decoder: int
    mels: int = 80
    languages: int = 99
    vocabulary: int = 51_865
    """Tokens; the output layer is a third of tiny's decoding time."""


SMALLEST = Shape(64, 2, 2, 2, vocabulary=0)
"""For tests of wiring: 2 MB; a vocabulary of bytes alone."""

SHAPES = {
    "tiny": Shape(384, 6, 4, 4),
    "base": Shape(512, 8, 6, 6),
    "small": Shape(768, 12, 12, 12),
    "medium": Shape(1024, 16, 24, 24),
    "large-v3-turbo": Shape(1280, 20, 32, 4, mels=128, languages=100, vocabulary=51_866),
}
"""As OpenAI published them."""


def make(
    folder: Path, shape: Shape = SMALLEST, *, says: int = 20, quantization: str | None = None, seed: int = 0
) -> Path:
    """Write a model's directory.

    Args:
        folder: where; made if need be.
        shape: its sizes. No languages: it hears English alone.
        says: tokens of its answer to every utterance: the same text, drawn by ``seed``.
        quantization: of the stored weights, as CTranslate2 names it; None: float32.
        seed: of the weights.
    """
    tokenizer = _tokenizer(shape)
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    filler = _Filler(shape, np.random.default_rng(seed))
    spec = WhisperSpec(shape.encoder, shape.heads, shape.decoder, shape.heads)
    filler.encoder(spec.encoder)
    filler.decoder(spec.decoder, len(tokens))
    words = [
        place for place, token in enumerate(tokens) if token.startswith("Ġ") or (token.isascii() and token.isalpha())
    ]
    text = filler.draw(words, says)
    _say(spec.decoder, [*text, tokenizer.token_to_id(END)], after=4 if shape.languages else 2)
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokenizer.token_to_id(END)]
    spec.config.lang_ids = [tokenizer.token_to_id(f"<|{code}|>") for code in _LANGUAGE_CODES[: shape.languages]]
    spec.config.alignment_heads = [(shape.decoder - 1, head) for head in range(shape.heads)]
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    features = {
        "feature_size": shape.mels,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "chunk_length": 30,
        "n_fft": 400,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(features))
    return folder


def _tokenizer(shape: Shape) -> Tokenizer:
    """Whisper's layout: text, marks, timestamps. The empty token is what makes CTranslate2 call it multilingual."""
    vocabulary = {character: index for index, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    if shape.languages:
        vocabulary[""] = len(vocabulary)
    languages = [f"<|{code}|>" for code in _LANGUAGE_CODES[: shape.languages]]
    others = ("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", NO_TIMESTAMPS)
    marks = [END, START, *languages, *others]
    for number in range(shape.vocabulary - len(vocabulary) - len(marks) - STAMPS):
        vocabulary[f"Ġword{number}"] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    tokenizer.add_tokens(
        [AddedToken(f"<|{index * 0.02:.2f}|>", special=False, normalized=False) for index in range(STAMPS)]
    )
    return tokenizer


class _Filler:
    """Puts random arrays into a specification."""

    def __init__(self, shape: Shape, random: np.random.Generator) -> None:
        self.shape = shape
        self._random = random

    def _array(self, *sizes: int) -> np.ndarray:
        return self._random.standard_normal(sizes, np.float32) * np.float32(0.02)

    def _linear(self, spec, rows: int, columns: int) -> None:
        spec.weight, spec.bias = self._array(rows, columns), np.zeros(rows, np.float32)

    def _norm(self, spec) -> None:
        spec.gamma, spec.beta = np.ones(self.shape.width, np.float32), np.zeros(self.shape.width, np.float32)

    def _layer(self, spec) -> None:
        width = self.shape.width
        self._norm(spec.self_attention.layer_norm)
        self._linear(spec.self_attention.linear[0], 3 * width, width)
        self._linear(spec.self_attention.linear[1], width, width)
        if hasattr(spec, "attention"):
            self._norm(spec.attention.layer_norm)
            self._linear(spec.attention.linear[0], width, width)
            self._linear(spec.attention.linear[1], 2 * width, width)
            self._linear(spec.attention.linear[2], width, width)
        self._norm(spec.ffn.layer_norm)
        self._linear(spec.ffn.linear_0, 4 * width, width)
        self._linear(spec.ffn.linear_1, width, 4 * width)

    def draw(self, tokens: list[int], count: int) -> list[int]:
        """So many of them, no two alike."""
        return self._random.choice(tokens, count, replace=False).tolist()

    def encoder(self, spec) -> None:
        width = self.shape.width
        spec.conv1.weight, spec.conv1.bias = self._array(width, self.shape.mels, 3), np.zeros(width, np.float32)
        spec.conv2.weight, spec.conv2.bias = self._array(width, width, 3), np.zeros(width, np.float32)
        spec.position_encodings.encodings = self._array(1500, width)
        self._norm(spec.layer_norm)
        for layer in spec.layer:
            self._layer(layer)

    def decoder(self, spec, vocabulary: int) -> None:
        spec.embeddings.weight = self._array(vocabulary, self.shape.width)
        spec.projection.weight = spec.embeddings.weight
        spec.position_encodings.encodings = self._array(TEXT_CONTEXT, self.shape.width)
        self._norm(spec.layer_norm)
        for layer in spec.layer:
            self._layer(layer)


def _say(decoder, tokens: list[int], after: int) -> None:
    """Each place behind the prompt itself looks so much like its token's embedding that nothing else is likely there.

    Without it random weights say one token for ever, which is neither real in its cost nor of use in a test.
    """
    places = decoder.position_encodings.encodings
    for place in range(after, len(places)):
        token = tokens[min(place - after, len(tokens) - 1)]
        places[place - 1] = 50 * decoder.embeddings.weight[token]


if __name__ == "__main__":
    make(Path(sys.argv[2]), SHAPES[sys.argv[1]], quantization="int8")
