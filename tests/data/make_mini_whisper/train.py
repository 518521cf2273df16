"""Trains a Whisper of 1.08 million parameters on speech.npz: ``python train.py 900`` writes weights.npz after 900 s.

Needs PyTorch, which the project itself does not. The layers are Whisper's; beside its loss stands a CTC loss over the
encoder's frames, which makes the attention align within minutes and is left out of weights.npz.
"""

from __future__ import annotations

import math
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from speech import RATE, spoil
from torch import nn
from torch.nn import functional

WIDTH, HEADS, LAYERS, CONTEXT = 128, 4, 2, 448
BATCH = 24
RATE_OF_LEARNING = 1e-3


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.k = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x, memory, *, causal=False):
        def split(tensor):
            return tensor.view(len(tensor), -1, HEADS, WIDTH // HEADS).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(
            split(self.q(x)), split(self.k(memory)), split(self.v(memory)), is_causal=causal
        )
        return self.o(mixed.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    """A layer of the encoder, or, with ``crossed``, of the decoder."""

    def __init__(self, *, crossed: bool) -> None:
        super().__init__()
        self.crossed = crossed
        self.l1, self.att = nn.LayerNorm(WIDTH), Attention()
        if crossed:
            self.l2, self.x = nn.LayerNorm(WIDTH), Attention()
        self.l3, self.a, self.b = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, memory=None):
        normal = self.l1(x)
        x = x + self.att(normal, normal, causal=self.crossed)
        if self.crossed:
            x = x + self.x(self.l2(x), memory)
        return x + self.b(functional.gelu(self.a(self.l3(x))))


def sinusoids(length: int) -> torch.Tensor:
    scale = torch.exp(-math.log(10_000) / (WIDTH // 2 - 1) * torch.arange(WIDTH // 2))
    angles = torch.arange(length)[:, None] * scale[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


class MiniWhisper(nn.Module):
    """Token ids: the words, then end of text, start of transcript, no timestamps."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.end, self.start, self.no_timestamps = words, words + 1, words + 2
        self.c1 = nn.Conv1d(80, WIDTH, 3, padding=1)
        self.c2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("pe", sinusoids(1500))
        self.enc = nn.ModuleList(Block(crossed=False) for _ in range(LAYERS))
        self.le = nn.LayerNorm(WIDTH)
        self.emb = nn.Embedding(words + 3, WIDTH)
        nn.init.normal_(self.emb.weight, std=0.08)
        self.pd = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.01)
        self.dec = nn.ModuleList(Block(crossed=True) for _ in range(LAYERS))
        self.ld = nn.LayerNorm(WIDTH)
        self.ctc = nn.Linear(WIDTH, words + 1)

    def encode(self, mel):
        x = functional.gelu(self.c2(functional.gelu(self.c1(mel)))).transpose(1, 2)
        x = x + self.pe[: x.shape[1]]
        for layer in self.enc:
            x = layer(x)
        return self.le(x)

    def decode(self, tokens, memory):
        x = self.emb(tokens) + self.pd[: tokens.shape[1]]
        for layer in self.dec:
            x = layer(x, memory)
        return self.ld(x) @ self.emb.weight.T


def read(kind: str) -> list[tuple[str, np.ndarray]]:
    data = np.load("speech.npz")
    sounds = np.split(data[f"{kind}_sound"], np.cumsum(data[f"{kind}_lengths"])[:-1])
    return list(zip(data[f"{kind}_texts"].tolist(), sounds, strict=True))


def log_mel(sounds: list[np.ndarray], seconds: int, noise: np.random.Generator) -> torch.Tensor:
    extract = FeatureExtractor()
    mels = []
    for sound in sounds:
        spoilt = spoil(sound, noise)[: seconds * RATE]
        mels.append(extract(np.pad(spoilt, (0, seconds * RATE - len(spoilt))), padding=0)[:, : seconds * 100])
    return torch.tensor(np.stack(mels))


def loss_of(model: MiniWhisper, mel: torch.Tensor, said: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, said)) + 2
    given = torch.full((len(said), longest), model.end)
    wanted = torch.full((len(said), longest), -100)
    for row, ids in enumerate(said):
        tokens = [model.start, model.no_timestamps, *ids, model.end]
        given[row, : len(tokens) - 1] = torch.tensor(tokens[:-1])
        wanted[row, 1 : len(tokens) - 1] = torch.tensor(tokens[2:])
    memory = model.encode(mel)
    logits = model.decode(given, memory)
    spoken = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100, label_smoothing=0.02)
    aligned = functional.ctc_loss(
        model.ctc(memory).log_softmax(-1).transpose(0, 1),
        torch.tensor([token for ids in said for token in ids]),
        torch.full((len(said),), memory.shape[1]),
        torch.tensor([len(ids) for ids in said]),
        blank=model.end,
        zero_infinity=True,
    )
    return spoken + 0.5 * aligned


def main(budget_s: float) -> None:
    torch.manual_seed(0)
    spoken = read("train")
    words = sorted({word for text, _ in spoken for word in text.split()})
    model = MiniWhisper(len(words))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE_OF_LEARNING, weight_decay=0.01)
    noise, pick = np.random.default_rng(0), random.Random(0)
    began, step = time.monotonic(), 0
    while (done := (time.monotonic() - began) / budget_s) < 1:
        warmth = min(1, (step + 1) / 200) * (0.5 * (1 + math.cos(math.pi * done)) + 0.02)
        for group in optimizer.param_groups:
            group["lr"] = RATE_OF_LEARNING * warmth
        batch = pick.sample(spoken, BATCH)
        # Mostly the context that calls use, and now and then a long one.
        seconds = pick.choice([4, 4, 4, 5, 6, 8]) if step % 10 else 12
        mel = log_mel([sound for _, sound in batch], seconds, noise)
        loss = loss_of(model, mel, [[words.index(word) for word in text.split()] for text, _ in batch])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            sys.stderr.write(f"step {step}, loss {loss.item():.3f}\n")
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items() if not name.startswith("ctc.")}
    np.savez(Path("weights.npz"), words=np.array(words), **weights)


if __name__ == "__main__":
    main(float(sys.argv[1]))
