"""Watches the event loop from outside: says where it hangs, and ends a process whose loop is gone for good.

A loop that hangs takes every call of the process with it, and nothing that lives on it can tell: no log line of a
call, no metric, no signal's handler. So a thread waits for its heartbeat. What a hung process holds can't be saved;
the one that is started in its place answers.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import threading
import time
from typing import Literal

from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger, stop_logs
from openclaw_actors.settings.sections import Supervision

_log = get_logger(__name__)

EX_SOFTWARE = 70
"""Exit code (sysexits.h) of a host that can't go on: systemd (Restart=on-failure) and Kubernetes start it anew."""

BEAT_S = 1.0
_LOOK_S = 0.25
_ASLEEP_S = 1.0
"""A look that comes so much later than it should: the process was stopped, or the machine slept."""
_LOG_S = 2.0
"""How long the last line may take: the loop may hang with a lock of the logs in its hand."""
_BUSY_THREADS = 3
"""Of the host, at most, that compute at once: the loop, the phrases' disk, the records' writer."""


class Heartbeat:
    """What is to be done about a loop whose heart beats each second: pure, the time is passed in.

    Time in which nobody looked does not count. When the process was stopped (Ctrl-Z, a paused container) or the
    machine slept, the loop could not run either, and gets all its time anew.

    Args:
        dump_s: seconds late after which its stacks are wanted, once; 0: never.
        abort_s: seconds late after which it is given up; 0: never.
        now: monotonic seconds.
    """

    def __init__(self, dump_s: float, abort_s: float, now: float) -> None:
        self._dump_s = dump_s
        self._abort_s = abort_s
        self._due_at = now + BEAT_S
        self._looked_at = now
        self._dumped = False

    def beat(self, now: float) -> float:
        """The loop runs at ``now``; how late it was, if its stacks were wanted, else 0."""
        late = now - self._due_at if self._dumped else 0.0
        self._due_at = now + BEAT_S
        self._dumped = False
        return late

    def look(self, now: float) -> Literal["well", "dump", "abort"]:
        """How it stands at ``now``, a quarter of a second after the last look."""
        asleep = now - self._looked_at > _LOOK_S + _ASLEEP_S
        self._looked_at = now
        if asleep:
            self._due_at = now + BEAT_S
        late = now - self._due_at
        if self._abort_s and late >= self._abort_s:
            return "abort"
        if self._dump_s and late >= self._dump_s and not self._dumped:
            self._dumped = True
            return "dump"
        return "well"


class LoopWatchdog:
    """A daemon thread that looks at the running loop's heart.

    A loop that hangs in native code with the interpreter's lock in its hand, such as a regular expression that
    backtracks without end, stops that thread too. For it there is a timer of the kernel's that counts the time the
    process computes, and none while it is stopped: when it expires, stacks are dumped and SIGPROF ends the process.

    Args:
        settings: ``loop_dump_s`` and ``loop_abort_s``; nothing is watched when both are 0.
    """

    def __init__(self, settings: Supervision) -> None:
        self._heart = Heartbeat(settings.loop_dump_s, settings.loop_abort_s, time.monotonic())
        self._abort_s = settings.loop_abort_s
        self._wanted = bool(settings.loop_dump_s or settings.loop_abort_s)
        self._over = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch the running loop."""
        if not self._wanted:
            return
        if self._abort_s:
            faulthandler.register(signal.SIGPROF, sys.stderr, all_threads=True, chain=True)
        self._beat()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; called on the loop."""
        if self._thread is None:
            return
        self._over.set()
        self._thread.join()
        self._thread = None
        if self._timer is not None:
            self._timer.cancel()
        if self._abort_s:
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.unregister(signal.SIGPROF)

    def _beat(self) -> None:
        """On the loop, each second."""
        late = self._heart.beat(time.monotonic())
        if late:
            _log.warning("the event loop runs again", late_s=round(late, 1))
        if self._abort_s:
            computing_s = (BEAT_S + self._abort_s) * min(os.cpu_count() or 1, _BUSY_THREADS)
            signal.setitimer(signal.ITIMER_PROF, computing_s)
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _watch(self) -> None:
        """In the thread."""
        while not self._over.wait(_LOOK_S):
            verdict = self._heart.look(time.monotonic())
            if verdict == "well":
                continue
            faulthandler.dump_traceback(sys.stderr, all_threads=True)  # first: it needs no lock
            metrics.event_loop_stalls_total.inc()
            if verdict == "dump":
                _say("the event loop is late: where all threads are stands above")
            else:
                _say("the event loop hangs: the process ends, to be started anew", last=True)
                os._exit(EX_SOFTWARE)


def _say(event: str, *, last: bool = False) -> None:
    """Log from a thread of its own, which may be left behind: who hangs may hold a lock that logging needs."""

    def write() -> None:
        _log.error(event)
        if last:
            stop_logs()

    writer = threading.Thread(target=write, name="loop-watchdog-log", daemon=True)
    writer.start()
    writer.join(_LOG_S)
