"""Which of a client's ICE candidates may be sent packets: the guard against being used to probe networks (SSRF)."""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CANDIDATE = re.compile(
    r"([A-Za-z0-9+/]{1,32}) 1 (?:udp|UDP) ([0-9]{1,10}) ([0-9A-Fa-f:.]{2,45}) ([0-9]{1,5}) "
    r"typ (host|srflx|relay)(?: [!-~ ]*)?"
)
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # most clouds
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
    )
)
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_ASSIGNMENTS = ipaddress.ip_network("192.0.0.0/24")  # IETF protocol assignments
"""RFC 1122 section 3.2.1.3; Linux sends some of it to itself."""
_EMBEDDING = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
    )
)
"""An IPv4 address in disguise would pass the IPv6 rules; no browser offers one."""
_FIRST_PORT = 1024
"""Below it live DNS, NTP, SNMP and the like, never a caller's ephemeral port."""


def checked_candidate(value: str, *, allow_private: bool) -> str:
    """A candidate attribute (RFC 8839 section 5.1) written anew, or an empty string when it is refused.

    Refused: TCP, RTCP components, names (mDNS's ``.local`` too), well-known ports, and addresses that
    ``reachable`` refuses. A refused client still connects by the checks that it sends us itself.
    """
    match = _CANDIDATE.fullmatch(value)
    if not match:
        return ""
    foundation, priority, host, port, kind = match.groups()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if not _FIRST_PORT <= int(port) <= 65_535 or int(priority) >= 1 << 32:
        return ""
    if not reachable(address, allow_private=allow_private):
        return ""
    return f"{foundation} 1 udp {priority} {address} {port} typ {kind}"


def reachable(address: Address, *, allow_private: bool) -> bool:
    """Whether packets may be sent to this address.

    Never to loopback, link-local, multicast, unspecified, reserved and metadata addresses; to private ones (all
    that are not globally routed: RFC 1918, RFC 6598, unique local ...) only if ``allow_private``.
    """
    if (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or address in _METADATA
        or (address.version == 4 and (address in _THIS_NETWORK or address in _ASSIGNMENTS))
        or (address.version == 6 and (address.is_site_local or any(address in network for network in _EMBEDDING)))
    ):
        return False
    return allow_private or address.is_global
