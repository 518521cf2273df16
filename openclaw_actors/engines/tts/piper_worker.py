"""Piper inside its worker process: one phrase at a time, a sentence a chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openclaw_actors.errors import UnavailableEngineError


class PiperSynthesiser:
    """Called with (text, rate), it yields s16 mono at the voice's sample rate.

    Args:
        model: the voice's ``.onnx`` file, its configuration beside it.
        speaker: which of its speakers, by name or number; empty: its first.

    Raises:
        UnavailableEngineError: the voice can't be loaded, or it has no such speaker.
    """

    def __init__(self, model: str, speaker: str) -> None:
        try:
            from piper import PiperVoice, SynthesisConfig  # noqa: PLC0415 - an extra: who lacks it is told here

            self._voice: Any = PiperVoice.load(model)
            self._config: Any = SynthesisConfig
        except Exception as error:
            raise UnavailableEngineError(f"{model} can't be loaded: {type(error).__name__}: {error}") from error
        self._speaker = self._number(speaker)
        for _ in self(("Ready.", 1.0)):
            pass  # the first use allocates, which no caller should wait for

    def _number(self, speaker: str) -> int | None:
        if not speaker:
            return None
        known = self._voice.config.speaker_id_map
        if speaker in known:
            return int(known[speaker])
        if speaker.isdecimal() and int(speaker) < self._voice.config.num_speakers:
            return int(speaker)
        names = ", ".join([*known][:10]) or f"0 to {self._voice.config.num_speakers - 1}"
        raise UnavailableEngineError(f"the voice has no speaker {speaker!r} (tts.piper.speaker); it has {names}")

    def __call__(self, job: tuple[str, float]) -> Iterator[bytes]:
        """Speak: yields each sentence's sound as it is made."""
        text, rate = job
        scale = self._voice.config.length_scale / rate
        # "[[" begins phonemes to Piper: text must not command the voice.
        for chunk in self._voice.synthesize(
            text.replace("[[", "(("), self._config(speaker_id=self._speaker, length_scale=scale)
        ):
            yield chunk.audio_int16_bytes
