"""The worker process: builds one object by a factory, then calls it for each job, or for several together.

Started by worker_process.py as ``python -m openclaw_actors.engines.worker_main FD``; FD is its end of a socketpair.
Standard output and error go to the host's log. It ends when the socket does, that is, with the host.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import os
import pickle
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
            if kind == "jobs":
                # The host sends jobs only after the answers to the last ones: a cancel seen later is for these.
                self.cancelled = False
                self._jobs.put(value)
            else:
                self.cancelled = True

    def next_jobs(self) -> list[bytes]:
        """The pickled payloads of the next batch, waiting for it."""
        batch: list[bytes] = self._jobs.get()
        return batch


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


def _fault(error: Exception) -> tuple[str, str]:
    if isinstance(error, EngineError):
        return error.kind, str(error)
    return "broken", f"{type(error).__name__}: {error}"


def _answer(channel: socket.socket, inbox: _Inbox, worker: Any, place: int, body: bytes) -> None:
    try:
        result = worker(pickle.loads(body))  # noqa: S301 - as in worker_frames
        if not isinstance(result, Generator):
            channel.sendall(pack("value", (place, result)))
            return
        with contextlib.closing(result):
            for chunk in result:
                if inbox.cancelled:
                    break
                channel.sendall(pack("chunk", (place, chunk)))
        channel.sendall(pack("end", (place, None)))
    except Exception as error:  # noqa: BLE001 - whatever a job raises is its answer
        channel.sendall(pack("error", (place, _fault(error))))


def _answer_together(worker: Any, batch: list[bytes]) -> list[bytes] | None:
    """The packed answers of a batch; None if one of its jobs spoils it for all."""
    try:
        results = worker.together([pickle.loads(body) for body in batch])  # noqa: S301 - as in worker_frames
        return [pack("value", (place, result)) for place, result in zip(range(len(batch)), results, strict=True)]
    except Exception:  # noqa: BLE001 - each by itself will tell
        return None


def _serve(channel: socket.socket, inbox: _Inbox, worker: Any) -> None:
    while True:
        batch = inbox.next_jobs()
        answers = _answer_together(worker, batch) if len(batch) > 1 else None
        if answers is not None:
            channel.sendall(b"".join(answers))
            continue
        for place, body in enumerate(batch):
            _answer(channel, inbox, worker, place, body)


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
        channel.sendall(pack("failed", _fault(error)))
        sys.stderr.flush()
        os._exit(1)  # an orderly exit would wait for the lock that the inbox thread holds while it reads
    channel.sendall(pack("ready", getattr(worker, "at_once", 1)))
    _serve(channel, inbox, worker)


if __name__ == "__main__":
    main(int(sys.argv[1]))
