"""A real TURN server: coturn on this machine alone, for as long as it is needed."""

from __future__ import annotations

import asyncio
import re
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

SECRET = "a-secret-that-both-sides-know"  # noqa: S105 - of a server that lives for a test
_START_S = 10.0


@dataclass
class Turn:
    """A server that runs.

    Args:
        url: as ``webrtc.ice_servers`` names it.
        secret: as ``webrtc.turn_secret``.
    """

    url: str
    secret: str
    lines: list[str] = field(default_factory=list)
    """Its log."""

    @property
    def users(self) -> set[str]:
        """Who has an allocation, or had one."""
        logged = re.findall(r"user <([^>]+)>.*ALLOCATE processed, success", "\n".join(self.lines))
        return set(logged)

    @property
    def refusals(self) -> int:
        """Requests that were turned down, but for the first of each client, which has still to learn the realm."""
        return sum("check_stun_auth: Cannot" in line or "error 403" in line for line in self.lines)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def coturn(program: str = "turnserver") -> AsyncIterator[Turn]:
    """Run it with ``use-auth-secret``, on loopback.

    Raises:
        RuntimeError: it does not start; the text is its log.
    """
    port = _free_port()
    turn = Turn(f"turn:127.0.0.1:{port}?transport=udp", SECRET)
    with tempfile.TemporaryDirectory(prefix="openclaw-actors-turn-") as folder:
        process = await asyncio.create_subprocess_exec(
            program,
            "-n",  # no configuration file of the machine's
            f"--listening-port={port}",
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            "--realm=openclaw.test",
            "--use-auth-secret",
            f"--static-auth-secret={SECRET}",
            "--allow-loopback-peers",
            "--fingerprint",
            "--no-cli",
            "--no-tls",
            "--no-dtls",
            "--no-tcp-relay",
            "--no-multicast-peers",
            "--simple-log",
            "--log-file=stdout",
            "--verbose",
            f"--pidfile={Path(folder) / 'pid'}",
            f"--userdb={Path(folder) / 'users.db'}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
        )
        up = asyncio.Event()
        reading = asyncio.create_task(_read(process, turn, up), name="coturn log")
        try:
            async with asyncio.timeout(_START_S):
                await up.wait()
            if process.returncode is not None or not any("listener" in line for line in turn.lines):
                raise RuntimeError("coturn does not start:\n" + "\n".join(turn.lines[-20:]))
            yield turn
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await reading


async def _read(process: asyncio.subprocess.Process, turn: Turn, up: asyncio.Event) -> None:
    """Keep its log; it is up when it listens over UDP."""
    while process.stdout and (line := await process.stdout.readline()):
        turn.lines.append(line.decode(errors="replace").rstrip())
        if "UDP listener opened" in turn.lines[-1]:
            up.set()
    up.set()
