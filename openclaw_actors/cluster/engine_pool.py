"""The actors of one engine as one host sees them: which answer, which gets the next job, what becomes of one that died.

To a call it behaves as a local pool of workers does (engines/workers.py): what is full refuses, what an actor died of
is given to another, what waits goes on waiting, and everything has a deadline.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Literal, Protocol

from openclaw_actors.cluster.engine_service import OPENING_S, Answer, Facts
from openclaw_actors.engines.worker_job import fault_of
from openclaw_actors.errors import (
    BrokenEngineError,
    EngineError,
    SlowEngineError,
    TransientEngineError,
    UnavailableEngineError,
)
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

GREET_EVERY_S = 10.0
"""So that an actor knows that it is wanted (engine_service.LEASE_S), and a host that it is there."""

GREETED_S = OPENING_S + 4.0
"""No answer for so long: its loop hangs, or its machine is gone and nothing has said so yet."""

PLACED_S = 60.0
"""Ray starts a process for it in 2 s, which then imports for 2 s; a node that has to be made first takes minutes, but
then the next engine serves meanwhile."""

_AGAIN_S = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Before the first, second, ... greeting after one that was not answered."""

_FAULTY_S = 15.0
"""Before an engine that can't open is asked to open again: an operator copies a model, a server comes back."""

_ATTEMPTS = 4
"""Actors that one job may lose: some had died before they were asked, which can't be told apart. A job that kills is a
matter of the worker process within the actor, mostly, which is given it twice (engines/worker_batch.py)."""


class LostActorError(Exception):
    """An actor will not answer; the text says what is known of it."""


class Actor(Protocol):
    """What the pool needs of an actor (engine_ray.EngineActor)."""

    async def ask(self, method: str, *arguments: Any) -> Answer:
        """Call a method. Cancelling it cancels what it does there.

        Raises:
            LostActorError: no answer will come.
            BrokenEngineError: the method raised, which it should not.
        """

    def stream(self, method: str, *arguments: Any) -> AsyncGenerator[Answer, None]:
        """Call a method that yields. Closing the iterator ends it there. Raises as ``ask``."""


class Member:
    """One actor of the pool.

    Args:
        name: the engine's.
        number: which of its actors.
    """

    def __init__(self, name: str, number: int) -> None:
        self.number = number
        self.requests = metrics.engine_actor_requests.labels(engine=name, actor=str(number))
        self.actor: Actor | None = None
        self.state: Literal["unseen", "opening", "serving", "faulty", "lost"] = "unseen"
        self.trouble = ""
        """Why it is faulty or lost."""
        self.asked = 0
        """Requests of this host that it has now."""
        self.told = 0
        """Requests of all hosts that it had when it last answered."""
        self.doubted = asyncio.Event()
        """Greet it now."""

    @property
    def load(self) -> int:
        """How much it has to do, as far as is known."""
        return max(self.asked, self.told)

    def reached(self) -> Actor:
        """The actor.

        Raises:
            LostActorError: there is none now.
        """
        if self.actor is None:
            raise LostActorError(self.trouble)
        return self.actor


