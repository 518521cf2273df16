"""What the host sends to the Whisper worker; apart, so that the host need not import native code to send it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """One utterance: 16 kHz, mono, s16; ``language`` is BCP 47, or empty to detect it."""

    pcm: bytes
    language: str
