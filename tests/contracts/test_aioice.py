"""The private names of aioice that ice.py uses: a failure here means that aioice has changed under it."""

from __future__ import annotations

import inspect

import aioice
import pytest
from aioice import ice, stun, turn

from openclaw_actors.transports.webrtc.ice import IceGuard, _GuardedProtocol


@pytest.fixture
async def connection():
    connection = aioice.Connection(ice_controlling=False)
    yield connection
    await connection.close()


async def test_a_connection_has_the_parts_that_the_guard_reads(connection):
    assert connection._protocols == []
    assert connection._remote_candidates == []
    assert connection._queue.qsize() == 0
    assert connection.stun_server is None
    assert connection.turn_server is None
    for name in ("turn_username", "turn_password", "turn_ssl", "turn_transport"):
        assert hasattr(connection, name)


async def test_gathering_asks_each_component_for_its_candidates_by_these_names(connection):
    signature = inspect.signature(connection.get_component_candidates)
    assert list(signature.parameters)[:2] == ["component", "addresses"]
    source = inspect.getsource(aioice.Connection.gather_candidates)
    assert "self.get_component_candidates(component=component, addresses=addresses)" in source


async def test_what_the_guard_gathers_is_what_the_connection_announces(connection):
    IceGuard().protect(connection)
    await connection.gather_candidates()
    assert connection.local_candidates, "this machine has an address that is not loopback"
    assert all(isinstance(protocol, _GuardedProtocol) for protocol in connection._protocols)
    assert {c.port for c in connection.local_candidates} == {p.local_candidate.port for p in connection._protocols}


def test_a_candidate_knows_the_address_behind_its_name():
    candidate = aioice.Candidate.from_sdp("1 1 udp 1 198.51.100.7 4000 typ host")
    assert (candidate._network_host, candidate.port) == ("198.51.100.7", 4000)


def test_a_protocol_takes_datagrams_and_hands_them_on_as_ours_does():
    source = inspect.getsource(ice.StunProtocol.datagram_received)
    assert "self.receiver.data_received(data, self.local_candidate.component)" in source
    assert "self.receiver.request_received(message, addr, self)" in source
    assert "transaction.response_received(message, addr)" in source
    assert "self.transactions" in source


def test_the_functions_that_are_called_have_the_arguments_that_are_given():
    assert set(inspect.signature(ice.relayed_candidate).parameters) == {
        "component",
        "hide_related_address",
        "protocol_factory",
        "turn_server",
        "turn_username",
        "turn_password",
        "turn_ssl",
        "turn_transport",
    }
    assert turn.UDP_SOCKET_BUFFER_SIZE > 0
    assert stun.Class.REQUEST != stun.Class.RESPONSE


def test_the_fault_that_the_guard_is_for_still_exists():
    """An empty datagram reaches the queue of a stock connection; when it no longer does, the guard may shrink."""
    source = inspect.getsource(ice.StunProtocol.datagram_received)
    assert "except ValueError:" in source
    assert "qsize" not in source
    assert "_remote_candidates" not in source
