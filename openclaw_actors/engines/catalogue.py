"""Which engines serve now: one catalogue a process, from the operator's order of preference.

Each engine is opened on its own and in the background, so a model that downloads for minutes or a server that does not
answer keeps no call waiting: the next engine that serves takes the calls, and the better one takes over for new calls
the moment it is ready. Calls that are up keep the engine that they have.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal, Protocol, overload, runtime_checkable

from openclaw_actors.engines.protocols import AgentEngine, Engine, SttEngine, TtsEngine
from openclaw_actors.engines.recipes import EngineMaker, make_engine
from openclaw_actors.errors import EngineError, RefusedEngineError, UnavailableEngineError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.engine_meter import meter_of
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.settings.sections import Settings, Supervision

log = get_logger(__name__)

Kind = Literal["stt", "agent", "tts"]
KINDS: tuple[Kind, ...] = ("stt", "agent", "tts")

State = Literal["probing", "downloading", "serving", "unavailable"]

PATIENCE_S = 30.0
"""How long ``start`` waits for each stage to have an engine; an embedded one takes 0.6 s on an idle core."""

OPEN_S = 120.0
"""How long an engine may open without progress. A large Whisper loads from a cold disk in about a minute."""

PROBE_EVERY_S = Supervision().probe_every_s
"""Before the first, second, ... next probe of an engine that does not serve. A restarted Gateway is back within half
a minute; a key that was refused is looked at 12 times an hour at most, which no provider minds."""

GIVEN_UP_WITHIN_S = 60.0
"""Two calls that give an engine up within this time take it out for new ones. One says nothing of the next call (its
words may be to blame), and a provider that only hangs or breaks would otherwise cost each new call its first turn."""

GOOD_FOR_S = 300.0
"""An engine that served for so long has recovered: its next failure is its first. One that opens well but refuses its
work (an exhausted quota) would otherwise be given a new call every 30 s."""


@runtime_checkable
class Fetching(Protocol):
    """What an engine has beside engines.protocols.Engine if its ``open`` may fetch something large."""

    progress: float | None
    """The part that has arrived, 0 to 1, while it fetches; else None."""


@dataclass(slots=True)
class Candidate:
    """One engine of a stage, and why it serves or does not."""

    engine: Engine
    opened: State = "probing"
    reason: str = ""
    doubted: asyncio.Event = field(default_factory=asyncio.Event)
    """A call has found that it does not serve."""
    given_up_at: float = -inf
    """When a call last gave it up for the next engine; the loop's clock."""

    @property
    def progress(self) -> float | None:
        """What part of a download has arrived, 0 to 1; None when nothing is being fetched."""
        if self.opened == "serving" or not isinstance(self.engine, Fetching):
            return None
        return self.engine.progress

    @property
    def state(self) -> State:
        """Its state now."""
        return "downloading" if self.progress is not None else self.opened

    def describe(self) -> dict[str, Any]:
        """As Catalogue.describe shows it."""
        progress = self.progress
        return {
            "engine": self.engine.name,
            "state": self.state,
            "reason": self.reason,
            "progress": None if progress is None else round(progress, 3),
        }


