"""pykka actors hosted on the asyncio loop that carries the media: the only file that names pykka's privates.

Why not a thread an actor: 100 calls x 5 actors x 50 frames/s take 83 % of a core on stock threads (hop p99 1.8 ms,
80 ms with 15 µs of work a message) and 11 % here (hop p99 0.05 ms).

An actor's hooks and handlers run on the loop's thread and must return at once. Long work is a task that the actor
owns (`LoopActor.spawn`): it is cancelled when the actor ends, and when it fails the actor fails with it. From the
loop never call ``ask(block=True)`` or ``stop(block=True)``: they would wait for the loop itself; ``await`` the
future that ``block=False`` returns instead.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, ClassVar, Protocol, cast

import pykka
from pykka import messages as pykka_messages
from pykka._envelope import Envelope

from openclaw_actors.actors.run_queue import RunQueue

_AT_ONCE = 4
"""Messages of one actor, before others of the same slice get their turn."""

_SAMPLE = 16
"""One message in so many has its wait measured."""

_PYKKAS_OWN = (
    pykka_messages._ActorStop,  # noqa: SLF001 - this file's office
    pykka_messages.ProxyCall,
    pykka_messages.ProxyGetAttr,
    pykka_messages.ProxySetAttr,
)
"""What pykka itself handles; everything else is for the actor."""


class LoopFuture(pykka.ThreadingFuture[Any]):
    """A pykka future whose ``await`` does not block the loop. ``get()`` still serves other threads."""

    def __init__(self) -> None:
        super().__init__()
        self._wakers: list[Callable[[], None]] = []

    def set(self, value: Any = None) -> None:
        """Resolve, and wake whoever awaits."""
        super().set(value)
        self._wake()

    def set_exception(
        self,
        exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None] | None = None,
    ) -> None:
        """Resolve with an exception (the current one by default), and wake whoever awaits."""
        super().set_exception(exc_info or sys.exc_info())
        self._wake()

    def _wake(self) -> None:
        with self._condition:
            wakers, self._wakers = self._wakers, []
        for waker in wakers:
            waker()

    def __await__(self) -> Generator[Any, None, Any]:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        def settle() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def wake() -> None:
            loop.call_soon_threadsafe(settle)

        with self._condition:
            pending = self._result is None
            if pending:
                self._wakers.append(wake)
        if pending:
            yield from waiter.__await__()
        return self.get(timeout=0)


class Wake(Protocol):
    """What a mailbox calls when mail has come."""

    def __call__(self, *, urgent: bool) -> None:
        """Tell the owner."""


class Mailbox:
    """An actor's inbox. ``put`` may be called from any thread."""

    __slots__ = ("_count", "_patient", "_urgent_at", "_wake", "deepest", "items", "sampled")

    def __init__(self) -> None:
        self.items: deque[Envelope[Any]] = deque()
        """What waits, oldest first; always the same object. For the owner."""
        self._wake: Wake | None = None
        self._patient: frozenset[type] = frozenset()
        self._count = 0
        self._urgent_at = 0
        """Of all that were put, the last urgent one's number."""
        self.sampled: tuple[Envelope[Any], float] | None = None
        self.deepest = 0

    def bind(self, wake: Wake, patient: frozenset[type] = frozenset()) -> None:
        """Call ``wake`` at each put from now on, and now when mail waits.

        Args:
            wake: told whether what has come is urgent.
            patient: the types of message that are not.
        """
        self._wake, self._patient = wake, patient
        if self.items:
            wake(urgent=self.is_urgent())

    def is_urgent(self) -> bool:
        """Whether a message waits that is not patient, or may: what was put before `bind` counts as urgent."""
        return self._urgent_at > self._count - len(self.items)

    def release(self) -> None:
        """Let go of the owner, who has ended."""
        self._wake = None

    def put(self, envelope: Envelope[Any], /) -> None:
        """Append; wakes the owner."""
        self.items.append(envelope)
        self._count += 1
        urgent = type(envelope.message) not in self._patient
        if urgent:
            self._urgent_at = self._count
        if self._count % _SAMPLE == 0 and self.sampled is None:
            self.sampled = (envelope, time.monotonic())
        if self._wake is not None:
            self._wake(urgent=urgent)

    def get(self) -> Envelope[Any]:
        """The oldest envelope. Raises IndexError when there is none."""
        return self.items.popleft()

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.items

    def __len__(self) -> int:
        return len(self.items)

    def withdraw(self) -> list[Any]:
        """Take out every unread message that was told, oldest first; asks and stop requests stay."""
        told: list[Any] = []
        for envelope in [self.items.popleft() for _ in range(len(self.items))]:
            if envelope.reply_to is None and not isinstance(envelope.message, pykka_messages._ActorStop):  # noqa: SLF001
                told.append(envelope.message)
            else:
                self.items.append(envelope)
        return told


