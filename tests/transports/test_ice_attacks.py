"""Strangers' datagrams: they are counted, and the call goes on. Candidates: no packet goes where it must not."""

from __future__ import annotations

import asyncio
import gc
import random
import re
import socket
from collections.abc import AsyncIterator

import psutil
import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.settings.sections import Limits
from openclaw_actors.transports.webrtc.aiortc_private import ice_connections
from openclaw_actors.transports.webrtc.peer import WebRtcPeer, check_offer

from .conftest import Call, Watched, dropped

EMPTY = b""
CLIENT_HELLO = bytes.fromhex(
    "16fefd0000000000000000002c010000200000000000000020fefd" + "00" * 32 + "0000" + "00020000" + "0100"
)
"""A DTLS 1.2 ClientHello that offers the NULL cipher alone: the class of CVE-2023-49786."""
FATAL_ALERT = bytes.fromhex("15fefd00000000000000ff00020228")
CLOSE_NOTIFY = bytes.fromhex("15fefd00000000000000ff00020100")
GARBAGE = b"\x16" + bytes(50)
RTP = b"\x80\x6f" + bytes(60)
RTCP = b"\x80\xc9" + bytes(30)
BAD_STUN = bytes.fromhex("000100082112a442") + bytes(12) + bytes.fromhex("0024000200000000")
"""PRIORITY in two bytes: aioice's parser raises struct.error, which its caller does not expect."""
UNSIGNED_CHECK = bytes.fromhex("000100002112a442") + bytes(12)


