"""Where a webhook may be posted to: the guard against being used to reach what only this machine can (SSRF).

A name is looked up once a connection and the connection goes to the address that was judged, so a name that changes
its address in between gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import Executor
from typing import Any

from aiohttp import AddrInfoType, abc

from openclaw_actors.transports.webrtc.candidates import reachable


class RefusedAddressError(OSError):
    """The URL leads to an address that may not be reached; the text says which setting allows it."""


class Guard:
    """Judges addresses.

    Args:
        allow_private: setting ``webhooks.allow_private``: this machine and private networks are allowed. Link-local,
            multicast, reserved and cloud metadata addresses never are.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    def allows(self, host: str) -> bool:
        """Whether ``host``, an IP address in text, may be connected to."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        if address.is_loopback:
            return self._allow_private
        return reachable(address, allow_private=self._allow_private)

    def open_socket(self, target: AddrInfoType) -> socket.socket:
        """Make the socket of one connection: the last word, whoever found the address (a URL may hold one itself).

        Raises:
            RefusedAddressError: the address is not allowed.
        """
        family, kind, protocol, _, address = target
        if not self.allows(str(address[0])):
            raise RefusedAddressError(
                f"{address[0]} is this machine, a private network or a reserved address; if it is yours, "
                "set webhooks.allow_private = true"
            )
        return socket.socket(family, kind, protocol)


class Resolver(abc.AbstractResolver):
    """Looks names up on threads of its own: aiohttp's would take the loop's default ones.

    Args:
        threads: each look-up holds one, up to the system resolver's own time-out, even when nobody waits any more.
    """

    def __init__(self, threads: Executor) -> None:
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[abc.ResolveResult]:
        """All addresses of ``host``.

        Raises:
            OSError: there is none.
        """
        found: list[Any] = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port, family)
        return [
            abc.ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing: the threads are their owner's."""


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    # AI_ADDRCONFIG: no IPv6 addresses where this machine has none; each would cost a failed connection.
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    # A link-local address carries its interface in the fourth place, where the text would lose it; none is allowed.
    return [each for each in found if not (each[0] == socket.AF_INET6 and each[4][3:] != (0,))]
