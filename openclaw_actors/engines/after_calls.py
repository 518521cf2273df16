"""What agents are told of calls that are over: beside the calls, a few at a time, and done before the host ends."""

from __future__ import annotations

import asyncio

from openclaw_actors.engines.protocols import AfterCall, AgentEngine, CallReport
from openclaw_actors.errors import EngineError
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

AT_ONCE = 2
"""Runs of agents that nobody waits for must not slow those down that callers wait for."""

WAITING = 200
"""Reports at most; a host of 25 calls has that many in an hour."""

DEADLINE_S = 120.0
"""For one: a run with tools takes up to a minute."""

DRAIN_S = 15.0
"""How long the host's end waits for those that are left."""


class AfterCalls:
    """One host's.

    Args:
        drain_s: see DRAIN_S.
    """

    def __init__(self, drain_s: float = DRAIN_S) -> None:
        self._drain_s = drain_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(AT_ONCE)

    def begin(self, engine: AgentEngine, report: CallReport) -> None:
        """Tell the engine of the call, if it wants to hear; returns at once, and never raises for an engine."""
        if not isinstance(engine, AfterCall):
            return
        if len(self._tasks) >= WAITING:
            log.error("too many calls wait to be told to the agent: this one is not", call_id=report.call_id)
            return
        task = asyncio.get_running_loop().create_task(self._tell(engine, report), name=f"after {report.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, engine: AfterCall, report: CallReport) -> None:
        try:
            async with self._free, asyncio.timeout(DEADLINE_S):
                await engine.after_call(report)
        except (EngineError, TimeoutError) as error:
            log.warning("the agent was not told of a call that is over", call_id=report.call_id, reason=str(error))
        except Exception:
            log.exception("the agent was not told of a call that is over", call_id=report.call_id)

    async def aclose(self) -> None:
        """Wait for those that are left, for a while. May be called more than once."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._drain_s)
        if late:
            log.error("the agent was not told of all calls before the host ended", calls=len(late))
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
