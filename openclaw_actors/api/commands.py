"""What is done once however often it is asked: ``Idempotency-Key`` and ``command_id``, kept in the store.

The rules are those of draft-ietf-httpapi-idempotency-key-header-07: the same request is answered as it was, another
one under the same key is refused (422), and so is one that comes while the first is being done (409).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from openclaw_actors.api.auth import Principal
from openclaw_actors.errors import RefusalError
from openclaw_actors.observability.logs import get_logger
from openclaw_actors.store.records import Conflict, Fresh, InFlight, Replay
from openclaw_actors.store.store import Store

_log = get_logger(__name__)
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
PROBLEMS: dict[int, tuple[str, ...]] = {
    409: ("command_in_flight",),
    422: ("command_conflict",),
    503: ("store_unavailable",),
}
"""What a repeated command may be answered with."""


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a command: the HTTP status and the JSON body."""

    status: int
    body: str
    replayed: bool = False


Keep = Callable[[Done], Awaitable[None]]
"""Puts an answer on record before its command is done."""


class Commands:
    """Does commands, each at most once under one key.

    A refused command is forgotten, so that it may succeed when asked again. One that is being done when its client
    leaves is done to the end: its answer waits for the client who asks again. Should this host die meanwhile, the
    command may be done anew, unless what does it has promised an answer before.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[asyncio.Task[Done]] = set()

    async def once(
        self, principal: Principal, scope: str, key: str | None, payload: Any, do: Callable[[Keep], Awaitable[Done]]
    ) -> Done:
        """Do it, unless it was done.

        Args:
            principal: who asks; keys of others are others.
            scope: what kind of command, so that keys of other kinds are others.
            key: the client's name for it; None: it is done each time it is asked.
            payload: what is asked for, as JSON.
            do: does it. What it gives to its argument is on record when that returns, and is the answer from then on
                even if this host dies: whoever dials a number does so before.

        Raises:
            RefusalError: 409 ``command_in_flight``, 422 ``command_conflict``, 503 ``store_unavailable``, or ``do``'s.
        """
        if key is None:
            return await do(_keep_nothing)
        where = f"{principal.name}/{scope}"
        state = await self._store.begin_command(where, key, _fingerprint(payload))
        match state:
            case Replay():
                return Done(state.status, state.body, replayed=True)
            case InFlight():
                raise RefusalError(
                    409, "command_in_flight", "This command is being done right now; ask again in a moment."
                )
            case Conflict():
                raise RefusalError(
                    422, "command_conflict", "This key was used for another request; take a new key for a new request."
                )
            case Fresh():
                return await self._finish(self._do(where, key, do))

    async def _finish(self, work: Coroutine[Any, Any, Done]) -> Done:
        task = asyncio.create_task(work, name="command")
        self._running.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Done]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its client may have left: then nobody else takes it

    async def _do(self, where: str, key: str, do: Callable[[Keep], Awaitable[Done]]) -> Done:
        try:
            done = await do(lambda done: self._store.finish_command(where, key, done.status, done.body))
        except BaseException:
            await self._note(self._store.forget_command(where, key))
            raise
        await self._note(self._store.finish_command(where, key, done.status, done.body))
        return done

    async def _note(self, work: Awaitable[None]) -> None:
        """Tell the store. That it can not be told changes nothing of what was done; the key stays taken a while."""
        try:
            await work
        except RefusalError as refusal:
            _log.warning("what became of a command could not be recorded", code=refusal.code)

    async def settle(self, _: web.Application) -> None:
        """Wait for those whose clients have left. A hook for ``on_cleanup``."""
        await asyncio.gather(*self._running, return_exceptions=True)


def idempotency_key(request: web.Request) -> str | None:
    """The request's ``Idempotency-Key``; None when it has none.

    Raises:
        RefusalError: 400 ``bad_idempotency_key``.
    """
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise RefusalError(
            400, "bad_idempotency_key", "Idempotency-Key must come once, as 1 to 128 visible ASCII characters."
        )
    return given[0]


def respond(done: Done, **headers: str) -> web.Response:
    """The answer as a response."""
    if done.replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(body=done.body.encode(), status=done.status, content_type="application/json", headers=headers)


async def _keep_nothing(_: Done) -> None:
    """Nobody will ask again: there is no key."""


def _fingerprint(payload: Any) -> str:
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
