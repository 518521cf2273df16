"""A host to call: in this process, or as a process of its own, started the way an operator starts it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from openclaw_actors.engines.recipes import EngineMaker, make_engine
from openclaw_actors.host import Host
from openclaw_actors.settings.sections import (
    Agent,
    EspeakNg,
    Server,
    Settings,
    Stt,
    Supervision,
    Tts,
)

_CONSOLE = "Console: "
"""``serve`` prints its address behind this."""


@dataclass(frozen=True, slots=True)
class RunningHost:
    """A host in this process."""

    url: str
    host: Host


PATIENT = Supervision(stt_final_s=15, first_audio_s=10)
"""Deadlines for a machine that does other things meanwhile: the recogniser is real, and gives way to all else."""


def embedded_settings() -> Settings:
    """Settings that need no network: the embedded engines alone, any free port, and patience."""
    return Settings(
        server=Server(port=0),
        supervision=PATIENT,
        stt=Stt(engines=("pocketsphinx",)),
        agent=Agent(engines=("parrot",)),
        tts=Tts(engines=("espeak-ng",), espeak_ng=EspeakNg()),
    )


@asynccontextmanager
async def running_host(
    settings: Settings | None = None, engine_maker: EngineMaker = make_engine
) -> AsyncIterator[RunningHost]:
    """Start a host here, stop it on exit; it must listen on a free port (``server.port = 0``).

    Without a ``store.url`` its records are in a folder that goes with it.
    """
    settings = settings or embedded_settings()
    with tempfile.TemporaryDirectory(prefix="openclaw-actors-records-") as folder:
        if not settings.store.url:
            store = settings.store.model_copy(update={"url": f"sqlite:///{folder}/calls.db"})
            settings = settings.model_copy(update={"store": store})
        host = Host(settings, engine_maker=engine_maker)
        await host.start()
        try:
            yield RunningHost(host.url, host)
        finally:
            await host.stop()


class HostFailedError(Exception):
    """The host's process ended, or never said its address; the text holds the end of its log."""


class HostProcess:
    """``openclaw-actors serve`` as a process of its own; an async context.

    Args:
        config: the TOML text of its settings; ``[server] port`` should be 0.
        environ: more environment variables.
        start_timeout_s: the embedded engines take a second or two to load.
        module: what runs, ``python -m``: a test's own, where the host has to be made to fail.
    """

    def __init__(
        self,
        config: str,
        environ: Mapping[str, str] | None = None,
        start_timeout_s: float = 60.0,
        *,
        module: str = "openclaw_actors",
    ) -> None:
        self.url = ""
        self._config = config
        self._environ = environ or {}
        self._start_timeout_s = start_timeout_s
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise HostFailedError("not started")
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def ended(self, timeout_s: float) -> int:
        """Wait for it to end by itself; its exit status, negative for a signal's number.

        Raises:
            TimeoutError: it did not.
        """
        if self._process is None:
            raise HostFailedError("not started")
        return await asyncio.wait_for(self._process.wait(), timeout_s)

    @property
    def returncode(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.returncode if self._process else None

    def log(self) -> str:
        """What it has written to standard error so far."""
        if self._folder is None:
            raise HostFailedError("not started, or its log is gone with it")
        return (Path(self._folder.name) / "log").read_text(errors="replace")

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="openclaw-actors-host-")
        folder = Path(self._folder.name)
        config = folder / "host.toml"
        config.write_text(self._config)
        command = [sys.executable, "-m", self._module, "serve", "--config", str(config)]
        with (folder / "log").open("wb") as log:
            process = self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._records(folder), "PYTHONUNBUFFERED": "1", **self._environ},
            )
        try:
            self.url = await asyncio.wait_for(self._read_url(process), self._start_timeout_s)
        except TimeoutError:
            raise HostFailedError(f"no address in {self._start_timeout_s} s:\n{self.log()[-3000:]}") from None
        self._reader = asyncio.create_task(_drain(process.stdout), name="host stdout")

    def _records(self, folder: Path) -> dict[str, str]:
        """Where its records are, unless its settings say where: in its own folder, not in the user's."""
        return {} if "[store]" in self._config else {"OPENCLAW_ACTORS_STORE__URL": f"sqlite:///{folder}/calls.db"}

    async def _read_url(self, process: asyncio.subprocess.Process) -> str:
        while process.stdout and (line := (await process.stdout.readline()).decode(errors="replace")):
            if _CONSOLE in line:
                return line.split(_CONSOLE, 1)[1].split()[0].rstrip("/")
        status = await process.wait()
        raise HostFailedError(f"serve ended with status {status}:\n{self.log()[-3000:]}")

    async def stop(self, *, timeout_s: float = 20.0) -> int | None:
        """Interrupt it (it hangs up politely), kill it when it does not end; its exit status."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self._process.wait(), timeout_s)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        return self.returncode


@contextmanager
def serving(config: str) -> Iterator[str]:
    """A host in a process of its own, for who has no event loop here or several; gives its address."""
    with asyncio.Runner() as runner:
        host = HostProcess(config)
        runner.run(host.__aenter__())
        try:
            yield host.url
        finally:
            runner.run(host.stop())


async def _drain(stdout: asyncio.StreamReader | None) -> None:
    """Keep reading: a full pipe would stop the host."""
    while stdout and await stdout.readline():
        pass
