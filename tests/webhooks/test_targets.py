"""A webhook's URL reaches the outside world, and nothing that only this machine can reach."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from openclaw_actors.webhooks.targets import Guard, RefusedAddressError, Resolver

NEVER = [
    "fec0::1",
    "192.0.0.8",
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%lo",
    "fd00:ec2::254",
    "100.100.100.200",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "not an address",
    "",
]
PRIVATE = ["127.0.0.1", "127.8.8.8", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12:3456::1"]
PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("address", NEVER)
def test_no_setting_opens_metadata_link_local_and_disguised_addresses(address, allow_private):
    assert not Guard(allow_private=allow_private).allows(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_this_machine_and_private_networks_are_reached_only_when_allowed(address):
    assert not Guard(allow_private=False).allows(address)
    assert Guard(allow_private=True).allows(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached(address):
    assert Guard(allow_private=False).allows(address)


def test_the_socket_itself_is_refused_so_nothing_can_go_around_the_look_up():
    with pytest.raises(RefusedAddressError, match=r"webhooks\.allow_private"):
        Guard(allow_private=False).open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    opened = Guard(allow_private=False).open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80)))
    assert opened.family == socket.AF_INET
    opened.close()


@pytest.mark.parametrize("name", ["localhost", "127.1", "0x7f.1", "2130706433"])
async def test_other_spellings_of_this_machine_end_as_its_address(name):
    with ThreadPoolExecutor(1) as threads:
        found = await Resolver(threads).resolve(name, 80, socket.AF_UNSPEC)
    assert found
    assert not any(Guard(allow_private=False).allows(each["host"]) for each in found)
