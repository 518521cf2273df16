"""The TURN server of compose.yaml, real coturn: browsers' credentials open it, and it leads into no private network."""

from __future__ import annotations

import asyncio

import aioice
import pytest
from aioice import turn

from openclaw_actors.settings.sections import IceServer, WebRtc
from openclaw_actors.transports.webrtc.ice_servers import ice_servers_for_client
from tests.conftest import needs_program
from tests.deploy.test_files import compose, interpolated
from tests.deploy.test_proxies import free_port

SECRET = "a-secret-of-both"


async def listens(port: int) -> bool:
    """Whether it does yet; it listens by TCP when it does by UDP."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        await asyncio.sleep(0.05)
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.fixture
async def server(tmp_path):
    """coturn as compose starts it, on loopback; and what a browser is told of it."""
    program = needs_program("turnserver", "apt install coturn")
    port = free_port()
    told = [interpolated(each, {"TURN_SECRET": SECRET}) for each in compose()["services"]["turn"]["command"]]
    here = ["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}", "--no-tls", "--no-dtls"]
    process = await asyncio.create_subprocess_exec(
        program, "-n", *told, *here, f"--pidfile={tmp_path / 'pid'}", stdout=asyncio.subprocess.DEVNULL, cwd=tmp_path
    )
    settings = WebRtc(turn_secret=SECRET, ice_servers=(IceServer(urls=(f"turn:127.0.0.1:{port}",)),))
    try:
        async with asyncio.timeout(20):
            while not await listens(port):
                assert process.returncode is None, "it ended; is an option of compose.yaml unknown to it?"
        yield port, ice_servers_for_client(settings)[0]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def allocation(port: int, username: str, password: str) -> turn.TurnTransport:
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", port), username, password, lifetime=60
    )
    return transport


async def test_it_relays_for_whom_the_host_gave_credentials_and_not_into_private_networks(server):
    port, entry = server
    transport = await allocation(port, entry["username"], entry["credential"])
    try:
        assert 41000 <= transport.get_extra_info("sockname")[1] <= 41999
        inner = transport._TurnTransport__inner_protocol
        await inner.channel_bind(0x4000, ("203.0.113.7", 40000))  # a public address may be reached
        for private in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1", "100.64.0.1"):
            with pytest.raises(aioice.stun.TransactionFailed, match="403"):
                await inner.channel_bind(0x4001, (private, 22))
    finally:
        await transport._close()


async def test_it_relays_for_nobody_else(server):
    port, entry = server
    with pytest.raises(aioice.stun.TransactionFailed, match="401"):
        await allocation(port, entry["username"], "guessed")
