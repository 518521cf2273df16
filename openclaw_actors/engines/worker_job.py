"""One job of a worker pool, and how its fault comes back."""

from __future__ import annotations

import asyncio
from typing import Any

from openclaw_actors.engines.worker_process import WorkerProcess
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    RefusedEngineError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
)

_FAULTS: dict[str, type[EngineError]] = {
    fault.kind: fault
    for fault in (
        TransientEngineError,
        BrokenEngineError,
        RefusedEngineError,
        SlowEngineError,
        UnavailableEngineError,
    )
}


def fault_of(kind: str, text: str) -> EngineError:
    """The error that a worker named by its kind; broken for a kind that errors.py does not have."""
    return _FAULTS.get(kind, BrokenEngineError)(text)


class Job:
    """One piece of work. Its answers: (``chunk``, value) any times, then ``value`` or ``end``; or an EngineError."""

    def __init__(self, frame: bytes, deadline_s: float) -> None:
        self.frame = frame
        self.deadline_s = deadline_s
        self.expires_at = asyncio.get_running_loop().time() + deadline_s
        self.answers: asyncio.Queue[tuple[str, Any] | EngineError] = asyncio.Queue()
        self.attempts = 0
        self.chunks = 0
        self.abandoned = False
        """Nobody awaits it any more."""
        self.process: WorkerProcess | None = None
        """Where it runs now."""
