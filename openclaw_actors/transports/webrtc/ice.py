"""The one file that knows private names of aioice (0.13); tests/contracts/test_aioice.py fails when they change.

Stock aioice hands every datagram that is no STUN to DTLS, whatever address it comes from, through a queue without
a bound: one empty datagram from anywhere ends a call (``data[0]`` raises), and an injected ClientHello fails its
set-up (the class of CVE-2023-49786). It binds port 0 of every interface and announces them all.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from errno import EADDRINUSE
from functools import partial
from typing import Any

import aioice
from aioice import ice, stun, turn
from aioice.candidate import candidate_foundation, candidate_priority

from openclaw_actors.errors import RefusalError
from openclaw_actors.observability import metrics
from openclaw_actors.transports.webrtc.datagrams import open_datagrams

_LAST_STUN_BYTE = 3
"""RFC 7983 section 7: a first byte of 0 to 3 is STUN, 20 to 63 DTLS, 128 to 191 RTP and RTCP."""
_FIRST_RTP_BYTE = 128
_LONGEST_RTP = 1500
"""Bytes: what a session of pylibsrtp holds. It raises at more, which would end aiortc's reading task and the call."""
_QUEUE_BOUND = 512
"""Datagrams that wait for DTLS: ten seconds of a call, far more than any loop that is alive lets pile up."""
_MAX_REMOTE_CANDIDATES = 64
"""Offered (24 at most) and learned from checks; a client that checks from ever new ports gets no more."""
_SERVERS_S = 1.0
"""An answer can't trickle, so it waits for STUN and TURN, but not the 5 s of aioice: the caller hears that."""

_resolver = ThreadPoolExecutor(1, thread_name_prefix="ice-resolver")
"""Looks up STUN and TURN servers' names: the loop's default executor would be shared with all that blocks."""


@dataclass(slots=True)
class IceGuard:
    """What a call's ICE connections may bind, announce and let in.

    Args:
        port_range: first and last UDP port; (0, 0) for any.
        announced: addresses that stand in the answer in place of the local ones, as behind a 1:1 NAT; a local
            address among them stands for itself.
        clock: monotonic seconds.
        shuffle: where in the range the search for a free port begins.
    """

    port_range: tuple[int, int] = (0, 0)
    announced: Sequence[str] = ()
    clock: Callable[[], float] = time.monotonic
    shuffle: random.Random = field(default_factory=random.SystemRandom)
    heard_at: float = 0.0
    """When the last datagram came that was let in."""
    direct: Callable[[bytes], bool] | None = None
    """Is offered what may be RTP first; False: it goes the stock way, through aioice's queue to aiortc's task."""

    def protect(self, connection: aioice.Connection) -> None:
        """Take over how this connection gathers candidates, and with it its sockets; call it before it gathers."""
        connection.get_component_candidates = partial(  # type: ignore[method-assign] # of this one
            self._gather, connection
        )

    async def _gather(
        self, connection: aioice.Connection, component: int, addresses: list[str]
    ) -> list[aioice.Candidate]:
        """In place of ``Connection.get_component_candidates``.

        Raises:
            RefusalError: 503 ``no_udp_ports`` when all ports of the range are in use.
        """
        candidates: list[aioice.Candidate] = []
        exhausted = False
        for address in addresses:
            if not _routable(address):
                continue
            try:
                protocol = await self._bind(connection, address)
            except OSError as error:
                # One interface of several may be going away; a full range stands on all of them alike.
                exhausted = exhausted or error.errno == EADDRINUSE
                continue
            host, port = protocol.transport.get_extra_info("sockname")[:2]
            protocol.local_candidate = _host_candidate(component, host, port)
            connection._protocols.append(protocol)  # noqa: SLF001 - this file's office
            candidates += [_host_candidate(component, shown, port) for shown in self._shown(host, addresses)]
        if exhausted and not connection._protocols:  # noqa: SLF001 - as above
            first, last = self.port_range
            raise RefusalError(
                503,
                "no_udp_ports",
                f"All UDP ports from {first} to {last} are in use: try again later, "
                "or let the operator widen webrtc.udp_port_range.",
                {"Retry-After": "5"},
            )
        return candidates + await self._ask_servers(connection, component)

    async def _bind(self, connection: aioice.Connection, address: str) -> _GuardedProtocol:
        protocol = _GuardedProtocol(connection, self)
        await open_datagrams(protocol, self._socket(address), self)
        return protocol

    def _socket(self, address: str) -> socket.socket:
        """A socket on a free port of the range: bound here, as uvloop would let two calls share a port."""
        first, last = self.port_range
        count = last - first + 1
        offset = self.shuffle.randrange(count)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, turn.UDP_SOCKET_BUFFER_SIZE)
            for i in range(count):
                try:
                    sock.bind((address, first + (offset + i) % count))
                except OSError as error:
                    if error.errno != EADDRINUSE or i == count - 1:
                        raise
                else:
                    return sock
        except OSError:
            sock.close()
            raise
        raise AssertionError("a range has at least one port")

    def _shown(self, host: str, local: list[str]) -> list[str]:
        """The addresses that are announced for a socket bound to ``host``."""
        if not self.announced or host in self.announced:
            return [host]
        version = ipaddress.ip_address(host).version
        others = (a for a in self.announced if a not in local)
        return [a for a in others if ipaddress.ip_address(a).version == version]

    async def _ask_servers(self, connection: aioice.Connection, component: int) -> list[aioice.Candidate]:
        """Server-reflexive and relayed candidates, of the servers that answer within a second."""
        asked: list[asyncio.Task[aioice.Candidate]] = []
        if connection.stun_server:
            asked += [
                asyncio.create_task(self._reflexive(protocol, connection.stun_server))
                for protocol in connection._protocols  # noqa: SLF001 - as above
                if ipaddress.ip_address(protocol.local_candidate.host).version == 4
            ]
        if connection.turn_server:
            asked.append(asyncio.create_task(self._relayed(connection, component, connection.turn_server)))
        if not asked:
            return []
        try:
            await asyncio.wait(asked, timeout=_SERVERS_S)
        finally:
            for task in asked:
                task.cancel()
        await asyncio.wait(asked)
        return [task.result() for task in asked if not task.cancelled() and task.exception() is None]

    async def _reflexive(self, protocol: ice.StunProtocol, server: tuple[str, int]) -> aioice.Candidate:
        address = await _resolve(server[0], socket.AF_INET)
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        response, _ = await protocol.request(request, (address, server[1]))
        host, port = response.attributes["XOR-MAPPED-ADDRESS"]
        local = protocol.local_candidate
        return aioice.Candidate(
            foundation=candidate_foundation("srflx", "udp", local.host),
            component=local.component,
            transport="udp",
            priority=candidate_priority(local.component, "srflx"),
            host=host,
            port=port,
            type="srflx",
            related_address=local.host,
            related_port=local.port,
        )

    async def _relayed(
        self, connection: aioice.Connection, component: int, server: tuple[str, int]
    ) -> aioice.Candidate:
        host, port = server
        # TLS checks the name, so only plain TURN may be given the address.
        address = host if connection.turn_ssl else await _resolve(host, socket.AF_UNSPEC)
        candidate, protocol = await ice.relayed_candidate(
            component=component,
            hide_related_address=False,
            protocol_factory=lambda: _GuardedProtocol(connection, self),
            turn_server=(address, port),
            turn_username=connection.turn_username,
            turn_password=connection.turn_password,
            turn_ssl=connection.turn_ssl,
            turn_transport=connection.turn_transport,
        )
        connection._protocols.append(protocol)  # noqa: SLF001 - as above
        return candidate


