"""TurnTraces: the trace of each turn of a call, where traces are kept (observability/traces.py)."""

from __future__ import annotations

from openclaw_actors.actors.latency import TurnTimes
from openclaw_actors.actors.stage import CallContext
from openclaw_actors.observability.traces import TurnTrace


class TurnTraces:
    """One call's. It belongs to the Floor."""

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self._asked: tuple[int, TurnTrace] | None = None

    def asked(self, turn: int) -> str:
        """The agent is being asked: the ``traceparent`` that goes along; empty where nothing is traced."""
        traces = self._context.traces
        if traces is None:
            return ""
        trace = traces.plan()
        self._asked = (turn, trace)
        return trace.traceparent

    def heard(self, turn: int, times: TurnTimes) -> None:
        """The turn's voice has begun: make its spans."""
        context, asked = self._context, self._asked
        if context.traces is None or asked is None or asked[0] != turn:
            return
        about: dict[str, str | int] = {f"openclaw.{kind}": name for kind, name in context.engines.names().items()}
        about |= {"openclaw.call_id": context.call_id, "openclaw.turn": turn, "openclaw.transport": context.transport}
        context.traces.turn(asked[1], times.moments(), about)
