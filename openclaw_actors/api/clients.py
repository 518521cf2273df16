"""Who is at the other end of a request, as far as the network tells; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multidict import CIMultiDict, CIMultiDictProxy

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = CIMultiDict[str] | CIMultiDictProxy[str]

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_FORWARDING = frozenset({"forwarded", "via", "x-real-ip"})
_FORWARDING_PREFIXES = ("x-forwarded-", "cf-")
_IPV6_SUBSCRIBER = 64
"""Bits that one subscriber's addresses share (RFC 6177); counting single addresses would count nothing."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from.

    Args:
        address: the client's, by way of the trusted proxies; None when it is not known (a Unix socket, junk).
        direct: no proxy had a hand in it, as far as the headers show.
        vouched: the address is the client's own, not that of a proxy which nobody has declared as trusted.
    """

    address: Address | None
    direct: bool
    vouched: bool

    @property
    def is_local(self) -> bool:
        """It runs on this machine. A proxy or tunnel on this machine does not make its clients local."""
        return self.direct and self.address is not None and self.address.is_loopback

    @property
    def is_private(self) -> bool:
        """It is in a network that the public internet does not reach (RFC 1918, RFC 6598, RFC 4193)."""
        return self.vouched and self.address is not None and not self.address.is_global

    @property
    def key(self) -> str:
        """What is counted together: an IPv4 address, or an IPv6 /64."""
        if isinstance(self.address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((int(self.address), _IPV6_SUBSCRIBER), strict=False))
        return str(self.address)


def parse_address(text: str) -> Address | None:
    """An address as sockets and X-Forwarded-For write it: with port, brackets or zone, or IPv4 inside IPv6."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address: Address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The trusted proxies; the settings were checked, so each is an address or a network."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_forwarded(headers: Headers) -> bool:
    """Whether a proxy, tunnel or content network has left its mark."""
    return any(
        name in _FORWARDING or name.startswith(_FORWARDING_PREFIXES) for name in (each.lower() for each in headers)
    )


def client_of(peer: str | None, headers: Headers, trusted: Sequence[Network]) -> Client:
    """Find the client behind trusted proxies.

    X-Forwarded-For is read from the right, as each proxy appends the address it saw; the first one that is not a
    trusted proxy's is the client. What stands to the left of it anybody could have written.

    Args:
        peer: the other end of the TCP connection.
        headers: the request's.
        trusted: the proxies' networks.
    """
    address = parse_address(peer or "")
    direct = not is_forwarded(headers)
    hops = [hop for line in headers.getall("X-Forwarded-For", ()) for hop in line.split(",")]
    named = False
    while hops and address is not None and any(address in network for network in trusted):
        address = parse_address(hops.pop())
        named = True
    return Client(address, direct, vouched=direct or named)


def is_local_host(headers: Headers) -> bool:
    """Whether Host names this machine to itself, with any port; another name may be a rebound one (DNS rebinding)."""
    hosts = headers.getall("Host", ())
    if len(hosts) != 1:
        return False
    name, _, port = hosts[0].lower().rpartition(":")
    if not name or not port.isdecimal():
        name = hosts[0].lower()
    return name in _LOCAL_HOSTS
