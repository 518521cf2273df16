"""The semantic model of turns: by the tune of a voice that has fallen silent, whether its owner has finished.

smart-turn (pipecat-ai/smart-turn-v3, BSD-2): a Whisper-tiny encoder with one output, 8 M parameters, 23 languages.
It takes 28 ms of a core for a decision and runs in a worker process, so neither a slow one nor a crash is felt: turns
then end by words and silence alone.
"""

from __future__ import annotations

from openclaw_actors.engines.workers import WorkerPool
from openclaw_actors.errors import EngineError
from openclaw_actors.messages import SAMPLE_RATE
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

LONGEST_S = 8.0
"""Seconds that the model hears."""

_DEADLINE_S = 0.4
"""For one decision: a later one finds the turn ended. A process that takes longer is replaced."""

_WARM_S = 300.0
"""To load the model takes 0.1 s; to fetch it (8.7 MB), what the network takes."""


class SmartTurn:
    """Judges voices for all calls.

    Args:
        model: path of an ONNX file, or ``smart-turn-v3``.
        pool: where it runs; by default a worker process of its own.
    """

    def __init__(self, model: str, pool: WorkerPool | None = None) -> None:
        factory = "openclaw_actors.engines.smart_turn_worker:SmartTurnModel"
        self._pool = pool or WorkerPool("smart-turn", factory, {"model": model}, queue=8, warm_s=_WARM_S)
        self._failing = False

    async def open(self) -> None:
        """Load the model, fetching it first if it must be.

        Raises:
            UnavailableEngineError: it can't be had, or is no such model; the text says what to do.
        """
        await self._pool.start()

    async def judge(self, pcm: bytes) -> float | None:
        """How finished the voice sounds, 0 to 1; None when that can't be told in time.

        Args:
            pcm: the turn so far, 16 kHz mono s16, with the silence behind it; its last LONGEST_S seconds count.
        """
        try:
            finished = float(await self._pool.run(pcm[-2 * round(LONGEST_S * SAMPLE_RATE) :], deadline_s=_DEADLINE_S))
        except EngineError as error:
            if not self._failing:
                _log.warning("turns end by words and silence alone: smart-turn fails", reason=str(error))
            self._failing = True
            return None
        self._failing = False
        return min(max(finished, 0.0), 1.0)

    async def aclose(self) -> None:
        """End the process."""
        await self._pool.aclose()
