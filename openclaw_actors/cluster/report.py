"""How a host does, as it tells fronts and other hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openclaw_actors.cluster.placement import HostState

PREFIX = "host "
"""Of the names that Ray has for hosts' actors."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a host tells of itself.

    Args:
        state: what placing goes by.
        url: of its own port, as fronts reach it; empty: it does not listen yet.
        secret: with which a front shows that it is one.
        record_name: of this start of it in the database (``Store.host``).
        machine: the id of its Ray node.
        shown: as ``/v1/nodes`` has it.
        fault: why it can't start; empty: it can.
        pid: its process.
    """

    state: HostState
    url: str = ""
    secret: str = ""
    record_name: str = ""
    machine: str = ""
    shown: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    pid: int = 0

    @property
    def name(self) -> str:
        """The host's."""
        return self.state.name
