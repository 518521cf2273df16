"""``serve`` of a cluster: this machine's hosts and its front, from their start to their end."""

from __future__ import annotations

import asyncio
import secrets
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import SecretStr

from openclaw_actors.api.server import listen
from openclaw_actors.cluster.front import Front
from openclaw_actors.cluster.host_actor import HostActor
from openclaw_actors.cluster.ray_runtime import NAMESPACE, Runtime
from openclaw_actors.cluster.report import PREFIX, Report
from openclaw_actors.cluster.roster import Roster
from openclaw_actors.errors import SettingsError
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import configure_logs, get_logger, stop_logs
from openclaw_actors.observability.watchdog import LoopWatchdog
from openclaw_actors.settings.sections import Settings

_log = get_logger(__name__)

START_S = 120.0
"""Ray starts a process in 2 s, the host in it takes 2 more, and all of a machine's start at once."""
GOODBYE_S = 15.0
"""For hosts that hang up (10 s) and close their records."""
_POLL_S = 0.25


def with_secret(settings: Settings) -> Settings:
    """The settings with something to sign with: the hosts of one machine are told one that was thrown just now."""
    if settings.auth.join_secret.get_secret_value():
        return settings
    auth = settings.auth.model_copy(update={"join_secret": SecretStr(secrets.token_hex(32))})
    return settings.model_copy(update={"auth": auth})


def settings_of_host(settings: Settings, index: int, address: str) -> Settings:
    """What one of a machine's hosts is told: any free port, and its own share of the UDP ports.

    Args:
        settings: of the machine.
        index: of the host, from 0.
        address: on which fronts reach it.

    Raises:
        SettingsError: there are fewer UDP ports than hosts.
    """
    first, last = settings.webrtc.udp_port_range
    webrtc = settings.webrtc
    if last:
        share = (last - first + 1) // settings.cluster.workers
        if not share:
            raise SettingsError(
                "the settings", "webrtc.udp_port_range", f"it has fewer ports than hosts ({settings.cluster.workers})"
            )
        low = first + index * share
        webrtc = webrtc.model_copy(update={"udp_port_range": (low, low + share - 1)})
    server = settings.server.model_copy(update={"host": address, "port": 0})
    logs = settings.logs
    if logs.format == "auto" and sys.stderr.isatty():
        logs = logs.model_copy(update={"format": "console"})  # a host's own standard error is no terminal
    return settings.model_copy(update={"server": server, "webrtc": webrtc, "logs": logs})


def host_names(runtime: Runtime, workers: int) -> list[str]:
    """Of this machine's hosts, the same whenever ``serve`` is started on it."""
    machine = "" if runtime.is_own else runtime.node[:8]
    return [f"{machine}w{number + 1}" for number in range(workers)]


class Machine:
    """This machine's hosts.

    Args:
        runtime: the cluster.
        settings: all settings.
        roster: the hosts of the cluster.
    """

    def __init__(self, runtime: Runtime, settings: Settings, roster: Roster) -> None:
        self._runtime = runtime
        self._settings = settings
        self._roster = roster
        self.names = host_names(runtime, settings.cluster.workers)

    def create(self) -> None:
        """Make those that there are not yet; Ray starts them. Blocks for some milliseconds each."""
        ray = self._runtime.ray
        stay = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(self._runtime.node, soft=False)
        for index, name in enumerate(self.names):
            own = settings_of_host(self._settings, index, self._runtime.address)
            ray.remote(HostActor).options(
                name=PREFIX + name,
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=-1,
                num_cpus=0,  # Ray need not count what we measure ourselves (actors/admission.py)
                max_concurrency=1000,
                scheduling_strategy=stay,
            ).remote(name, own, self._runtime.node)

    async def up(self) -> None:
        """Return when all take requests.

        Raises:
            SettingsError: one can't start.
        """
        try:
            async with asyncio.timeout(START_S):
                while True:
                    await self._roster.look()
                    own = self.own()
                    faults = [each.fault for each in own if each.fault]
                    if faults:
                        raise SettingsError("serve", "cluster.workers", f"a host can't start: {faults[0]}")
                    if len(own) == len(self.names) and all(each.url for each in own):
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            remedy = f"the hosts did not start within {START_S:g} s; see this log, and Ray's"
            raise SettingsError("serve", "cluster.workers", remedy) from None

    def own(self) -> list[Report]:
        """Those that have told of themselves."""
        return [each for each in self._roster.reports() if each.name in self.names]

    async def close(self, timeout_s: float) -> None:
        """Take no new calls, for good."""
        await self._all("close", timeout_s)

    async def idle(self) -> None:
        """Return when the last call has ended."""
        while True:
            await asyncio.sleep(_POLL_S)
            await self._roster.look()
            if not any(each.state.calls for each in self.own()):
                return

    async def leave(self) -> None:
        """Hang up, and end all of them."""
        await self._all("leave")
        for name in self.names:
            handle = self._roster.handle(name)
            if handle is not None:
                self._runtime.ray.kill(handle, no_restart=True)

    async def _all(self, method: str, *arguments: Any) -> None:
        handles = [handle for name in self.names if (handle := self._roster.handle(name)) is not None]
        asked = [asyncio.wrap_future(getattr(handle, method).remote(*arguments).future()) for handle in handles]
        if asked:
            await asyncio.wait(asked, timeout=GOODBYE_S)
        for each in asked:
            if each.done() and each.exception() is not None:
                _log.warning("a host did not do as it was told", what=method, reason=str(each.exception()))


async def serve(
    settings: Settings,
    runtime: Runtime,
    *,
    ssl_context: ssl.SSLContext | None = None,
    on_ready: Callable[[str, Sequence[Report]], None] = lambda *_: None,
) -> int:
    """Run this machine's hosts and its front until a signal ends them; the process's exit code.

    SIGTERM drains (a second one hangs up); SIGINT hangs up politely. Other machines' hosts go on.

    Raises:
        OSError: the front's port can't be had.
        SettingsError: a host can't start.
    """
    configure_logs(settings.logs)
    settings = with_secret(settings)
    loop = asyncio.get_running_loop()
    ended, draining = asyncio.Event(), asyncio.Event()

    def terminate() -> None:
        (ended if draining.is_set() else draining).set()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, ended.set)
    metrics.initialise()
    roster = Roster()
    machine = Machine(runtime, settings, roster)
    watchdog = LoopWatchdog(settings.supervision)
    listener = None
    try:
        machine.create()
        front = Front(settings, roster, runtime.node)
        listener = await listen(front.build_app(), settings.server, ssl_context)
        if await _first_of(ended.wait(), draining.wait(), machine.up()) == 2:
            watchdog.start()
            on_ready(listener.url, machine.own())
            await _first_of(ended.wait(), draining.wait())
        if not ended.is_set():
            timeout_s = settings.server.drain_timeout_s
            _log.info("draining", calls=sum(each.state.calls for each in machine.own()), timeout_s=timeout_s)
            await machine.close(timeout_s)
            await _first_of(ended.wait(), machine.idle(), asyncio.sleep(timeout_s))
        await machine.leave()
    finally:
        if listener is not None:
            await listener.aclose()
        await roster.aclose()
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
        watchdog.stop()
        stop_logs()
    return 0


async def _first_of(*works: Any) -> int:
    """The index of the one that is done first; the others are cancelled. What it raised is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = next(index for index, task in enumerate(tasks) if task.done())
        tasks[first].result()
        return first
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
