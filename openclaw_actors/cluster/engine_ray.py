"""All that shared engines ask of Ray. Imported where a cluster is up, so that a host alone needs no Ray.

Calls of Ray that may wait for its head (finding and making actors) are made in a thread; those that only send are made
on the loop (0.2 ms with a second of sound, 1 ms with thirty).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from openclaw_actors.cluster.engine_pool import LostActorError
from openclaw_actors.cluster.engine_service import LEASE_S, Answer, EngineService, SharedKind
from openclaw_actors.cluster.ray_runtime import NAMESPACE, in_thread
from openclaw_actors.errors import BrokenEngineError
from openclaw_actors.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class Wants:
    """What an engine actor takes of its node, as Ray counts it.

    Args:
        cpus: cores.
        gpus: GPUs; a half lets two share one.
        resource: a label that the node must have; empty: any node.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    resource: str = ""

    def __str__(self) -> str:
        """For an error's text."""
        label = f" and the resource {self.resource!r}" if self.resource else ""
        return f"{self.cpus:g} CPUs, {self.gpus:g} GPUs{label}"


class _EngineActor(EngineService):
    """The service as Ray holds it."""

    def __init__(self, kind: SharedKind, name: str, settings: Settings, lease_s: float) -> None:
        this = ray.get_runtime_context().current_actor
        super().__init__(kind, name, settings, lambda: ray.kill(this, no_restart=True), lease_s)
        self._name = name

    def __repr__(self) -> str:
        """What Ray writes before each line of its log."""
        return self._name


class EngineActor:
    """One actor, as a host reaches it."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @classmethod
    async def find_or_make(
        cls,
        label: str,
        wants: Wants,
        recipe: tuple[SharedKind, str, Settings],
    ) -> EngineActor:
        """The actor of that label, made if the cluster has none. It need not be placed yet.

        Raises:
            LostActorError: Ray's head does not answer.
        """

        def find() -> Any:
            return (
                ray.remote(_EngineActor)
                .options(
                    name=label,
                    namespace=NAMESPACE,
                    get_if_exists=True,
                    lifetime="detached",
                    max_restarts=-1,
                    num_cpus=wants.cpus,
                    num_gpus=wants.gpus,
                    resources={wants.resource: 0.001} if wants.resource else None,
                    scheduling_strategy="SPREAD",
                )
                .remote(*recipe, LEASE_S)
            )

        try:
            return cls(await in_thread(find))
        except (RayError, RuntimeError, ValueError, OSError) as error:
            raise LostActorError(f"{type(error).__name__}: {error}") from error

    async def ask(self, method: str, *arguments: Any) -> Answer:
        """Call a method. Cancelling it cancels what it does there.

        Raises:
            LostActorError: no answer will come.
            BrokenEngineError: the method raised, which it should not.
        """
        reference = None
        try:
            reference = getattr(self._handle, method).remote(*arguments)
            answer: Answer = await reference
        except asyncio.CancelledError:
            if reference is not None:
                ray.cancel(reference)
            raise
        except RayError as error:
            raise _told(error) from error
        return answer

    async def stream(self, method: str, *arguments: Any) -> AsyncGenerator[Answer, None]:
        """Call a method that yields. Closing the iterator ends it there.

        Raises:
            LostActorError, BrokenEngineError: as ``ask``.
        """
        ended = False
        references = None
        try:
            references = getattr(self._handle, method).remote(*arguments)
            async for reference in references:
                yield await reference
            ended = True
        except RayError as error:
            ended = True
            raise _told(error) from error
        finally:
            if references is not None and not ended:
                ray.cancel(references)


def _told(error: RayError) -> Exception:
    first = str(error).strip().partition("\n")[0]
    if isinstance(error, RayTaskError):
        return BrokenEngineError(f"{type(error.cause).__name__}: {error.cause}")
    return LostActorError(f"{type(error).__name__}: {first}")
