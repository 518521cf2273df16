"""The instruments of one engine, bound once: what it costs to look a child up by its labels is not paid in a call."""

from __future__ import annotations

import functools

from openclaw_actors.observability import metrics

FAULTS = ("transient", "broken", "refused", "slow", "unavailable")
"""`EngineError.kind` of errors.py."""


class EngineMeter:
    """What one engine does, fails at, and costs. A host has one for each engine (`meter_of`).

    Args:
        stage: stt, agent or tts.
        engine: its id in the settings.
    """

    def __init__(self, stage: str, engine: str) -> None:
        labels = {"stage": stage, "engine": engine}
        self.latency = metrics.engine_latency_seconds.labels(**labels)
        """Asked until it answered: a transcript, a first word, a first sound."""
        self.serving = metrics.engine_serving.labels(**labels)
        self._faults = {kind: metrics.engine_errors_total.labels(**labels, kind=kind) for kind in FAULTS}
        if stage != "stt":
            self.characters = metrics.engine_characters_total.labels(**labels)
        if stage != "agent":
            self.audio = metrics.engine_audio_seconds_total.labels(**labels)
        else:
            self.tokens_in = metrics.engine_tokens_total.labels(engine=engine, direction="in")
            self.tokens_out = metrics.engine_tokens_total.labels(engine=engine, direction="out")

    def failed(self, kind: str) -> None:
        """It failed in this way (`EngineError.kind`); a plug-in's own way counts as broken."""
        self._faults.get(kind, self._faults["broken"]).inc()


@functools.cache
def meter_of(stage: str, engine: str) -> EngineMeter:
    """The meter of an engine; the settings bound how many there are."""
    return EngineMeter(stage, engine)
