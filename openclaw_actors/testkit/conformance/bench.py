"""What all checks share: an engine that is opened and closed, deadlines, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from openclaw_actors.engines.protocols import Engine, Warmable
from openclaw_actors.errors import EngineError
from openclaw_actors.testkit.conformance.faults import Faults

E = TypeVar("E", bound=Engine)
T = TypeVar("T")

PATIENCE_S = 30.0
"""For anything that an engine does. Those on the embedded voice and recogniser take 0.1 s on a free core."""

_SETTLES_S = 5.0
"""How long after its close an engine may take to let everything go: a WebSocket says goodbye, a process ends."""

MOMENTS = (0, 1, 2, 3, 5, 8, 13, 34)
"""Turns of the loop after which work is cancelled: before it starts, on its way out, while it is waited for."""

TEXTS = {
    "Latin letters with accents": "Füße, œuvre, ağ, ñandú, naïve façade.",
    "Chinese": "今天的天气怎么样?",
    "Arabic, from right to left": "كيف حال الطقس اليوم؟",
    "Hebrew, from right to left": "מה מזג האוויר היום?",
    "both directions in a line": "He said שלום and then السلام again.",
    "letters of two code points, and pictures": "e\u0301te\u0301 👩‍👩‍👧 👍🏽 🇩🇪",
}
"""By what they try."""


class ConformanceError(AssertionError):
    """The engine does not do what its protocol says; the text tells what."""


def require(holds: object, what: str) -> None:
    """Raise ConformanceError with ``what`` unless ``holds``."""
    if not holds:
        raise ConformanceError(what)


def is_text(value: object) -> bool:
    """Whether it is a string with something in it; an author may forget that it should be."""
    return isinstance(value, str) and bool(value)


@dataclass(frozen=True, slots=True)
class Left:
    """What is in this process that an engine could leave behind."""

    tasks: frozenset[asyncio.Task[Any]]
    descriptors: frozenset[tuple[str, str]]
    """Open files and sockets: number and what is behind it."""
    children: frozenset[int]

    @classmethod
    def now(cls) -> Left:
        """What there is."""
        return cls(frozenset(asyncio.all_tasks()), _descriptors(), frozenset(_children()))

    async def settle(self) -> None:
        """Return when nothing is there that was not there at the time of this.

        Raises:
            ConformanceError: something still is after a while.
        """
        over = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLES_S):
                while over := self._beyond(Left.now()):  # noqa: ASYNC110 - what goes, goes in its own time, untold
                    await asyncio.sleep(0.01)
        require(not over, f"it leaves behind: {over}")

    def _beyond(self, now: Left) -> str:
        parts = [f"the task {task.get_name()}" for task in now.tasks - self.tasks if task is not asyncio.current_task()]
        parts += [f"the open {kind}" for _, kind in now.descriptors - self.descriptors]
        parts += [f"the process {pid}" for pid in now.children - self.children]
        return ", ".join(parts)


@dataclass
class Bench(Generic[E]):
    """One engine under test.

    Args:
        make: makes a new one, not yet opened.
        faults: what can be ordered from its server.
        patience_s: for anything that it does.
    """

    make: Callable[[], E]
    faults: Faults = field(default_factory=Faults)
    patience_s: float = PATIENCE_S

    @asynccontextmanager
    async def engine(self, *, tidy: bool = True) -> AsyncIterator[E]:
        """An open engine; it is closed afterwards, twice, and must leave nothing.

        Args:
            tidy: False: do not look for what it leaves, as the author's own server has come and gone meanwhile.
        """
        before = Left.now()
        engine = self.make()
        try:
            await self.within(engine.open(), "open")
            yield engine
        finally:
            await self.within(engine.aclose(), "aclose")
            await self.within(engine.aclose(), "a second aclose")
        del engine
        if tidy:
            await before.settle()

    async def warm(self, engine: E) -> None:
        """Twice, if it can be warmed: each call does that."""
        candidate: object = engine
        if isinstance(candidate, Warmable):
            await self.within(candidate.warm(), "warm")
            await self.within(candidate.warm(), "a second warm")

    async def within(self, work: Awaitable[T], what: str) -> T:
        """The result of ``work``.

        Raises:
            ConformanceError: it takes too long.
        """
        try:
            async with asyncio.timeout(self.patience_s) as limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise ConformanceError(f"{what} is not done after {self.patience_s:g} s") from None

    async def failing(self, work: Awaitable[T], what: str, *kinds: type[EngineError]) -> T | EngineError:
        """What ``work`` gives, or the EngineError that it raises, which must be of one of ``kinds`` if there are any.

        Raises:
            ConformanceError: it takes too long, or raises anything else.
        """
        try:
            return await self.within(work, what)
        except EngineError as error:
            named = " or ".join(kind.__name__ for kind in kinds)
            fits = not kinds or isinstance(error, kinds)
            require(fits, f"{what}: {type(error).__name__} instead of {named}: {error}")
            return error
        except ConformanceError:
            raise
        except Exception as error:
            raise ConformanceError(f"{what}: {type(error).__name__} is no EngineError: {error}") from error

    async def must_fail(self, work: Awaitable[T], what: str, *kinds: type[EngineError]) -> None:
        """``work`` must raise an EngineError, of one of ``kinds`` if there are any."""
        result = await self.failing(work, what, *kinds)
        require(isinstance(result, EngineError), f"{what}: it goes well, with {result!r:.200}")

    async def cancelled(self, work: Callable[[], Coroutine[Any, Any, Any]], turns: int, what: str) -> None:
        """Cancel ``work`` after so many turns of the loop: it must end, by that or because it had."""
        task = asyncio.create_task(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        ended = asyncio.wait({task})
        await self.within(ended, f"{what}, cancelled after {turns} turns of the loop")
        if not task.cancelled() and (error := task.exception()) is not None:
            require(
                isinstance(error, EngineError),
                f"{what}, cancelled after {turns} turns of the loop, raises {type(error).__name__}: {error}",
            )


def _descriptors() -> frozenset[tuple[str, str]]:
    """Open files and sockets; none where that can't be told."""
    found = set()
    for path in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the one by which the folder is read has gone by now
            found.add((path.name, str(path.readlink())))
    return frozenset(found)


def _children() -> list[int]:
    """Processes that this one has started; none where that can't be told."""
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, path.read_text().split())
    return found