class EnginePool:
    """Asks the actors of one engine.

    Args:
        name: the engine's id, for errors, logs and metrics.
        numbers: which actors this host asks.
        find: makes contact with the actor of a number, or makes it; raises LostActorError.
        wants: what an actor takes of a node, in words, for the error that says that there is none.
        draw: a number in ``range(n)``.
    """

    def __init__(
        self,
        name: str,
        numbers: tuple[int, ...],
        find: Callable[[int], Awaitable[Actor]],
        wants: str,
        draw: Callable[[int], int] = random.randrange,
    ) -> None:
        self.name = name
        self.members = tuple(Member(name, number) for number in numbers)
        self.progress: float | None = None
        """As catalogue.Fetching, of the actor that told last."""
        self.partial_every_s = 0.0
        """As SttEngine, of the actor that answered last."""
        self.facts: Facts | None = None
        """Of the actor that told last; None before one has served."""
        self._find = find
        self._wants = wants
        self._draw = draw
        self._tending: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._serving = metrics.engine_actors_serving.labels(engine=name)
        self._losses = metrics.engine_actors_lost_total.labels(engine=name)

    async def open(self) -> None:
        """Return once an actor serves; the others go on opening.

        Raises:
            UnavailableEngineError: none can; the text says why.
        """
        if not self._tending:
            self._tending = [
                asyncio.create_task(self._tend(member), name=f"engine actor {self.name} {member.number}")
                for member in self.members
            ]
        for member in self.members:
            if member.state == "faulty":
                self._move(member, "opening")
            member.doubted.set()
        placed_by = asyncio.get_running_loop().time() + PLACED_S
        while not self._that_serve():
            if all(member.state == "faulty" for member in self.members):
                raise self._unavailable()
            if any(member.state == "opening" for member in self.members):
                placed_by = asyncio.get_running_loop().time() + PLACED_S
            try:
                async with asyncio.timeout_at(placed_by):
                    await self._hear_news()
            except TimeoutError:
                raise self._unavailable() from None

    async def ask(self, method: str, *arguments: Any, deadline_s: float) -> Any:
        """Have one thing done by an actor; waits for one that serves.

        Raises:
            SlowEngineError: the deadline passed.
            UnavailableEngineError: it passed, and no actor serves.
            BrokenEngineError: so many actors died of it that it is to blame, or the engine broke.
            EngineError: the one that the engine raised, such as transient where its queue is full.
        """
        self._check_open()
        try:
            async with asyncio.timeout(deadline_s):
                for _ in range(_ATTEMPTS):
                    member = await self._choose()
                    try:
                        return await self._ask(member, method, *arguments)
                    except LostActorError as loss:
                        died = loss
                        self._lose(member, loss)
        except TimeoutError:
            raise self._late(deadline_s) from None
        raise BrokenEngineError(f"{self.name}: {_ATTEMPTS} actors died of it: {died}")

    async def stream(self, method: str, *arguments: Any, deadline_s: float) -> AsyncGenerator[Any, None]:
        """The same for what comes in pieces; the deadline is for the last.

        Raises:
            TransientEngineError: the actor died after some pieces were yielded.
            EngineError: as ``ask``.
        """
        self._check_open()
        until = asyncio.get_running_loop().time() + deadline_s
        for attempt in range(_ATTEMPTS):
            pieces = 0
            try:
                async with asyncio.timeout_at(until):
                    member = await self._choose()
            except TimeoutError:
                raise self._late(deadline_s) from None
            try:
                async with aclosing(self._stream(member, until, method, *arguments)) as answers:
                    async for value in answers:
                        pieces += 1
                        yield value
            except TimeoutError:
                raise self._late(deadline_s) from None
            except LostActorError as loss:
                self._lose(member, loss)
                if pieces:
                    raise TransientEngineError(f"{self.name}: {loss}, in the middle of an answer") from loss
                if attempt + 1 == _ATTEMPTS:
                    raise BrokenEngineError(f"{self.name}: {_ATTEMPTS} actors died of it: {loss}") from loss
            else:
                return

    async def aclose(self) -> None:
        """Let go of the actors, which other hosts may use. May be called more than once."""
        for task in self._tending:
            task.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)
        self._tending.clear()
        for member in self.members:
            self._move(member, "unseen")

    # --- asking -----------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if not self._tending:
            raise UnavailableEngineError(f"{self.name} is not open")

    def _that_serve(self) -> list[Member]:
        return [member for member in self.members if member.state == "serving"]

    async def _choose(self) -> Member:
        """The less busy of two that serve, waiting for one."""
        while not (serving := self._that_serve()):
            await self._hear_news()
        one, other = (serving[self._draw(len(serving))] for _ in range(2))
        return one if one.load <= other.load else other

    async def _ask(self, member: Member, method: str, *arguments: Any) -> Any:
        actor = member.reached()
        member.asked += 1
        try:
            return self._take(member, await actor.ask(method, *arguments))
        finally:
            member.asked -= 1

    async def _stream(self, member: Member, until: float, method: str, *arguments: Any) -> AsyncGenerator[Any, None]:
        actor = member.reached()
        member.asked += 1
        try:
            async with aclosing(actor.stream(method, *arguments)) as answers:
                while True:
                    try:
                        async with asyncio.timeout_at(until):
                            answer = await anext(answers)
                    except StopAsyncIteration:
                        return
                    yield self._take(member, answer)
        finally:
            member.asked -= 1

    def _take(self, member: Member, answer: Answer) -> Any:
        member.told = answer.busy
        member.requests.set(answer.busy)
        if answer.partial_every_s:
            self.partial_every_s = answer.partial_every_s
        if answer.fault is not None:
            raise fault_of(*answer.fault)
        return answer.value

    def _late(self, deadline_s: float) -> EngineError:
        if not self._that_serve():
            return self._unavailable()
        for member in self.members:
            member.doubted.set()  # is it the machine?
        return SlowEngineError(f"{self.name}: no answer after {deadline_s:g} s")

    def _unavailable(self) -> UnavailableEngineError:
        troubles = {member.trouble for member in self.members if member.trouble}
        if not troubles:
            troubles = {f"none has begun within {PLACED_S:g} s; does `ray status` show a node with room for it?"}
        return UnavailableEngineError(
            f"{self.name}: none of its {len(self.members)} actors serves (each wants {self._wants}): "
            + "; ".join(sorted(troubles))
        )

    # --- looking after them -----------------------------------------------------------------------

    async def _hear_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    def _move(self, member: Member, state: Literal["unseen", "opening", "serving", "faulty", "lost"]) -> None:
        member.state = state
        self._serving.set(len(self._that_serve()))
        self._news.set()

    def _lose(self, member: Member, loss: Exception) -> None:
        """It is greeted at once: Ray may have it again in 2 s."""
        if member.state == "serving":
            self._losses.inc()
            log.warning("engine actor lost", engine=self.name, actor=member.number, reason=str(loss))
        member.trouble = str(loss)
        self._move(member, "lost")
        member.doubted.set()

    async def _tend(self, member: Member) -> None:
        """Make it, greet it again and again, make it anew when it is gone."""
        unanswered = 0
        while True:
            member.doubted.clear()
            try:
                if member.actor is None:
                    member.actor = await self._find(member.number)
                wait_s = await self._greet(member, member.actor)
                unanswered = 0
            except LostActorError as loss:
                self._lose(member, loss)
                member.doubted.clear()
                wait_s = _AGAIN_S[min(unanswered, len(_AGAIN_S) - 1)]
                unanswered += 1
                # The first time Ray may be starting it again. After that its name may belong to a new one, or to none.
                member.actor = member.actor if unanswered < 2 else None
            except EngineError as fault:
                member.trouble = str(fault)
                self._move(member, "faulty")
                wait_s, unanswered = _FAULTY_S, 0
            try:
                async with asyncio.timeout(wait_s):
                    await member.doubted.wait()
            except TimeoutError:
                pass

    async def _greet(self, member: Member, actor: Actor) -> float:
        """Ask how it is; seconds until it is asked again."""
        try:
            async with asyncio.timeout(2 * PLACED_S if member.state == "unseen" else GREETED_S):
                facts: Facts = self._take(member, await actor.ask("greet"))
        except TimeoutError:
            raise LostActorError("it does not answer") from None
        self.progress = facts.progress
        if not facts.serves:
            if member.state != "serving":
                self._move(member, "opening")
            return 0.0
        self.facts, member.trouble = facts, ""
        if member.state != "serving":
            log.info("engine actor serves", engine=self.name, actor=member.number, node=facts.node, pid=facts.pid)
            self._move(member, "serving")
        return GREET_EVERY_S
