"""Makes a CTranslate2 model of weights.npz: ``python export.py DIRECTORY``. Needs faster-whisper alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ctranslate2.specs.whisper_spec import WhisperSpec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

END, START, NO_TIMESTAMPS = "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"
MARKS = (
    END,
    START,
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    NO_TIMESTAMPS,
)
HEADS = 4

UNSAID = -1e4
"""The bias of a token that the model never learned: spelling, timestamps, marks."""


def make_tokenizer(words: list[str]) -> Tokenizer:
    """Whisper's layout: text first (all bytes, then whole words), then the marks, then 1501 timestamps."""
    vocabulary = {character: index for index, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for word in words:
        vocabulary[f"Ġ{word}"] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS])
    stamps = [AddedToken(f"<|{index * 0.02:.2f}|>", special=False, normalized=False) for index in range(1501)]
    tokenizer.add_tokens(stamps)
    return tokenizer


class Filler:
    """Puts trained arrays into a CTranslate2 specification."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("enc."))
        self.width = weights["emb.weight"].shape[1]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.weights[name].astype(np.float32)

    def bias(self, name: str) -> np.ndarray:
        """Zero for a layer that has none: Whisper's keys."""
        known = f"{name}.bias" in self.weights
        return self[f"{name}.bias"] if known else np.zeros(self.width, np.float32)

    def norm(self, spec, name: str) -> None:
        spec.gamma, spec.beta = self[f"{name}.weight"], self[f"{name}.bias"]

    def linear(self, spec, *names: str) -> None:
        """One matrix for several layers: queries, keys and values are multiplied at once."""
        spec.weight = np.concatenate([self[f"{name}.weight"] for name in names])
        spec.bias = np.concatenate([self.bias(name) for name in names])

    def block(self, spec, name: str) -> None:
        self.norm(spec.self_attention.layer_norm, f"{name}.l1")
        self.linear(spec.self_attention.linear[0], f"{name}.att.q", f"{name}.att.k", f"{name}.att.v")
        self.linear(spec.self_attention.linear[1], f"{name}.att.o")
        if f"{name}.x.q.weight" in self.weights:
            self.norm(spec.attention.layer_norm, f"{name}.l2")
            self.linear(spec.attention.linear[0], f"{name}.x.q")
            self.linear(spec.attention.linear[1], f"{name}.x.k", f"{name}.x.v")
            self.linear(spec.attention.linear[2], f"{name}.x.o")
        self.norm(spec.ffn.layer_norm, f"{name}.l3")
        self.linear(spec.ffn.linear_0, f"{name}.a")
        self.linear(spec.ffn.linear_1, f"{name}.b")


def make_spec(fill: Filler, words: list[str], tokenizer: Tokenizer) -> WhisperSpec:
    spec = WhisperSpec(fill.layers, HEADS, fill.layers, HEADS)
    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = fill["c1.weight"], fill["c1.bias"]
    encoder.conv2.weight, encoder.conv2.bias = fill["c2.weight"], fill["c2.bias"]
    encoder.position_encodings.encodings, decoder.position_encodings.encodings = fill["pe"], fill["pd"]
    fill.norm(encoder.layer_norm, "le")
    fill.norm(decoder.layer_norm, "ld")
    for index in range(fill.layers):
        fill.block(encoder.layer[index], f"enc.{index}")
        fill.block(decoder.layer[index], f"dec.{index}")
    size = tokenizer.get_vocab_size()
    embeddings, bias = np.zeros((size, fill.width), np.float32), np.full(size, UNSAID, np.float32)
    learned = [*(f"Ġ{word}" for word in words), END, START, NO_TIMESTAMPS]
    ids = [tokenizer.token_to_id(token) for token in learned]
    embeddings[ids] = fill["emb.weight"]
    bias[ids[:-2]] = 0  # it may say the words and the end
    decoder.embeddings.weight, decoder.projection.weight, decoder.projection.bias = embeddings, embeddings, bias
    return spec


def main(target: Path) -> None:
    data = dict(np.load("weights.npz"))
    words = data.pop("words").tolist()
    tokenizer, fill = make_tokenizer(words), Filler(data)
    spec = make_spec(fill, words, tokenizer)
    spec.register_vocabulary([token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])])
    spec.config.suppress_ids, spec.config.suppress_ids_begin, spec.config.lang_ids = [], [], []
    spec.config.alignment_heads = [(fill.layers - 1, head) for head in range(HEADS)]
    spec.validate()
    spec.optimize(quantization="int8")
    target.mkdir(parents=True, exist_ok=True)
    spec.save(str(target))
    tokenizer.save(str(target / "tokenizer.json"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