def close_sockets(connection: aioice.Connection) -> None:
    """Close what ``Connection.close`` has left open: it waits for one after the other. Without effect behind it."""
    for protocol in connection._protocols:  # noqa: SLF001 - this file's office
        transport = protocol.transport
        getattr(transport, "abort", transport.close)()  # a TURN server's is told, and has no `abort`


def send_datagram(connection: aioice.Connection, data: bytes) -> None:
    """Send to the nominated candidate at once, as ``Connection.send`` would from a task.

    Raises:
        ConnectionError: no pair of candidates is nominated (any more).
    """
    pair = connection._nominated.get(1)  # noqa: SLF001 - this file's office
    if pair is None:
        raise ConnectionError("not connected")
    pair.protocol.transport.sendto(data, pair.remote_addr)


class _GuardedProtocol(ice.StunProtocol):
    """A socket of a call that lets in STUN that parses, and other datagrams from known addresses alone."""

    def __init__(self, connection: aioice.Connection, guard: IceGuard) -> None:
        super().__init__(connection)
        self._guard = guard
        self._known: set[tuple[str, int]] = set()

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        source = (addr[0], addr[1])
        if not data or isinstance(data, str):
            _drop("empty")
        elif data[0] <= _LAST_STUN_BYTE:
            self._stun(data, source)
        elif source not in self._known and not self._learn(source):
            _drop("unvalidated")
        elif data[0] >= _FIRST_RTP_BYTE and len(data) > _LONGEST_RTP:
            _drop("malformed")
        elif data[0] >= _FIRST_RTP_BYTE and self._guard.direct is not None and self._guard.direct(data):
            self._guard.heard_at = self._guard.clock()
        elif self.receiver._queue.qsize() >= _QUEUE_BOUND:  # noqa: SLF001 - this file's office
            _drop("queue_full")
        else:
            self._guard.heard_at = self._guard.clock()
            self.receiver.data_received(data, self.local_candidate.component)

    def _stun(self, data: bytes, source: tuple[str, int]) -> None:
        try:
            message = stun.parse_message(data)
            if message.message_class == stun.Class.REQUEST:
                if not self._learn(source) and len(self._remote()) >= _MAX_REMOTE_CANDIDATES:
                    _drop("unvalidated")
                    return
                self.receiver.request_received(message, source, self)
            elif message.message_class in {stun.Class.RESPONSE, stun.Class.ERROR}:
                transaction = self.transactions.get(message.transaction_id)
                if transaction is not None:
                    transaction.response_received(message, source)
        except Exception:  # noqa: BLE001 - struct.error on 29 % of fuzzed messages, KeyError on a check
            # without PRIORITY: whatever a stranger's datagram breaks is that datagram's loss alone.
            _drop("malformed")
            return
        if source in self._known:
            self._guard.heard_at = self._guard.clock()

    def _remote(self) -> list[aioice.Candidate]:
        return self.receiver._remote_candidates  # noqa: SLF001 - as above

    def _learn(self, source: tuple[str, int]) -> bool:
        """Whether the address is a candidate: offered, or learned from a check that proved the password."""
        if any(c._network_host == source[0] and c.port == source[1] for c in self._remote()):  # noqa: SLF001
            self._known.add(source)
            return True
        return False


def _drop(reason: str) -> None:
    metrics.datagrams_dropped_total.labels(reason=reason).inc()


def _routable(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local)


def _host_candidate(component: int, host: str, port: int) -> aioice.Candidate:
    return aioice.Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )


async def _resolve(host: str, family: socket.AddressFamily) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        loop = asyncio.get_running_loop()
        lookup = partial(socket.getaddrinfo, host, None, family, socket.SOCK_DGRAM)
        found = await loop.run_in_executor(_resolver, lookup)
        return str(found[0][4][0])
