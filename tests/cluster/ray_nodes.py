"""Nodes of Ray as an operator starts them: `ray start`, each with an address of its own on this machine's loopback.

Each is a group of processes; killed as one, as a machine that loses its power.
"""

from __future__ import annotations

import os
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

from tests.conftest import needs_program

OBJECT_STORE = 100_000_000
"""Bytes: half a minute of speech is one."""

HEAD_IP = "127.0.0.2"
"""The first node that joins has 127.0.0.1: there a program looks for its own node, if the head is on loopback."""

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
                [*command, "--block"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **QUIET, **environ},
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
    """A cluster: a head, and whatever joins it.

    Args:
        folder: of sockets and logs; its path must be short.
        redis: of Ray's own state, ``host:port``; empty: it dies with the head.
    """

    def __init__(self, folder: Path, redis: str = "") -> None:
        self.port = free_port()
        self.head: Node | None = None
        self.workers: list[Node] = []
        self._folder = folder
        self._environ = {"RAY_REDIS_ADDRESS": redis} if redis else {}

    @property
    def address(self) -> str:
        """Of the head."""
        return f"{HEAD_IP}:{self.port}"

    def start_head(self) -> None:
        """Start it, or start it again."""
        options = ["--head", f"--port={self.port}", "--include-dashboard=false", "--num-cpus=0"]
        self.head = self._start("head", HEAD_IP, options)
        self.head.wait_started()

    def join(self, cpus: int, *options: str) -> str:
        """A further node with so many CPUs; its IP address. The first is that of this process."""
        ip = f"127.0.0.{3 + len(self.workers)}" if self.workers else "127.0.0.1"
        node = self._start(
            f"node{len(self.workers)}", ip, [f"--address={self.address}", f"--num-cpus={cpus}", *options]
        )
        node.wait_started()
        self.workers.append(node)
        return ip

    def _start(self, name: str, ip: str, options: list[str]) -> Node:
        command = [ray_program(), "start", f"--node-ip-address={ip}", f"--object-store-memory={OBJECT_STORE}", *options]
        if "--head" in options:
            command.append(f"--temp-dir={self._folder}")
        return Node(command, self._environ, self._folder.with_name(f"{self._folder.name}-{name}.log"))

    def stop(self) -> None:
        """All of them."""
        for node in (*self.workers, *([self.head] if self.head else [])):
            node.kill()


@contextmanager
def ray_nodes(redis: str = "") -> Iterator[Nodes]:
    """A head without room for anything; join it."""
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
