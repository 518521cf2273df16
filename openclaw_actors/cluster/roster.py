"""Which hosts there are, and how they did when last asked: Ray is asked for their names, they for the rest."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from openclaw_actors.cluster.ray_runtime import NAMESPACE, import_ray, in_thread
from openclaw_actors.cluster.report import PREFIX, Report
from openclaw_actors.observability.logs import get_logger

_log = get_logger(__name__)

NAMES_S = 1.0
"""Between two looks at Ray's list of names: one question to its head."""
HEAD_S = 4.0
"""Its head has not answered for so long: it is away."""
SILENT_S = 2.0
"""A host that has not answered for so long gets no calls: its loop is stuck, or its machine is gone."""


@dataclass(slots=True)
class _Known:
    handle: Any
    report: Report | None = None
    heard_at: float = float("-inf")
    alive: bool = True
    """Ray has not said that it is dead or being started anew."""
    asking: asyncio.Task[None] | None = None
    asked_at: float = float("-inf")


class Roster:
    """The hosts of the cluster, as one process knows them. Belongs to the loop on which it is used first.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looking: asyncio.Task[None] | None = None
        self._listing: asyncio.Future[dict[str, Any]] | None = None
        self._listed_at = self._looked_at = float("-inf")
        self._began_at = clock()

    @property
    def head_is_away(self) -> bool:
        """Ray's head does not answer."""
        return self._clock() - max(self._listed_at, self._began_at) > HEAD_S

    def reports(self) -> list[Report]:
        """All hosts that Ray knows and has not called dead; who is silent is not ready."""
        now = self._clock()
        found = []
        for name in sorted(self._known):
            known = self._known[name]
            if known.report is None or not known.alive:
                continue
            report = known.report
            if now - known.heard_at > SILENT_S and report.state.ready:
                state, shown = replace(report.state, ready=False), {**report.shown, "ready": False}
                report = replace(report, state=state, shown=shown)
            found.append(report)
        return found

    def find(self, host: str) -> Report | None:
        """A host that lives, by its name."""
        return next((each for each in self.reports() if each.name == host and each.url), None)

    def doubt(self, host: str) -> None:
        """It did not answer a request: it gets no calls until it has told that it is well."""
        known = self._known.get(PREFIX + host)
        if known is not None:
            known.heard_at = float("-inf")

    def placed(self, host: str) -> None:
        """A call was sent there: count it until the host tells of it itself."""
        known = self._known.get(PREFIX + host)
        if known is not None and known.report is not None:
            state = known.report.state
            known.report = replace(known.report, state=replace(state, calls=state.calls + 1))

    def handle(self, host: str) -> Any:
        """The actor's handle; None: there is none."""
        known = self._known.get(PREFIX + host)
        return None if known is None else known.handle

    async def look(self, max_age_s: float = 0.0) -> None:
        """Ask all, unless that was done ``max_age_s`` ago; whoever asks meanwhile waits for the same answers."""
        if self._looking is None:
            if self._clock() - self._looked_at < max_age_s:
                return
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="roster")
        await asyncio.shield(self._looking)

    async def aclose(self) -> None:
        """Ask nobody any more."""
        tasks = [each for each in (self._looking, *(known.asking for known in self._known.values())) if each]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        try:
            await self._list()
            now = self._clock()
            loop = asyncio.get_running_loop()
            for name, known in self._known.items():
                if known.asking is not None and not known.asking.done():
                    if now - known.asked_at < SILENT_S:
                        continue
                    known.asking.cancel()  # what was asked of a process that died may never be answered
                known.asked_at = now
                known.asking = loop.create_task(self._ask(name.removeprefix(PREFIX), known), name="roster: a host")
            asking = [known.asking for known in self._known.values() if known.asking is not None]
            if asking:
                # Who is dead may take its time to be found so; those that answer must not seem silent meanwhile.
                await asyncio.wait(asking, timeout=SILENT_S / 4)
            self._looked_at = self._clock()
        finally:
            self._looking = None

    async def _list(self) -> None:
        """Which there are. One question at a time, as the head may be away; only the first is waited for."""
        if self._listing is None and self._clock() - self._listed_at >= NAMES_S:
            known = {name: each.handle for name, each in self._known.items()}
            self._listing = in_thread(lambda: _handles(known))
        if self._listing is None:
            return
        await asyncio.wait({self._listing}, timeout=0.0 if self._known else HEAD_S / 2)
        if not self._listing.done():
            return
        listing, self._listing = self._listing, None
        error = listing.exception()
        if error is not None:
            _log.debug("Ray's head does not answer", reason=str(error))
            return
        self._listed_at = self._clock()
        self._known = {name: self._known.get(name) or _Known(handle) for name, handle in listing.result().items()}

    async def _ask(self, host: str, known: _Known) -> None:
        ray = import_ray()
        try:
            known.report = await asyncio.wrap_future(known.handle.tell.remote().future())
        except ray.exceptions.RayActorError as error:
            if known.alive:
                _log.warning("a host is gone", name=host, reason=str(error).strip().partition("\n")[0])
            known.alive = False  # dead, or being started anew
        except ray.exceptions.RayError as error:
            _log.warning("a host can't be asked", name=host, reason=str(error).partition("\n")[0])
        else:
            if not known.alive:
                _log.info("a host is there again", name=host)
            known.alive, known.heard_at = True, self._clock()


def _handles(known: dict[str, Any]) -> dict[str, Any]:
    """Hosts' handles by their actors' names. Blocks."""
    ray = import_ray()
    found = {}
    for name in ray.util.list_named_actors():
        if name.startswith(PREFIX):
            with contextlib.suppress(ValueError):  # it has gone between the two questions
                found[name] = known.get(name) or ray.get_actor(name, NAMESPACE)
    return found