class Catalogue:
    """The engines of each stage, best first.

    Args:
        stages: the engines in order of preference, by stage kind.
        patience_s: see PATIENCE_S.
        open_s: see OPEN_S.
        probe_every_s: see PROBE_EVERY_S; the last stands for all further probes.
    """

    def __init__(
        self,
        stages: Mapping[Kind, Sequence[Engine]],
        *,
        patience_s: float = PATIENCE_S,
        open_s: float = OPEN_S,
        probe_every_s: Sequence[float] = PROBE_EVERY_S,
    ) -> None:
        self._stages = {kind: [Candidate(engine) for engine in stages.get(kind, ())] for kind in KINDS}
        self._patience_s = patience_s
        self._open_s = open_s
        self._probe_every_s = tuple(probe_every_s)
        self._tending: list[asyncio.Task[None]] = []
        self._subscribers: list[Callable[[], object]] = []
        self._changes = asyncio.Event()
        for kind, candidates in self._stages.items():
            _initialise(kind, [candidate.engine.name for candidate in candidates])

    async def start(self) -> None:
        """Open all engines; return once each stage has one that serves, or all its engines have been tried.

        Never raises for an engine: ``serving`` and ``describe`` tell.
        """
        for kind, candidates in self._stages.items():
            for candidate in candidates:
                tending = self._tend(kind, candidate)
                self._tending.append(asyncio.create_task(tending, name=f"tending {candidate.engine.name}"))
        try:
            async with asyncio.timeout(self._patience_s):
                while not all(self._settled(candidates) for candidates in self._stages.values()):
                    self._changes.clear()
                    await self._changes.wait()
        except TimeoutError:
            log.warning("engines are slow to open", waited_s=self._patience_s, engines=self.describe())

    @overload
    def serving(self, kind: Literal["stt"]) -> SttEngine: ...
    @overload
    def serving(self, kind: Literal["agent"]) -> AgentEngine: ...
    @overload
    def serving(self, kind: Literal["tts"]) -> TtsEngine: ...
    def serving(self, kind: Kind) -> Engine:
        """The best engine that serves now.

        Raises:
            UnavailableEngineError: none does; the text says why for each.
        """
        for candidate in self._stages[kind]:
            if candidate.state == "serving":
                return candidate.engine
        reasons = "; ".join(f"{c.engine.name}: {c.reason or c.state}" for c in self._stages[kind])
        raise UnavailableEngineError(f"no {kind} engine serves ({reasons})")

    def after(self, kind: str, name: str) -> Any | None:
        """The next engine in the order of preference after ``name`` that serves; None if none does.

        Only downwards: a call that falls can't go in circles.
        """
        names = [candidate.engine.name for candidate in self._of(kind)]
        below = self._of(kind)[names.index(name) + 1 :] if name in names else []
        return next((candidate.engine for candidate in below if candidate.state == "serving"), None)

    def report_failure(self, kind: str, name: str, error: BaseException) -> None:
        """A call gives the engine up for the next one because of ``error``.

        What the engine itself won't or can't serve (refused, unavailable) takes it out for new calls until a probe
        succeeds; so does any error by which two calls give it up (GIVEN_UP_WITHIN_S), where another serves.
        """
        certain = isinstance(error, RefusedEngineError | UnavailableEngineError)
        now = asyncio.get_running_loop().time()
        for candidate in self._of(kind):
            if candidate.engine.name != name or candidate.state != "serving":
                continue
            again = now - candidate.given_up_at <= GIVEN_UP_WITHIN_S
            candidate.given_up_at = now
            if certain or (again and self.after(kind, name) is not None):  # the last one serves as well as it can
                candidate.given_up_at = -inf
                candidate.doubted.set()
                self._set(kind, candidate, "unavailable", str(error))

    def describe(self) -> dict[str, Any]:
        """What serves, and why the better ones don't: JSON-ready, for the console and for doctor.

        By stage kind: ``serving``, the name of the engine that new calls get, or None; ``engines``, best first, each
        with ``engine`` (its name), ``state``, ``reason`` (what is wrong and what to do) and ``progress`` (0 to 1 of a
        download, or None).
        """
        stages: dict[str, Any] = {}
        for kind, candidates in self._stages.items():
            first = next((c.engine.name for c in candidates if c.state == "serving"), None)
            stages[kind] = {"serving": first, "engines": [candidate.describe() for candidate in candidates]}
        return stages

    def subscribe(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back, on the loop, after each change of an engine's state; what is returned ends it."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    async def aclose(self) -> None:
        """Stop probing and close all engines. May be called more than once."""
        for task in self._tending:
            task.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)
        self._tending.clear()
        engines = [candidate.engine for candidates in self._stages.values() for candidate in candidates]
        results = await asyncio.gather(*(engine.aclose() for engine in engines), return_exceptions=True)
        for engine, result in zip(engines, results, strict=True):
            if isinstance(result, Exception):
                log.error("engine did not close well", engine=engine.name, error=repr(result))

    def _of(self, kind: str) -> list[Candidate]:
        return next((candidates for known, candidates in self._stages.items() if known == kind), [])

    @staticmethod
    def _settled(candidates: Sequence[Candidate]) -> bool:
        states = [candidate.opened for candidate in candidates]
        return "serving" in states or "probing" not in states

    async def _tend(self, kind: Kind, candidate: Candidate) -> None:
        """Open, and open again whenever it does not serve, for as long as the catalogue lives."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            try:
                await self._open(candidate)
            except EngineError as error:
                self._failed(kind, candidate, str(error))
            except Exception as error:  # noqa: BLE001 - an engine's bug must cost this engine alone
                self._failed(kind, candidate, f"{type(error).__name__}: {error}")
            else:
                candidate.doubted.clear()
                self._set(kind, candidate, "serving", "")
                log.info("engine serves", stage=kind, engine=candidate.engine.name)
                since = clock()
                await candidate.doubted.wait()
                log.warning("engine taken out", stage=kind, engine=candidate.engine.name, reason=candidate.reason)
                if clock() - since >= GOOD_FOR_S:
                    failures = 0
            await asyncio.sleep(self._probe_every_s[min(failures, len(self._probe_every_s) - 1)])
            failures += 1

    async def _open(self, candidate: Candidate) -> None:
        """Open an engine, for as long as it makes progress."""
        opening = asyncio.create_task(candidate.engine.open(), name=f"opening {candidate.engine.name}")
        seen: float | None = None
        try:
            while not (await asyncio.wait({opening}, timeout=self._open_s))[0]:
                progress = candidate.engine.progress if isinstance(candidate.engine, Fetching) else None
                if progress == seen:  # a download that has ended, None, is progress too: what follows is the loading
                    raise UnavailableEngineError(f"it was not ready after {self._open_s:g} s")
                seen = progress
            opening.result()
        finally:
            opening.cancel()
            await asyncio.wait({opening})

    def _failed(self, kind: Kind, candidate: Candidate, reason: str) -> None:
        if candidate.reason != reason:
            log.warning("engine does not serve", stage=kind, engine=candidate.engine.name, reason=reason)
        self._set(kind, candidate, "unavailable", reason)

    def _set(self, kind: str, candidate: Candidate, state: State, reason: str) -> None:
        if (candidate.opened, candidate.reason) == (state, reason):
            return
        candidate.opened, candidate.reason = state, reason
        meter_of(kind, candidate.engine.name).serving.set(state == "serving")
        self._changes.set()
        for subscriber in tuple(self._subscribers):
            try:
                subscriber()
            except Exception:
                log.exception("a subscriber of the catalogue failed")


def _initialise(kind: Kind, names: Sequence[str]) -> None:
    """Create the series of these engines, so that the rate over a first event is not lost."""
    for name in names:
        meter_of(kind, name).serving.set(0)
    for old, new in itertools.combinations(names, 2):
        metrics.engine_switches_total.labels(stage=kind, from_engine=old, to_engine=new)


def build_catalogue(settings: Settings, make: EngineMaker = make_engine) -> Catalogue:
    """The catalogue that the settings ask for. Nothing is opened yet.

    Args:
        settings: of the host.
        make: makes each engine; a cluster's hosts share some.

    Raises:
        SettingsError: an engine's id is unknown; the text names those that are known.
    """
    return Catalogue(
        {kind: [make(kind, name, settings) for name in getattr(settings, kind).engines] for kind in KINDS},
        probe_every_s=settings.supervision.probe_every_s,
    )
