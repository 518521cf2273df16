"""A host as a Ray actor: the ordinary Host on the loop of its process, which Ray starts anew when it dies."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import TYPE_CHECKING, Any

from openclaw_actors.api.member import Member
from openclaw_actors.cluster.placement import HostState
from openclaw_actors.cluster.report import Report
from openclaw_actors.cluster.roster import Roster
from openclaw_actors.names import Names
from openclaw_actors.observability.logs import bind, configure_logs, get_logger, stop_logs
from openclaw_actors.observability.watchdog import EX_SOFTWARE, LoopWatchdog
from openclaw_actors.settings.sections import Settings
from openclaw_actors.stamps import now_rfc3339

if TYPE_CHECKING:
    from openclaw_actors.engines.recipes import EngineMaker
    from openclaw_actors.host import Host

_log = get_logger(__name__)

_FAULT_S = 2.0
"""A host that can't start says so for as long before its process ends, to be started anew."""


class HostActor:
    """What Ray holds. All methods run on the loop of the process.

    Args:
        name: the host's.
        settings: all of its own: port 0, its share of the UDP ports.
        machine: the id of its Ray node.
    """

    def __init__(self, name: str, settings: Settings, machine: str) -> None:
        self._name = name
        self._settings = settings
        self._machine = machine
        self._secret = secrets.token_urlsafe(24)
        self._started_at = now_rfc3339()
        self._starting: asyncio.Task[None] | None = None
        self._host: Host | None = None
        self._fault = ""
        self._others = Roster()
        configure_logs(settings.logs)

    def __repr__(self) -> str:
        """What Ray writes before each line of its log."""
        return self._name

    async def tell(self) -> Report:
        """How it does; the first who asks begins it."""
        if self._starting is None:
            self._starting = asyncio.get_running_loop().create_task(self._start(), name="host")
        host = self._host
        zone = self._settings.cluster.zone
        if host is None:
            state = HostState(self._name, zone, 0, 0, draining=False, ready=False)
            return Report(state, machine=self._machine, fault=self._fault, pid=os.getpid())
        ready, places = host.readiness()[0], host.places
        draining = not places.is_open
        return Report(
            HostState(self._name, zone, len(places.running), places.limit, draining, ready),
            host.url,
            self._secret,
            host.store.host,
            self._machine,
            {
                "name": self._name,
                "zone": zone,
                "ready": ready,
                "started_at": self._started_at,
                **host.board.describe(),
            },
            pid=os.getpid(),
        )

    async def close(self, timeout_s: float) -> None:
        """Take no more calls for good, and let clients know when those that are left will be hung up."""
        if self._host is not None and not self._host.places.closing:
            self._host.places.closing = True
            self._host.board.announce_draining(True, timeout_s)

    async def leave(self) -> None:
        """Hang up and stop all; the process is then to be killed."""
        host, self._host = self._host, None
        if host is not None:
            await host.stop()

    # --- its life ---------------------------------------------------------------------------------

    async def _start(self) -> None:
        bind(host=self._name)
        settings = self._settings
        member = Member(
            Names(self._name, settings.auth.join_secret.get_secret_value().encode()),
            self._secret,
            nodes=self._nodes,
            restart=self._restart,
            alive=self._alive,
        )
        # Only here: a front, which makes hosts, needs none of the media libraries.
        from openclaw_actors.host import Host  # noqa: PLC0415 - see above

        try:
            host = Host(settings, member=member, engine_maker=self._engine_maker())
            await host.start()
        except Exception as error:
            self._fault = str(error) or type(error).__name__
            _log.exception("the host can't start")
            await asyncio.sleep(_FAULT_S)
            self._die(EX_SOFTWARE)
            raise
        LoopWatchdog(settings.supervision).start()
        self._host = host
        _log.info("the host is up", url=host.url, pid=os.getpid())
        await host.places.failed.wait()
        self._die(EX_SOFTWARE)

    def _engine_maker(self) -> EngineMaker:
        from openclaw_actors.engines.recipes import make_engine  # noqa: PLC0415 - as in _start

        if not self._settings.cluster.engines:
            return make_engine
        from openclaw_actors.cluster.engine_maker import shared_engines  # noqa: PLC0415 - as in _start

        return shared_engines(self._settings, self._name)

    def _restart(self) -> None:
        asyncio.get_running_loop().create_task(self._end(), name="restart")

    async def _end(self) -> None:
        await asyncio.sleep(0.2)  # so that the answer to the request reaches whoever asked
        await self.leave()
        self._die(0)

    @staticmethod
    def _die(status: int) -> None:
        """End the process: for Ray a death that nobody asked for, so it starts the host anew."""
        stop_logs()
        os._exit(status)

    # --- the others -------------------------------------------------------------------------------

    async def _nodes(self) -> list[dict[str, Any]]:
        await self._others.look(max_age_s=0.5)
        return [each.shown for each in self._others.reports() if each.shown]

    async def _alive(self) -> set[str] | None:
        await self._others.look()
        if self._others.head_is_away:
            return None
        own = {self._host.store.host} if self._host is not None else set()
        return own | {each.record_name for each in self._others.reports() if each.record_name}
