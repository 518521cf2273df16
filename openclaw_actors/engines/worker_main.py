"""The worker process: builds one object by a factory, then calls it for each job, one at a time.

Started by worker_process.py as ``python -m openclaw_actors.engines.worker_main FD``; FD is its end of a socketpair.
Standard output and error go to the host's log. It ends when the socket does, that is, with the host.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Generator
from typing import Any, BinaryIO

from openclaw_actors.engines.worker_frames import pack, read_frame
from openclaw_actors.errors import EngineError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Inbox:
    """Reads the host's frames in a thread of its own, so that a cancel or the host's end is seen during a job."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.cancelled = False
        threading.Thread(target=self._read, name="inbox", daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                frame = read_frame(self._stream)
            except OSError:
                frame = None
            if frame is None:
                os._exit(0)  # the host is gone; native code in the main thread can't be asked to stop
            kind, value = frame
            if kind == "job":
                # The host sends a job only after the answer to the last one: a cancel seen later is for this one.
                self.cancelled = False
                self._jobs.put(value)
            else:
                self.cancelled = True

    def next_job(self) -> Any:
        """The payload of the next job, waiting for it."""
        return self._jobs.get()


def _live_and_die_with_the_host() -> None:
    # Ctrl-C reaches the whole foreground group and systemd's SIGTERM the whole unit, but the host then drains for
    # minutes and needs its workers: only the host ends them.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        # Native code that holds the GIL for ever would keep the inbox thread from seeing the end of the socket.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    faulthandler.enable()


def _build(factory: str, options: dict[str, Any]) -> Any:
    module, _, name = factory.partition(":")
    return getattr(importlib.import_module(module), name)(**options)


def _fault(kind: str, error: Exception) -> bytes:
    if isinstance(error, EngineError):
        return pack(kind, (error.kind, str(error)))
    return pack(kind, ("broken", f"{type(error).__name__}: {error}"))


def _answer(channel: socket.socket, inbox: _Inbox, worker: Any, payload: Any) -> None:
    try:
        result = worker(payload)
        if not isinstance(result, Generator):
            channel.sendall(pack("value", result))
            return
        with contextlib.closing(result):
            for chunk in result:
                if inbox.cancelled:
                    break
                channel.sendall(pack("chunk", chunk))
        channel.sendall(pack("end", None))
    except Exception as error:  # noqa: BLE001 - whatever a job raises is its answer
        channel.sendall(_fault("error", error))


def main(fd: int) -> None:
    """Serve jobs on the socket ``fd`` until it ends."""
    _live_and_die_with_the_host()
    channel = socket.socket(fileno=fd)
    stream = channel.makefile("rb")
    hello = read_frame(stream)
    if hello is None:
        return
    factory, options, nice = hello[1]
    if nice:
        os.nice(nice)
    inbox = _Inbox(stream)
    try:
        worker = _build(factory, options)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from serving is the host's to know
        channel.sendall(_fault("failed", error))
        sys.stderr.flush()
        os._exit(1)  # an orderly exit would wait for the lock that the inbox thread holds while it reads
    channel.sendall(pack("ready", None))
    while True:
        _answer(channel, inbox, worker, inbox.next_job())


if __name__ == "__main__":
    main(int(sys.argv[1]))