class LoopActor(pykka.Actor):
    """A pykka actor that lives on the event loop.

    Every life ends in exactly one `on_down`, however it ends: stopped, failed in ``on_start``, in a handler or in
    an owned task, or killed. Its own state is named ``_life_*`` to leave all other names to its subclasses.
    """

    _home: ClassVar[tuple[asyncio.AbstractEventLoop, RunQueue] | None] = None

    patient: ClassVar[frozenset[type]] = frozenset()
    """Types of message of which there are many: other actors' mail is handled before them."""

    @staticmethod
    def live_here() -> None:
        """Host every LoopActor that starts from now on on the running loop. Call once a process, on its thread."""
        loop = asyncio.get_running_loop()
        LoopActor._home = (loop, RunQueue(loop))

    # --- pykka's extension points -----------------------------------------------------------------

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return LoopFuture()

    def _start_actor_loop(self) -> None:
        if LoopActor._home is None:
            raise RuntimeError("no loop hosts actors yet: call LoopActor.live_here() on the loop first")
        self._loop, self._life_queue = LoopActor._home
        self._life_mailbox = cast("Mailbox", self.actor_inbox)
        self._life_ended = False
        self._life_watchers: list[asyncio.Future[None]] = []
        self._life_reason: BaseException | None = None
        self._life_tasks: set[asyncio.Task[Any]] = set()
        # Its own, and empty: what is bound for the logs of whoever starts it, or sends it mail, is not of its work.
        self._life_context = contextvars.Context()
        self._life_reader = self._life_queue.reader(self._life_drain, self._life_context)
        if threading.get_ident() == self._life_queue.thread:
            self._life_context.run(self._life_begin)
        else:
            self._loop.call_soon_threadsafe(self._life_begin, context=self._life_context)

    # --- life -------------------------------------------------------------------------------------

    def _life_begin(self) -> None:
        self._actor_loop_setup()
        if self.actor_stopped.is_set():
            self._life_end()
        else:
            self._life_mailbox.bind(self._life_reader.wake, self.patient)

    def _life_drain(self) -> int:
        """Handle a few messages; returns how many."""
        mailbox, is_stopped = self._life_mailbox, self.actor_stopped.is_set
        waiting = mailbox.items
        mailbox.deepest = max(mailbox.deepest, len(waiting))
        handled = 0
        while waiting and handled < _AT_ONCE:
            handled += 1
            self._life_handle(waiting.popleft())
            if is_stopped():
                self._life_end()
                return handled
        if waiting:
            self._life_reader.wake(urgent=mailbox.is_urgent())
        return handled

    def _life_handle(self, envelope: Envelope[Any]) -> None:
        sampled = self._life_mailbox.sampled
        if sampled is not None and sampled[0] is envelope:
            self._life_mailbox.sampled = None
            self.on_wait(time.monotonic() - sampled[1])
        message = envelope.message
        try:
            reply = self._handle_receive(message) if isinstance(message, _PYKKAS_OWN) else self.on_receive(message)
        except (KeyboardInterrupt, SystemExit):
            self._life_crash(*sys.exc_info())
            self._life_end()
            raise
        except BaseException as error:  # noqa: BLE001 - CancelledError too: a handler that leaks it has failed
            if envelope.reply_to is not None and isinstance(error, Exception):
                envelope.reply_to.set_exception()
            else:
                self.on_poison(message)
                self._life_crash(*sys.exc_info())
            return
        if envelope.reply_to is not None:
            envelope.reply_to.set(reply)

    def _life_crash(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.actor_stopped.is_set():
            return
        self._handle_failure(exception_type, exception_value, traceback)
        try:
            self.on_failure(exception_type, exception_value, traceback)
        except Exception:  # noqa: BLE001 - pykka's promise: a failing on_failure is logged
            self._handle_failure(*sys.exc_info())

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._life_reason is None:
            self._life_reason = exception_value
        super()._handle_failure(exception_type, exception_value, traceback)

    def _life_end(self) -> None:
        if self._life_ended:
            return
        self._life_ended = True
        for task in self._life_tasks:
            task.cancel()
        unread = self._life_mailbox.withdraw()
        self._life_mailbox.release()
        self._life_reader.retire()
        self._actor_loop_teardown()
        for watcher in self._life_watchers:
            if not watcher.done():
                watcher.set_result(None)
        self.on_down(self._life_reason, unread)

    # --- what actors use --------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run ``work`` as part of this actor's life: cancelled when it ends, fatal to it when it fails."""
        task = self._loop.create_task(work, context=self._life_context.copy())
        self._life_tasks.add(task)
        task.add_done_callback(self._life_task_done)
        return task

    def _life_task_done(self, task: asyncio.Task[Any]) -> None:
        self._life_tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self.actor_stopped.is_set():
            self._life_crash(type(error), error, error.__traceback__)
            self._life_end()

    def kill(self, reason: BaseException) -> None:
        """End at once, as OTP's brutal_kill: no ``on_stop``, nothing more is read. On the loop's thread only."""
        self._life_crash(type(reason), reason, None)
        self._life_end()

    def on_down(self, reason: BaseException | None, unread: list[Any]) -> None:
        """The end, called exactly once, on the loop. ``reason`` is None for a normal stop.

        ``unread``: messages that were told and never handled, oldest first. The one that crashed is not among
        them: `on_poison` had it.
        """

    def on_poison(self, message: Any) -> None:
        """Called before `on_down` with the message whose handler failed."""

    def on_wait(self, seconds: float) -> None:
        """How long one message in 16 waited in the mailbox."""


def kill(ref: pykka.ActorRef[Any], reason: BaseException) -> None:
    """Kill the actor behind ``ref``; nothing happens when it has ended already. On the loop's thread only."""
    actor = ref._actor_weakref()  # noqa: SLF001 - a reference has no public way to its actor
    if isinstance(actor, LoopActor) and not actor.actor_stopped.is_set():
        actor.kill(reason)


async def stop(ref: pykka.ActorRef[Any]) -> None:
    """Stop the actor behind ``ref`` in its turn, and return when its life has ended.

    pykka's own ``ref.stop(block=False)`` gives a future that only a blocking ``get()`` resolves.
    """
    actor = ref._actor_weakref()  # noqa: SLF001 - as in kill
    if not isinstance(actor, LoopActor) or actor._life_ended:  # noqa: SLF001 - this file's own
        return
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    actor._life_watchers.append(ended)  # noqa: SLF001 - this file's own
    actor.stop()
    await ended


async def gone(ref: pykka.ActorRef[Any], within_s: float) -> bool:
    """Whether the actor behind ``ref``, which was told to stop, and its tasks end within ``within_s`` seconds."""
    actor = ref._actor_weakref()  # noqa: SLF001 - as in kill
    if not isinstance(actor, LoopActor):
        return True
    deadline = time.monotonic() + within_s
    if not actor._life_ended:  # noqa: SLF001 - this file's own
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        actor._life_watchers.append(ended)  # noqa: SLF001 - this file's own
        await asyncio.wait({ended}, timeout=within_s)
    tasks = set(actor._life_tasks)  # noqa: SLF001 - this file's own
    if actor._life_ended and tasks:  # noqa: SLF001 - this file's own
        await asyncio.wait(tasks, timeout=max(0.0, deadline - time.monotonic()))
    return actor._life_ended and all(task.done() for task in tasks)  # noqa: SLF001 - this file's own


def deepest_mailbox(ref: pykka.ActorRef[Any]) -> int:
    """The most mail that waited at once since the last call."""
    mailbox = cast("Mailbox", ref.actor_inbox)
    deepest, mailbox.deepest = mailbox.deepest, 0
    return deepest
