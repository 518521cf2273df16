"""One engine at its node, asked by many hosts. What runs inside a Ray actor; of Ray it knows nothing.

It holds the very engine that a host alone would have, with its worker processes: what several hosts ask at once waits
in one queue there and is done together (engines/workers.py), native code that hangs is killed there, and a model is
looked for on the node that runs it.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, cast

from openclaw_actors.engines.catalogue import Fetching
from openclaw_actors.engines.protocols import Engine, SttEngine, Transcript, TtsEngine, Voice
from openclaw_actors.engines.recipes import make_engine
from openclaw_actors.errors import BrokenEngineError, EngineError
from openclaw_actors.messages import WordTime
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import configure_logs, get_logger
from openclaw_actors.observability.watchdog import LoopWatchdog
from openclaw_actors.settings.sections import Settings

log = get_logger(__name__)

SharedKind = Literal["stt", "tts"]

LEASE_S = 60.0
"""An actor that no host has greeted for so long is of a cluster that is gone, or of settings that were: it ends."""

OPENING_S = 1.0
"""How long a greeting waits for an engine that is being opened before it says how far that is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an actor answers to anything.

    Args:
        value: what was asked for; None where there is a fault.
        fault: the kind of an EngineError, and its text.
        busy: requests that it has now, of all hosts.
        partial_every_s: as SttEngine has it; 0 of others.
    """

    value: Any = None
    fault: tuple[str, str] | None = None
    busy: int = 0
    partial_every_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a host must know of an engine that is elsewhere.

    Args:
        serves: it is open.
        progress: of what it fetches, as catalogue.Fetching.
        sample_rate: as TtsEngine; 0 of others.
        cache_key: as TtsEngine, for its own voice; empty of others.
        pid: of its process, and ``node`` of its machine: for the log, and for who has to look there.
    """

    serves: bool
    progress: float | None = None
    sample_rate: int = 0
    cache_key: str = ""
    pid: int = 0
    node: str = ""


class EngineService:
    """The methods of the actor. All but those of ``report`` may be called by any number of hosts at once.

    Args:
        kind: whether it hears or speaks.
        name: the engine's id in the settings.
        settings: of the engine; the rest is not looked at, but for the logs and the watchdog.
        leave: ends this actor for good; called from a thread.
        lease_s: see LEASE_S.
    """

    def __init__(
        self, kind: SharedKind, name: str, settings: Settings, leave: Callable[[], object], lease_s: float = LEASE_S
    ) -> None:
        configure_logs(settings.logs)
        self._settings = settings
        self._engine: Engine = make_engine(kind, name, settings)
        self._kind = kind
        self._opening: asyncio.Task[None] | None = None
        self._is_open = False
        self._watchdog: LoopWatchdog | None = None
        self._busy = 0
        self._greeted_at = time.monotonic()
        self._lease_s = lease_s
        self._leave = leave
        threading.Thread(target=self._leave_when_forgotten, name="lease", daemon=True).start()

    async def greet(self) -> Answer:
        """A host says that it is there, and wants to know of the engine: opened if it is not, looked after if it is."""
        self._greeted_at = time.monotonic()
        if self._watchdog is None:
            self._watchdog = LoopWatchdog(self._settings.supervision)
            self._watchdog.start()
        return await self._answer(self._facts)

    async def transcribe(self, pcm: bytes, language: str, final: bool) -> Answer:
        """As SttEngine.transcribe; the value is a Transcript."""

        async def heard() -> Transcript:
            await self._open()
            return await cast("SttEngine", self._engine).transcribe(pcm, language=language, final=final)

        return await self._answer(heard)

    async def speak(self, text: str, voice: Voice) -> AsyncGenerator[Answer, None]:
        """As TtsEngine.speak; each value is a piece, and a fault is the last."""
        self._busy += 1
        try:
            await self._open()
            sound = cast("AsyncGenerator[bytes | WordTime, None]", cast("TtsEngine", self._engine).speak(text, voice))
            async with aclosing(sound) as pieces:
                async for piece in pieces:
                    yield Answer(piece, busy=self._busy)
        except Exception as error:  # noqa: BLE001 - an engine's bug is an answer too
            yield Answer(fault=_fault(error), busy=self._busy)
        finally:
            self._busy -= 1

    async def report(self) -> dict[str, float]:
        """For who looks after it: requests now, and how many were done in how many batches."""
        labels = {"pool": self._engine.name}
        name = "openclaw_actors_pool_batch_jobs"
        read = metrics.REGISTRY.get_sample_value
        return {
            "busy": self._busy,
            "jobs": read(f"{name}_sum", labels) or 0.0,
            "batches": read(f"{name}_count", labels) or 0.0,
        }

    # --- within -----------------------------------------------------------------------------------

    async def _answer(self, work: Callable[[], Awaitable[Any]]) -> Answer:
        self._busy += 1
        fault, value = None, None
        try:
            value = await work()
        except Exception as error:  # noqa: BLE001 - an engine's bug is an answer too
            fault = _fault(error)
        finally:
            self._busy -= 1
        every_s = getattr(self._engine, "partial_every_s", 0.0) if self._is_open else 0.0
        return Answer(value, fault, self._busy, every_s)

    async def _open(self) -> None:
        """The engine is open when it returns. One opens it, all wait for that."""
        if not self._is_open:
            await asyncio.shield(self._begin_opening())

    def _begin_opening(self) -> asyncio.Task[None]:
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open_engine(), name=f"opening {self._engine.name}")
        return self._opening

    async def _open_engine(self) -> None:
        await self._engine.open()
        self._is_open = True

    async def _facts(self) -> Facts:
        opening = self._begin_opening()
        done, _ = await asyncio.wait({opening}, timeout=OPENING_S)
        pid, node = os.getpid(), os.uname().nodename
        if not done:
            engine = self._engine
            return Facts(self._is_open, engine.progress if isinstance(engine, Fetching) else None, pid=pid, node=node)
        opening.result()
        if self._kind == "stt":
            return Facts(True, pid=pid, node=node)
        voice = cast("TtsEngine", self._engine)
        return Facts(True, None, voice.sample_rate, voice.cache_key(), pid, node)

    def _leave_when_forgotten(self) -> None:
        while (left_s := self._greeted_at + self._lease_s - time.monotonic()) > 0 or self._busy:
            time.sleep(max(left_s, 1.0))
        log.info("no host wants this engine any more", engine=self._engine.name)
        self._leave()


def _fault(error: Exception) -> tuple[str, str]:
    if isinstance(error, EngineError):
        return error.kind, str(error)
    return BrokenEngineError.kind, f"{type(error).__name__}: {error}"
