"""Who a client is, behind proxies that are trusted and those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from openclaw_actors.api.clients import client_of, is_local_host, networks, parse_address

TRUSTED = networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("unknown", "None"),
        ("_hidden", "None"),
        ("", "None"),
        ("1.2.3", "None"),
    ],
)
def test_addresses_are_read_in_all_their_spellings(text, address):
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # nobody trusts this peer's word
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # what the client itself wrote stands left
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, junk"], "None"),
        ("::1", ["[2001:db8::1]:99"], "2001:db8::1"),
        (None, [], "None"),
    ],
)
def test_the_client_is_the_first_that_no_trusted_proxy_is(peer, forwarded, client):
    headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
    assert str(client_of(peer, headers, TRUSTED).address) == client


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=20), max_size=5))
def test_no_forwarding_header_of_a_strangers_makes_it_local(lines):
    headers = CIMultiDict([("X-Forwarded-For", line) for line in lines])
    client = client_of("203.0.113.9", headers, TRUSTED)
    assert not client.is_local
    assert str(client.address) == "203.0.113.9"


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=30))
def test_only_four_names_are_this_machines(name):
    told = is_local_host(CIMultiDict({"Host": name}))
    assert told <= (name.lower().startswith(("localhost", "127.0.0.1", "[::1]")))


def test_an_ipv6_subscriber_is_one_client_whatever_address_it_takes():
    keys = {client_of(f"2001:db8:1:2::{n}", CIMultiDict(), ()).key for n in range(1, 9)}
    assert keys == {"2001:db8:1:2::/64"}
    assert client_of("2001:db8:1:3::1", CIMultiDict(), ()).key not in keys


@pytest.mark.parametrize(
    ("peer", "headers", "private"),
    [
        ("127.0.0.1", {}, True),
        ("192.168.1.2", {}, True),
        ("100.64.0.9", {}, True),
        ("fd00::1", {}, True),
        ("8.8.8.8", {}, False),
        ("127.0.0.1", {"Via": "1.1 tunnel"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "192.168.1.2"}, False),
        ("10.0.0.1", {"X-Forwarded-For": "192.168.1.2"}, True),
        ("10.0.0.1", {"X-Forwarded-For": "8.8.8.8"}, False),
        ("10.0.0.1", {"Via": "1.1 proxy"}, False),
        (None, {}, False),
    ],
)
def test_private_is_who_is_known_to_be(peer, headers, private):
    assert client_of(peer, CIMultiDict(headers), TRUSTED).is_private is private