class Attacker:
    """Sends to each socket that an answer names."""

    def __init__(self, answer: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found = re.findall(r"(?m)^a=candidate:.* (\d+\.\d+\.\d+\.\d+) (\d+) typ host", answer)
        self.targets = {(host, int(port)) for host, port in found}
        assert self.targets

    def send(self, payload: bytes, times: int = 1) -> None:
        for _ in range(times):
            for target in self.targets:
                self._socket.sendto(payload, target)

    async def keep_sending(self, payload: bytes) -> None:
        while True:
            self.send(payload)
            await asyncio.sleep(0.005)

    def close(self) -> None:
        self._socket.close()


class Spoofer(Attacker):
    """Sends from the client's own address: what an attacker who knows it and forges it would have arrive."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.answer)
        connections = ice_connections(call.client.pc)
        self._sockets = [protocol.transport for connection in connections for protocol in connection._protocols]

    def send(self, payload: bytes, times: int = 1) -> None:
        for _ in range(times):
            for transport in self._sockets:
                for target in self.targets:
                    transport.sendto(payload, target)


def fuzzed(rng: random.Random) -> bytes:
    """A binding request as ICE sends it, with a few of its bytes, or its end, made something else."""
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    request.attributes["USERNAME"] = "abcd:efgh"
    request.attributes["PRIORITY"] = 1853824767
    request.attributes["ICE-CONTROLLING"] = rng.getrandbits(64)
    request.add_message_integrity(b"guessed password")
    message = bytearray(bytes(request))
    for _ in range(rng.randint(0, 6)):
        message[rng.randrange(len(message))] = rng.randrange(256)
    return bytes(message[: rng.randint(1, len(message))]) if rng.random() < 0.3 else bytes(message)


def junk(rng: random.Random) -> bytes:
    """Anything, of any length that a datagram has on its way."""
    return rng.randbytes(rng.choice((0, 1, 2, 12, 20, 60, 200, 1400)))


async def goes_on(call: Call) -> None:
    await asyncio.gather(call.listener.hears(6), call.client.listens(6))
    assert call.peer.state == "connected"
    assert call.client.pc.connectionState == "connected"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(EMPTY, "empty"), (CLIENT_HELLO, "unvalidated"), (FATAL_ALERT, "unvalidated"), (BAD_STUN, "malformed")],
    ids=["empty", "ClientHello", "alert", "bad STUN"],
)
async def test_an_attack_before_and_during_the_handshake_does_not_stop_the_call(make_call, payload, reason):
    call = make_call()
    answer = await call.offer_and_answer()
    attacker = Attacker(answer)
    before = dropped(reason)
    attacker.send(payload, times=20)
    attacking = asyncio.create_task(attacker.keep_sending(payload))
    try:
        await call.client.answered(answer)
        await call.listener.until(lambda: "connected" in call.listener.states)
        await goes_on(call)
    finally:
        attacking.cancel()
        attacker.close()
    assert dropped(reason) >= before + 20


async def test_attacks_on_an_established_call_are_counted_and_not_heard(make_call):
    call = make_call()
    await call.connect()
    await call.listener.hears(3)
    attacker = Attacker(call.answer)
    for payload, reason in (
        (EMPTY, "empty"),
        (FATAL_ALERT, "unvalidated"),
        (CLOSE_NOTIFY, "unvalidated"),
        (GARBAGE, "unvalidated"),
        (CLIENT_HELLO, "unvalidated"),
        (RTP, "unvalidated"),
        (BAD_STUN, "malformed"),
        (bytes(25), "malformed"),
    ):
        before = dropped(reason)
        attacker.send(payload, times=60)
        await goes_on(call)
        assert dropped(reason) >= before + 60, payload
    attacker.close()
    assert call.listener.is_contiguous()


async def test_checks_without_the_password_teach_the_host_no_address(make_call):
    call = make_call()
    await call.connect()
    attacker = Attacker(call.answer)
    before = dropped("unvalidated")
    attacker.send(UNSIGNED_CHECK, times=10)
    attacker.send(GARBAGE, times=10)
    await goes_on(call)
    attacker.close()
    assert dropped("unvalidated") >= before + 10


@pytest.mark.parametrize(
    "payload", [EMPTY, CLIENT_HELLO, FATAL_ALERT, CLOSE_NOTIFY, GARBAGE, RTP, RTCP, BAD_STUN, UNSIGNED_CHECK],
    ids=["empty", "ClientHello", "alert", "close_notify", "garbage", "RTP", "RTCP", "bad STUN", "unsigned check"],
)  # fmt: skip
async def test_what_is_forged_in_the_clients_own_name_does_not_stop_the_call(make_call, payload):
    call = make_call()
    await call.connect()
    await call.listener.hears(3)
    forger = Spoofer(call)
    try:
        forger.send(payload, times=50)
        await goes_on(call)
    finally:
        forger.close()
    assert call.listener.is_contiguous()


async def test_fifty_thousand_datagrams_cost_no_memory_and_the_call_goes_on(make_call):
    call = make_call()
    await call.connect()
    await call.listener.hears(3)
    rng = random.Random(1)
    payloads = [make(rng) for make in (junk, fuzzed) for _ in range(500)] + [EMPTY, CLIENT_HELLO, GARBAGE, RTP] * 125
    attacker = Attacker(call.answer)
    reasons = ("empty", "unvalidated", "malformed")

    async def flood(datagrams: int) -> None:
        each = len(attacker.targets)
        for start in range(0, datagrams, 50 * each):
            for number in range(50):
                attacker.send(payloads[(start + number) % len(payloads)])
            await asyncio.sleep(0.002)  # no more than the socket's buffer holds: 50 kpps would be lost in the kernel

    try:
        await flood(5_000)  # what is made once and kept
        gc.collect()
        memory, before = psutil.Process().memory_info().rss, [dropped(reason) for reason in reasons]
        await flood(50_000)
        await goes_on(call)
    finally:
        attacker.close()
    gc.collect()
    assert psutil.Process().memory_info().rss - memory < 5_000_000
    moved = [dropped(reason) - was for reason, was in zip(reasons, before, strict=True)]
    assert all(count > 1_000 for count in moved), moved
    assert sum(moved) > 25_000, "the rest were checks that got their answer: a refusal"
    assert call.listener.is_contiguous()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_no_datagram_raises(data, is_stun):
    from openclaw_actors.transports.webrtc import ice

    async def receive() -> None:
        connection = ice.aioice.Connection(ice_controlling=False)
        protocol = ice._GuardedProtocol(connection, ice.IceGuard())
        protocol.local_candidate = ice._host_candidate(1, "192.0.2.2", 5000)
        protocol.transport = Sink()
        payload = data
        if is_stun:
            payload = b"\x00\x01" + len(data).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + data
        protocol.datagram_received(payload, ("198.51.100.7", 4000))
        assert connection._queue.empty()
        assert not connection._remote_candidates

    asyncio.run(receive())


class Sink:
    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        """An unauthenticated check is answered with an error, which reaches nobody here."""


async def test_a_datagram_that_srtp_cannot_hold_ends_no_call(make_call):
    """aiortc's reading task would end with it, whoever sent it: a source's address is easily forged."""
    call = make_call()
    await call.connect()
    before = dropped("malformed")
    ours = next(iter(call.peer._connection.getReceivers())).transport.transport._connection
    protocol, remote = ours._nominated[1].protocol, ours._nominated[1].remote_addr
    known = next(iter(call.peer._connection.getReceivers()[0]._RTCRtpReceiver__remote_streams))
    for source in (bytes(4), known.to_bytes(4, "big")):
        protocol.datagram_received(bytes([0x80, 96]) + bytes(6) + source + bytes(1489), remote)
    assert dropped("malformed") == before + 2
    await goes_on(call)


async def test_the_queue_before_dtls_is_bounded():
    from openclaw_actors.transports.webrtc import ice

    connection = ice.aioice.Connection(ice_controlling=False)
    connection._remote_candidates.append(ice._host_candidate(1, "198.51.100.7", 4000))
    protocol = ice._GuardedProtocol(connection, ice.IceGuard())
    protocol.local_candidate = ice._host_candidate(1, "192.0.2.2", 5000)
    before = dropped("queue_full")
    for _ in range(1000):
        protocol.datagram_received(RTP, ("198.51.100.7", 4000))
    assert connection._queue.qsize() == 512
    assert dropped("queue_full") == before + 488


# --- candidates that point elsewhere ----------------------------------------------------------------------------


class Probe(asyncio.DatagramProtocol, Watched):
    """A service that an offer tries to reach through the host."""

    def __init__(self) -> None:
        Watched.__init__(self)
        self.got: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.append(data)
        self.changed()


@pytest.fixture
async def open_probe() -> AsyncIterator:
    transports = []

    async def start(host: str) -> tuple[Probe, int]:
        transport, probe = await asyncio.get_running_loop().create_datagram_endpoint(Probe, local_addr=(host, 0))
        transports.append(transport)
        return probe, transport.get_extra_info("sockname")[1]

    yield start
    for transport in transports:
        transport.close()


async def accept_with_candidates(make_call, lines: str, *, allow_private: bool) -> WebRtcPeer:
    call = make_call()
    sdp = re.sub(r"a=candidate:.*\r\n", "", await call.client.offer())
    sdp = sdp.replace("a=end-of-candidates\r\n", lines + "a=end-of-candidates\r\n", 1)
    await call.peer.accept(check_offer(sdp, limits=Limits(), allow_private=allow_private))
    return call.peer


async def test_an_offer_cannot_make_the_host_send_to_its_own_loopback(make_call, open_probe):
    spellings = ("127.0.0.1", "::ffff:127.0.0.1", "localhost", "127.1", "2130706433", "0.0.0.0")
    probes = {spelling: await open_probe("127.0.0.1") for spelling in spellings}
    lines = "".join(
        f"a=candidate:{i} 1 udp 2130706431 {host} {port} typ host\r\n"
        for i, (host, (_, port)) in enumerate(probes.items())
    )
    await accept_with_candidates(make_call, lines, allow_private=True)
    reached = asyncio.Event()
    for probe, _ in probes.values():
        probe.changed = reached.set
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reached.wait(), 0.4)
    assert not any(probe.got for probe, _ in probes.values())


@pytest.mark.parametrize("allowed", [False, True])
async def test_an_offer_reaches_a_private_address_only_where_that_is_allowed(make_call, open_probe, allowed):
    local = re.search(r"(?m)^a=candidate:.* (\d+\.\d+\.\d+\.\d+) \d+ typ host", await make_call().offer_and_answer())
    probe, port = await open_probe(local[1])
    line = f"a=candidate:1 1 udp 2130706431 {local[1]} {port} typ host\r\n"
    await accept_with_candidates(make_call, line, allow_private=allowed)
    if allowed:  # which shows that the other half of this test, and the one before it, could fail
        await probe.until(lambda: bool(probe.got), 5)
    else:
        with pytest.raises(TimeoutError):
            await probe.until(lambda: bool(probe.got), 0.3)
