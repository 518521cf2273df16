"""What the host and the Whisper worker send each other; apart, so that the host need not import native code for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """One utterance: 16 kHz, mono, s16; the rest as in SttEngine.transcribe."""

    pcm: bytes
    language: str = ""
    final: bool = True


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was said in it."""

    text: str
    language: str
    """Whisper's code; empty when it had to be guessed and the guess is not sure."""
    batch_s: float
    """What the worker took for the batch that this was in."""
    batch: int
    """Jobs in that batch."""
