"""One worker process as the host sees it: spawned, warm, asked, killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openclaw_actors.engines.worker_frames import Frame, FrameError, pack, receive_frame
from openclaw_actors.errors import UnavailableEngineError
from openclaw_actors.observability.logs import get_logger

log = get_logger(__name__)

_LOG_LINE = 2_000
"""Characters of one line of a worker's output that are logged."""

_CLOSE_S = 5.0
"""A killed process is reaped within milliseconds; one in uninterruptible I/O is left to the kernel after this."""


_LAST_WORDS_S = 1.0
"""For the exit status and the end of the output, once the socket has ended."""

_POLL_S = 0.005
"""A process that was killed or closed its socket is gone within this, mostly. Polled, as pidfds are Linux's alone."""


class WorkerDiedError(Exception):
    """The process has ended, or what it sends makes no sense; the text says which."""


class _Output(asyncio.Protocol):
    """Logs what the process prints."""

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._tail = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_words = ""

    def data_received(self, data: bytes) -> None:
        *lines, self._tail = (self._tail + data).split(b"\n")
        if len(self._tail) > _LOG_LINE:
            lines, self._tail = [*lines, self._tail], b""
        for line in lines:
            text = line[:_LOG_LINE].decode(errors="replace").strip()
            if text:
                self.last_words = text
                log.info("worker printed", pool=self._pool, line=text)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self.ended.done():
            self.ended.set_result(None)


def _launch(channel: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the process with its end of the socketpair.

    Called on the loop: Popen, which vforks, takes 0.2-1 ms. uvloop's own subprocesses fork, which stops the loop, and
    every call's sound, for 20 ms in a host of 400 MB.
    """
    return subprocess.Popen(  # noqa: S603 - this interpreter, our own module, a number
        [sys.executable, "-P", "-u", "-m", "openclaw_actors.engines.worker_main", str(channel)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(channel,),
        env=environment,
        bufsize=0,
    )


def _environment(native_threads: int) -> dict[str, str]:
    environment = dict(os.environ)
    # The child must find what the parent finds, test modules included, and nothing by its working directory (-P).
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.setdefault(name, str(native_threads))
    return environment


class WorkerProcess:
    """A running, warm worker process. Made by ``spawn``; must be closed."""

    def __init__(self, process: subprocess.Popen[bytes], output: _Output, on_end: Callable[[], object]) -> None:
        self._process = process
        self._output = output
        self._on_end = on_end
        self._frames: asyncio.Queue[Frame | WorkerDiedError] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None
        self._printing: asyncio.ReadTransport | None = None
        self._reading: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.ended = False
        """It will answer nothing any more."""
        self.at_once = 1
        """How many jobs it takes at once."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @classmethod
    async def spawn(
        cls,
        pool: str,
        hello: tuple[str, dict[str, Any], int],
        *,
        native_threads: int,
        warm_s: float,
        on_end: Callable[[], object],
    ) -> WorkerProcess:
        """Start a process and wait until it is warm.

        Args:
            pool: whose it is, for the log.
            hello: the factory, its options, and the niceness.
            native_threads: for OpenMP and BLAS, where the environment does not name another number.
            warm_s: seconds that it has to become warm.
            on_end: called on the loop when it will answer nothing any more.

        Raises:
            UnavailableEngineError: it did not become warm; the text says why.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                launched = _launch(theirs.fileno(), _environment(native_threads))
        except OSError as error:
            ours.close()
            raise UnavailableEngineError(f"no process could be started: {error}") from error
        process = cls(launched, _Output(pool), on_end)
        try:
            await process._connect(ours)
            process.send(pack("hello", hello))
            await process._warm(warm_s)
        except BaseException:
            await process.aclose()
            raise
        return process

    async def _connect(self, ours: socket.socket) -> None:
        try:
            reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        self._reading = asyncio.create_task(self._read(reader), name=f"worker {self.pid} frames")
        self._printing, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: self._output, self._process.stdout
        )

    async def _warm(self, warm_s: float) -> None:
        try:
            async with asyncio.timeout(warm_s):
                kind, value = await self.receive()
        except TimeoutError:
            raise UnavailableEngineError(f"the worker process was not ready after {warm_s:g} s") from None
        except WorkerDiedError as death:
            words = f": {self._output.last_words}" if self._output.last_words else ""
            raise UnavailableEngineError(f"the worker process did not start: {death}{words}") from death
        if kind == "failed":
            raise UnavailableEngineError(str(value[1]))
        self.at_once = value

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                self._frames.put_nowait(await receive_frame(reader))
        except (asyncio.IncompleteReadError, OSError):
            # The socket ends a moment before the exit status is known and the last words are read.
            await self._exited(_LAST_WORDS_S)
            await asyncio.wait({self._output.ended}, timeout=_LAST_WORDS_S)
            self._end(f"the worker process {self._fate()}")
        except FrameError as error:
            self._end(f"the worker process sent garbage: {error}")

    def _fate(self) -> str:
        status = self._process.returncode
        if status is None:
            return "closed its connection"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-status).name}"
        return f"exited with status {status}"

    def _end(self, reason: str) -> None:
        self.ended = True
        self._frames.put_nowait(WorkerDiedError(reason))
        self._on_end()

    def send(self, frame: bytes) -> None:
        """Send a packed frame. Never waits: one batch is in flight at a time, so little is buffered."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frame)

    async def receive(self) -> Frame:
        """The next frame.

        Raises:
            WorkerDiedError: there will be none.
        """
        frame = await self._frames.get()
        if isinstance(frame, WorkerDiedError):
            self._frames.put_nowait(frame)  # whoever asks again is told the same
            raise frame
        return frame

    async def aclose(self) -> None:
        """Kill the process, reap it, and close its socket and pipe. May be called more than once."""
        self.ended = True
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name=f"worker {self.pid} closing")
        await asyncio.shield(self._closing)  # who is cancelled here leaves no process behind all the same

    async def _close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        # SIGKILL at once: there is nothing to save, and native code would not hear a politer signal.
        self._process.kill()
        await self._exited(_CLOSE_S)
        if self._printing is not None:
            self._printing.close()
            await asyncio.wait({self._output.ended}, timeout=_CLOSE_S)
        elif self._process.stdout is not None:
            self._process.stdout.close()

    async def _exited(self, within_s: float) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + within_s
        while self._process.poll() is None and clock() < until:  # noqa: ASYNC110 - see _POLL_S
            await asyncio.sleep(_POLL_S)
