"""Actors that the pool's tests command: no Ray, the pool sees only what it sees of real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from openclaw_actors.cluster.engine_pool import LostActorError
from openclaw_actors.cluster.engine_service import Answer, Facts


class Node:
    """A place where an actor may be.

    Args:
        number: of the actor.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.fault: tuple[str, str] | None = None
        """What the engine says when it is opened."""
        self.opening = False
        self.held: asyncio.Event | None = None
        """What requests wait for."""
        self.busy = 0
        self.asked: list[Any] = []
        self.cancelled = 0
        self.alive = True
        self._died = asyncio.Event()

    def die(self) -> None:
        """As kill -9 does."""
        self.alive = False
        self._died.set()

    def come_back(self) -> None:
        """As Ray does."""
        self.alive, self._died = True, asyncio.Event()


class SampleActor:
    """An actor on such a node, as engine_ray.EngineActor is one on Ray's."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def ask(self, method: str, *arguments: Any) -> Answer:
        node = self._node
        self._reach()
        if method == "greet":
            return Answer(Facts(not node.opening, 0.5 if node.opening else None), node.fault, node.busy, 0.7)
        node.asked.append(arguments)
        node.busy += 1
        try:
            await self._work()
        except asyncio.CancelledError:
            node.cancelled += 1
            raise
        finally:
            node.busy -= 1
        return Answer(f"{node.number}: {arguments[0]}", busy=node.busy, partial_every_s=0.7)

    async def stream(self, method: str, *arguments: Any) -> AsyncGenerator[Answer, None]:
        self._reach()
        self._node.asked.append(arguments)
        for piece in arguments[0].split():
            yield Answer(piece)
            await self._work()

    def _reach(self) -> None:
        if not self._node.alive:
            raise LostActorError(f"actor {self._node.number} is gone")

    async def _work(self) -> None:
        self._reach()
        if self._node.held is not None:
            waits = [asyncio.ensure_future(each.wait()) for each in (self._node.held, self._node._died)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in waits:
                    each.cancel()
        self._reach()
