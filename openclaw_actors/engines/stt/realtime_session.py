"""One call's Realtime transcription session: a WebSocket that is there before the first word and comes back.

The protocol as OpenAI's reference has it (realtime, client and server events): sound is appended to one input buffer;
a commit turns what is in it into an item; the item's words come as deltas and then whole, after the commit or, from
models that stream, before it. Commits are confirmed in order; words of different items may come in any.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import InputAudioBufferClearEvent, InputAudioBufferCommitEvent, RealtimeClientEvent
from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed

from openclaw_actors.engines.stt.realtime_faults import (
    NOTHING_TO_COMMIT,
    UNINTELLIGIBLE,
    connection_fault,
    event_fault,
)
from openclaw_actors.engines.stt.realtime_hearing import RealtimeHearing, Stretch
from openclaw_actors.errors import BrokenEngineError, EngineError, RefusedEngineError, TransientEngineError
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

_CONNECT_S = 5.0
"""From the first packet to ``session.updated``. OpenAI takes 0.5 to 1 s."""

_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Before the first, second, ... attempt to come back. An utterance that begins ends the pause."""

_ITEM = "conversation.item.input_audio_transcription."

Connect = Callable[[], AbstractAsyncContextManager[AsyncRealtimeConnection]]


class RealtimeSession:
    """Implements protocols.SttSession, and realtime_hearing.Line.

    Args:
        who: begins the text of its faults.
        connect: makes a connection.
        configuration: the ``session`` of ``session.update``.
        language: what its transcripts are said to be in.
    """

    def __init__(self, who: str, connect: Connect, configuration: Mapping[str, Any], language: str) -> None:
        self._who = who
        self._connect = connect
        self._configuration = configuration
        self._language = language
        self._keeper: asyncio.Task[None] | None = None
        self._outcome = asyncio.Event()
        self._wanted = asyncio.Event()
        self._ready = False
        self._fault: EngineError | None = None
        self._outbox: deque[RealtimeClientEvent] = deque()
        self._to_send = asyncio.Event()
        self._sent = 0
        self._hearing: RealtimeHearing | None = None
        """Whose sound is in the input buffer, or was last."""
        self._unconfirmed: deque[Stretch] = deque()
        """Committed; oldest first."""
        self._commits: dict[str, Stretch] = {}
        """The same, by the id of the event that committed them."""
        self._items: dict[str, Stretch] = {}

    async def open(self) -> None:
        """Connect, and have the configuration accepted; see protocols.SttSession."""
        self._begin()
        self._outcome.clear()
        if not self._ready:
            self._wanted.set()
            await self._outcome.wait()
            if self._fault is not None:
                raise self._fault

    def hear(self, on_words: Callable[[str], object]) -> RealtimeHearing:
        """Begin an utterance; see protocols.SttSession."""
        self._begin()
        self._wanted.set()
        return RealtimeHearing(self, self._language, on_words)

    def _begin(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="realtime session")

    async def aclose(self) -> None:
        """Close the connection."""
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            self._lose(TransientEngineError(f"{self._who}: the session was closed"))

    # --- what a hearing does (realtime_hearing.Line) ----------------------------------------------

    def claim(self, hearing: RealtimeHearing) -> None:
        """The input buffer is ``hearing``'s."""
        if self._hearing is not None and self._hearing is not hearing and self._hearing.filling is not None:
            self._hearing.drop()
        self._hearing = hearing

    def send(self, event: RealtimeClientEvent) -> None:
        """Send in turn."""
        self._outbox.append(event)
        self._to_send.set()

    def commit(self, stretch: Stretch) -> None:
        """The input buffer becomes an item."""
        self._sent += 1
        name = f"commit_{self._sent}"
        self._unconfirmed.append(stretch)
        self._commits[name] = stretch
        self.send(InputAudioBufferCommitEvent(type="input_audio_buffer.commit", event_id=name))

    def release(self, hearing: RealtimeHearing) -> None:
        """Its sound may be forgotten; items that it has already come and go unheard."""
        if hearing.filling is not None:
            hearing.filling = None
            self.send(InputAudioBufferClearEvent(type="input_audio_buffer.clear"))
        if self._hearing is hearing:
            self._hearing = None

    # --- the connection ---------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Be connected, for as long as the session lives."""
        failures = 0
        while True:
            self._wanted.clear()
            try:
                async with _closed_beside(self._connect()) as connection:
                    async with asyncio.timeout(_CONNECT_S):
                        await self._configure(connection)
                    failures = 0
                    self._settle(None)
                    await self._converse(connection)
                fault: EngineError = TransientEngineError(f"{self._who} ended the session")
            except Exception as error:  # noqa: BLE001 - whatever it is, it has a kind
                fault = connection_fault(error, self._who)
            if self._ready:
                log.info("realtime session lost", reason=str(fault))
            self._settle(fault)
            self._lose(fault)
            await self._rest(failures, fault)
            failures += 1

    async def _rest(self, failures: int, fault: EngineError) -> None:
        pause = None if isinstance(fault, RefusedEngineError) else _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
        try:
            async with asyncio.timeout(pause):
                await self._wanted.wait()
        except TimeoutError:
            pass

    def _settle(self, fault: EngineError | None) -> None:
        self._ready, self._fault = fault is None, fault
        self._outcome.set()

    def _lose(self, fault: EngineError) -> None:
        """Whoever waits for words waits in vain; those that have all of theirs keep them."""
        concerned = {stretch.hearing for stretch in (*self._unconfirmed, *self._items.values())}
        if self._hearing is not None and self._hearing.waiting:
            concerned.add(self._hearing)
        for hearing in concerned:
            hearing.lose(fault)
        self._hearing = None
        self._outbox.clear()
        self._unconfirmed.clear()
        self._commits.clear()
        self._items.clear()

    async def _configure(self, connection: AsyncRealtimeConnection) -> None:
        configured: Any = {"type": "session.update", "session": self._configuration}
        with contextlib.suppress(ConnectionClosed):  # why it was closed is in what came before the end
            await connection.send(configured)
        async for event in connection:
            kind = getattr(event, "type", "")
            if kind == "session.updated":
                return
            if kind == "error":
                fault = event_fault(_plain(event, "error"), self._who)
                if isinstance(fault, BrokenEngineError):  # it would be the same at each call
                    raise RefusedEngineError(str(fault))
                raise fault
        raise TransientEngineError(f"{self._who} ended the session before it began")

    async def _converse(self, connection: AsyncRealtimeConnection) -> None:
        writing = asyncio.create_task(self._write(connection), name="realtime session writes")
        try:
            async for event in connection:
                self._take(event)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)  # it fails as the reading does, and tells no more

    async def _write(self, connection: AsyncRealtimeConnection) -> None:
        while True:
            while self._outbox:
                await connection.send(self._outbox.popleft())
            self._to_send.clear()
            await self._to_send.wait()

    # --- what comes -------------------------------------------------------------------------------

    def _take(self, event: Any) -> None:
        kind = getattr(event, "type", None)
        if not isinstance(kind, str):
            raise BrokenEngineError(f"{self._who} sent no event but {str(event)[:100]!r}")
        if kind == "input_audio_buffer.committed":
            self._confirmed(str(event.item_id))
        elif kind.startswith(_ITEM):
            self._words(kind.removeprefix(_ITEM), event)
        elif kind == "error":
            self._error(_plain(event, "error"))

    def _confirmed(self, item: str) -> None:
        if not self._unconfirmed:
            return
        stretch = self._unconfirmed.popleft()
        self._commits = {name: each for name, each in self._commits.items() if each is not stretch}
        if not stretch.settled:
            stretch.item = item
            self._items[item] = stretch

    def _words(self, what: str, event: Any) -> None:
        item = str(event.item_id)
        stretch = self._items.get(item) or self._begun(item)
        if stretch is None:
            return
        if what == "delta":
            stretch.add(str(event.delta or ""))
            return
        if what == "completed":
            stretch.settle(str(event.transcript or ""))
        elif what == "failed":
            self._failed(stretch, _plain(event, "error"))
        else:
            return
        self._items.pop(item, None)

    def _begun(self, item: str) -> Stretch | None:
        """The stretch that a model that streams gives an item before its commit is confirmed."""
        filling = self._hearing.filling if self._hearing is not None else None
        for stretch in (*self._unconfirmed, *([filling] if filling is not None else [])):
            if not stretch.item:
                stretch.item = item
                self._items[item] = stretch
                return stretch
        return None

    def _failed(self, stretch: Stretch, error: Mapping[str, Any]) -> None:
        if error.get("code") == UNINTELLIGIBLE:
            stretch.settle("")
        else:
            stretch.hearing.lose(event_fault(error, self._who))

    def _error(self, error: Mapping[str, Any]) -> None:
        """Most errors leave the session as it was; one of a commit is that stretch's own."""
        stretch = self._commits.pop(str(error.get("event_id") or ""), None)
        if stretch is None and error.get("code") == NOTHING_TO_COMMIT and self._unconfirmed:
            stretch = self._unconfirmed[0]  # not every server says what it answers
        if stretch is not None:
            self._unconfirmed.remove(stretch)
            if error.get("code") == NOTHING_TO_COMMIT:
                stretch.settle("")
            else:
                self._failed(stretch, error)
            return
        fault = event_fault(error, self._who)
        if error.get("event_id"):
            log.warning("realtime session refused an event", reason=str(fault))
            return
        raise fault


def _plain(event: Any, name: str) -> Mapping[str, Any]:
    """A part of an event as a dictionary, whatever the package made of it."""
    part = getattr(event, name, None)
    plain = part.model_dump() if isinstance(part, BaseModel) else part
    return plain if isinstance(plain, dict) else {}


@contextlib.asynccontextmanager
async def _closed_beside(
    connecting: AbstractAsyncContextManager[AsyncRealtimeConnection],
) -> AsyncIterator[AsyncRealtimeConnection]:
    """Close the connection in a task of its own.

    In one that was cancelled, ``asyncio.timeout`` of Python 3.11.2 (Debian 12) raises CancelledError, and so a server
    that does not answer the close keeps its connection for good.
    """
    connection = await connecting.__aenter__()
    try:
        yield connection
    finally:
        await asyncio.shield(asyncio.create_task(connecting.__aexit__(None, None, None), name="close realtime session"))
