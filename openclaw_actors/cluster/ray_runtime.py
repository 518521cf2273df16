"""Ray itself: looked for, set up so that it keeps to itself, started for one machine or joined."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from openclaw_actors.errors import MissingExtraError, SettingsError
from openclaw_actors.settings.sections import Cluster

NAMESPACE = "openclaw_actors"

T = TypeVar("T")

_OBJECTS_BYTES = 80 * 1024 * 1024
"""Ray's least is 75 MiB. What we send each other is a few hundred bytes, which never goes there."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would tell its makers of each start
    "RAY_DEDUP_LOGS": "0",  # ours are JSON, and no two alike
    "RAY_COLOR_PREFIX": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # an actor that asks for no GPU may still use what its settings say
}
_OF_ONE_MACHINE = {
    "RAY_memory_monitor_refresh_ms": "0",  # it would kill a host, with all its calls, to save memory
    "RAY_enable_worker_prestart": "0",  # idle Pythons, 60 MB each, that nobody will use
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_metrics_collection": "0",  # ours are at /metrics
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """The cluster that this process is in.

    Args:
        ray: the module.
        node: the id of this machine in it.
        address: of this machine, as the others reach it.
        is_own: it was started here, and ends with this process.
    """

    ray: Any
    node: str
    address: str
    is_own: bool

    def end(self) -> None:
        """Leave it; one of our own ends."""
        self.ray.shutdown()


def import_ray() -> Any:
    """The module.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError("serve", "cluster.workers, cluster.engine", "cluster") from error


def begin(settings: Cluster) -> Runtime:
    """Join the cluster of ``address``, or start one on this machine alone, which takes 3 s. Blocks.

    Raises:
        MissingExtraError: Ray is not installed.
        SettingsError: there is no cluster at ``address``.
    """
    ray = import_ray()
    common = {"namespace": NAMESPACE, "configure_logging": False, "ignore_reinit_error": False}
    if settings.address:
        try:
            ray.init(address=settings.address, log_to_driver=False, **common)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise SettingsError(
                "the settings",
                "cluster.address",
                f"no Ray cluster answers there ({error}); start it, or join this machine to it: "
                "ray start --head, or ray start --address=…",
            ) from error
    else:
        os.environ.update({name: value for name, value in _OF_ONE_MACHINE.items() if name not in os.environ})
        ray.init(
            address="local",
            num_cpus=max(os.cpu_count() or 1, _cpus_of_engines(settings)),
            resources={settings.engine_resource: 1.0} if settings.engine_resource else None,
            object_store_memory=_OBJECTS_BYTES,
            include_dashboard=False,
            log_to_driver=True,
            _node_ip_address="127.0.0.1",
            **common,
        )
    own = not settings.address
    context = ray.get_runtime_context()
    address = "127.0.0.1" if own else ray.util.get_node_ip_address()
    return Runtime(ray, context.get_node_id(), address, own)


def _cpus_of_engines(settings: Cluster) -> int:
    """On a machine by itself engines that are shared are wanted here, however few its cores: hosts count for none."""
    return math.ceil(settings.engines * len(settings.shared) * settings.engine_cpus)


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """What ``work``, which blocks, returns; in a thread that nobody has to wait for.

    Ray may be silent for a minute when its head is lost, and for ever when it is gone.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        if not done.done():
            settle()

    def run() -> None:
        try:
            settle = partial(done.set_result, work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            settle = partial(done.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(tell, settle)

    threading.Thread(target=run, name="ray", daemon=True).start()
    return done
