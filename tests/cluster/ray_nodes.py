"""A cluster as an operator starts it: `ray start --head`, machines that join, a Redis; each at a loopback address."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from openclaw_actors.testkit.host import HostProcess
from tests.conftest import needs_program

OBJECT_STORE = 100_000_000
"""Bytes: half a minute of speech is one."""

APART = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""Before a command: it sees no processes but its own, which all end with it. Ray looks for its own programs, and takes
another machine's for this one's."""
HEAD_IP = "127.0.0.2"
"""Of the head. Ray takes 127.0.0.1 for another name of the machine's own address, which is not loopback."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_enable_metrics_collection": "0",
}


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ray_program() -> str:
    """``ray``, of the environment that the tests run in."""
    path = Path(sys.executable).with_name("ray")
    return str(path) if path.exists() else needs_program("ray", "pip install 'openclaw_actors[cluster]'")


class Node:
    """One node.

    Args:
        command: ``ray start …``; --block is added.
        environ: beside this process's.
        log: where its output goes.
    """

    def __init__(self, command: list[str], environ: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*APART, *command, "--block"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environ},
                start_new_session=True,
            )

    def wait_started(self, within_s: float = 60.0) -> None:
        """Until it says so."""
        until = time.monotonic() + within_s
        while b"Ray runtime started" not in (text := self._log.read_bytes()):
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"ray start: {text.decode(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def family(self) -> list[psutil.Process]:
        """All processes of the node, workers and all."""
        try:
            first = psutil.Process(self._process.pid)
            return [*first.children(recursive=True), first]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """As a power cut."""
        for process in (family := self.family()):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait(10)
        psutil.wait_procs(family, timeout=10)
        self._log.write_bytes(b"")


class Nodes:
    """A cluster: a head, and machines that join it.

    Args:
        folder: of sockets and logs; its path must be short.
        redis: of Ray's own state, ``host:port``; empty: it dies with the head.
    """

    def __init__(self, folder: Path, redis: str = "") -> None:
        self.port = free_port()
        self.head: Node | None = None
        self._folder = folder
        self.environ = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), **QUIET}
        """What who joins needs in its environment."""
        if redis:
            self.environ["RAY_REDIS_ADDRESS"] = redis

    @property
    def address(self) -> str:
        """Of the head."""
        return f"{HEAD_IP}:{self.port}"

    def start_head(self) -> None:
        """Start it, or start it again."""
        options = ["--head", f"--port={self.port}", "--include-dashboard=false", "--num-cpus=0"]
        self.head = self._start("head", HEAD_IP, options)
        self.head.wait_started()

    def machine(self, config: str, ip: str = "127.0.0.3") -> HostProcess:
        """A machine that joins and serves; an async context. It ends as one: `stop`, or with the context.

        Args:
            config: the TOML text of its settings.
            ip: where it is.
        """
        log = self._folder.with_name(f"{self._folder.name}-{ip}.log")
        log.touch()
        joins = {"RAY_HEAD": self.address, "NODE_IP": ip, "JOIN_LOG": str(log)}
        return HostProcess(config, self.environ | joins, start_timeout_s=150, module="tests.cluster.machine")

    def _start(self, name: str, ip: str, options: list[str]) -> Node:
        command = [ray_program(), "start", f"--node-ip-address={ip}", f"--object-store-memory={OBJECT_STORE}", *options]
        if "--head" in options:
            command.append(f"--temp-dir={self._folder}")
        return Node(command, self.environ, self._folder.with_name(f"{self._folder.name}-{name}.log"))

    def stop(self) -> None:
        """The head too."""
        if self.head is not None:
            self.head.kill()


@contextmanager
def ray_nodes(redis: str = "") -> Iterator[Nodes]:
    """A head without room for anything."""
    folder = Path(tempfile.mkdtemp(prefix="oar-", dir="/tmp"))
    nodes = Nodes(folder / "r", redis)
    try:
        nodes.start_head()
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server() -> Iterator[str]:
    """A real one, empty, for as long as the context lasts; its address."""
    program = needs_program("redis-server", "apt install redis-server")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]
    process = subprocess.Popen([program, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < until, "redis-server does not answer"
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
