"""Which addresses the host may be made to send packets to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_actors.transports.webrtc.candidates import checked_candidate, reachable

NEVER = (
    "127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "169.254.0.9", "fe80::1",
    "224.0.0.251", "239.255.255.250", "ff02::fb", "255.255.255.255", "240.0.0.1", "fd00:ec2::254",
    "100.100.100.200", "192.0.0.192", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2001:0:1::1",
)  # fmt: skip
PRIVATE = ("10.0.0.1", "172.16.5.5", "192.168.1.9", "100.64.0.1", "fd12::1", "192.0.2.2")
PUBLIC = ("8.8.8.8", "203.0.114.7", "2606:4700::1111")


@pytest.mark.parametrize("address", NEVER)
def test_no_packet_goes_there_even_where_private_is_allowed(address):
    assert not reachable(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_networks_are_reached_only_where_allowed(address):
    parsed = ipaddress.ip_address(address)
    assert reachable(parsed, allow_private=True)
    assert not reachable(parsed, allow_private=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address):
    assert reachable(ipaddress.ip_address(address), allow_private=False)


def test_a_candidate_is_written_anew_without_what_is_not_needed():
    value = "842163049 1 UDP 1677729535 8.8.8.8 63542 typ srflx raddr 10.0.0.5 rport 63542 generation 0"
    assert checked_candidate(value, allow_private=True) == "842163049 1 udp 1677729535 8.8.8.8 63542 typ srflx"


@pytest.mark.parametrize(
    "value",
    [
        "1 1 tcp 1518214911 8.8.8.8 9 typ host tcptype active",
        "1 2 udp 2122252542 8.8.8.8 40201 typ host",
        "1 1 udp 2122252542 f2a1c6e0.local 40201 typ host",
        "1 1 udp 2122252542 example.org 40201 typ host",
        "1 1 udp 2122252542 8.8.8.8 53 typ host",
        "1 1 udp 2122252542 8.8.8.8 65536 typ host",
        "1 1 udp 4294967296 8.8.8.8 40201 typ host",
        "1 1 udp 2122252542 8.8.8.8 40201 typ prflx",
        "1 1 udp 2122252542 2130706433 40201 typ host",
        "1 1 udp 2122252542 127.1 40201 typ host",
        "1 1 udp 2122252542 fe80::1%eth0 40201 typ host",
        "1 1 udp 2122252542 8.8.8.8 40201",
        "",
        "1 1 udp 2122252542 8.8.8.8 40201 typ host\x0ba=candidate",
    ],
)
def test_what_is_no_plain_udp_candidate_is_left_out(value):
    assert checked_candidate(value, allow_private=True) == ""


@settings(max_examples=200, deadline=None)
@given(st.ip_addresses())
def test_what_is_kept_without_private_networks_is_globally_routed(address):
    kept = checked_candidate(f"1 1 udp 1 {address} 5000 typ host", allow_private=False)
    if kept:
        parsed = ipaddress.ip_address(kept.split()[4])
        assert parsed.is_global
        assert not parsed.is_multicast
