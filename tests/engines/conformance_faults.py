"""Faults of the local servers, as the conformance suite orders them."""

from __future__ import annotations

from dataclasses import replace

from openclaw_actors.testkit.conformance import Faults
from openclaw_actors.testkit.providers.openai import OpenAiStub
from openclaw_actors.testkit.providers.plan import Fault, Route


class OpenAiFaults(Faults):
    """Of one route of an OpenAI-compatible server."""

    def __init__(self, stub: OpenAiStub, route: Route) -> None:
        self._stub = stub
        self._route = route

    async def hang(self):
        self._stub.fail(self._route, Fault("hang"))

    async def fail(self):
        self._stub.fail(self._route, Fault("status", 500))

    async def refuse(self):
        self._stub.fail(self._route, Fault("status", 401))

    async def garbage(self):
        self._stub.fail(self._route, Fault("garbage"))

    async def empty(self):
        self._stub.fail(self._route, Fault("empty"))

    async def drop(self):
        self._stub.fail(self._route, Fault("drop", after=1))

    async def stop(self):
        await self._stub.stop()

    async def start(self):
        await self._stub.start()

    async def answer(self, text):
        self._stub.plan = replace(self._stub.plan, transcript=text, reply=text)
