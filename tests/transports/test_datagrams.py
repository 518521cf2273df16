"""The sockets of all calls, read by one reader."""

from __future__ import annotations

import asyncio
import errno
import select
import socket
from contextvars import ContextVar

import pytest

from openclaw_actors.cli.serve import loop_factory
from openclaw_actors.transports.webrtc import datagrams
from openclaw_actors.transports.webrtc.datagrams import open_datagrams

TIMEOUT = 5
NAME: ContextVar[str] = ContextVar("name", default="")

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="this system reads by the loop's own means")


class Taken(asyncio.DatagramProtocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.sources: list[tuple] = []
        self.names: list[str] = []
        self.errors: list[Exception] = []
        self.lost = asyncio.Event()
        self.news = asyncio.Event()
        self.on_datagram = lambda data: None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        self.datagrams.append(data)
        self.sources.append(addr)
        self.names.append(NAME.get())
        self.news.set()
        self.on_datagram(data)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT):
            while len(self.datagrams) < count:
                self.news.clear()
                await self.news.wait()


async def open_one(address: str = "127.0.0.1", call: object = None) -> Taken:
    """On a free port of this machine; each is a call's of its own, unless it is given."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((address, 0))
    protocol = Taken()
    await open_datagrams(protocol, sock, protocol if call is None else call)
    return protocol


@pytest.fixture
async def opened():
    """Opens sockets, which are closed in the end."""
    protocols: list[Taken] = []

    async def open_and_keep(address: str = "127.0.0.1", call: object = None) -> Taken:
        protocols.append(await open_one(address, call))
        return protocols[-1]

    yield open_and_keep
    for protocol in protocols:
        protocol.transport.close()
    for protocol in protocols:
        await asyncio.wait_for(protocol.lost.wait(), TIMEOUT)
    assert datagrams._readers[asyncio.get_running_loop()]._ready is None, "it has left the loop"


def reads_of(reader: datagrams._Reader) -> list[bool]:
    """What each of its slices returns, from now on."""
    slices: list[bool] = []
    read = reader._read

    def kept() -> bool:
        slices.append(read())
        return slices[-1]

    reader._read = kept
    return slices


def port_of(protocol: Taken) -> int:
    return protocol.transport.get_extra_info("sockname")[1]


@pytest.fixture
def stranger():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(TIMEOUT)
        yield sock


@pytest.mark.parametrize("count", [1, 20], ids=["at once", "on the beat"])
async def test_each_gets_its_own_and_learns_from_whom(opened, stranger, count: int):
    protocols = [await opened() for _ in range(count)]
    for turn in range(3):
        for number, protocol in enumerate(protocols):
            stranger.sendto(b"%d.%d" % (number, turn), ("127.0.0.1", port_of(protocol)))
    for number, protocol in enumerate(protocols):
        await protocol.has(3)
        assert protocol.datagrams == [b"%d.%d" % (number, turn) for turn in range(3)]
        assert set(protocol.sources) == {stranger.getsockname()}


async def test_what_is_sent_arrives(opened, stranger):
    one = await opened()
    one.transport.sendto(b"hello", stranger.getsockname())
    assert stranger.recvfrom(100) == (b"hello", ("127.0.0.1", port_of(one)))


async def test_ipv6_too(opened):
    try:
        one, other = await opened("::1"), await opened("::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    one.transport.sendto(b"hello", ("::1", port_of(other)))
    await other.has(1)
    assert other.sources[0][:2] == ("::1", port_of(one))


async def test_an_empty_datagram_is_one(opened, stranger):
    one = await opened()
    stranger.sendto(b"", ("127.0.0.1", port_of(one)))
    await one.has(1)
    assert one.datagrams == [b""]


async def test_many_and_then_few_and_then_many_are_read(opened, stranger):
    """From the loop's call to the beat, and back."""
    protocols = [await opened() for _ in range(datagrams._MANY)]
    reader = datagrams._readers[asyncio.get_running_loop()]
    assert reader._on_beat
    for each in protocols[2:]:
        each.transport.close()
    assert not reader._on_beat
    protocols = [*protocols[:2], await opened()]
    for each in protocols:
        stranger.sendto(b"few", ("127.0.0.1", port_of(each)))
        await each.has(1)
    protocols += [await opened() for _ in range(datagrams._MANY)]
    for each in protocols:
        stranger.sendto(b"many", ("127.0.0.1", port_of(each)))
    for each in protocols:
        await each.has(1)


async def test_more_than_fits_into_a_slice_is_read_in_turns_and_leaves_nobody_out(opened, stranger, monkeypatch):
    monkeypatch.setattr(datagrams, "_SLICE_S", 0.0005)
    protocols = [await opened() for _ in range(20)]
    for protocol in protocols:
        protocol.on_datagram = lambda data: [None for _ in range(2_000)]
    for _ in range(10):
        for protocol in protocols:
            stranger.sendto(b"x", ("127.0.0.1", port_of(protocol)))
    turns = 0
    async with asyncio.timeout(TIMEOUT):
        while sum(len(each.datagrams) for each in protocols) < 200:
            turns += 1
            read = [len(each.datagrams) for each in protocols]
            assert max(read) - min(read) <= 2, "who was read goes behind the others"
            await asyncio.sleep(0)
    assert turns > 5, "others had their turn in between"


async def test_a_datagram_that_fails_harms_no_other(opened, stranger, caplog):
    one, other = await opened(), await opened()
    told: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def fail(data: bytes) -> None:
        if data == b"bad":
            raise ValueError("no sense in it")

    one.on_datagram = fail
    for data in (b"bad", b"good"):
        stranger.sendto(data, ("127.0.0.1", port_of(one)))
    stranger.sendto(b"good", ("127.0.0.1", port_of(other)))
    await one.has(2)
    await other.has(1)
    assert [str(context["exception"]) for context in told] == ["no sense in it"]


async def test_one_that_closes_another_while_both_have_something(opened, stranger):
    one, other = await opened(), await opened()
    one.on_datagram = lambda data: other.transport.close()
    other.on_datagram = lambda data: one.transport.close()
    for each in (one, other):
        stranger.sendto(b"x", ("127.0.0.1", port_of(each)))
    await asyncio.wait({asyncio.create_task(each.lost.wait()) for each in (one, other)}, return_when="FIRST_COMPLETED")
    assert len(one.datagrams) + len(other.datagrams) == 1


async def test_a_socket_that_was_closed_neither_reads_nor_sends(opened, stranger):
    one = await opened()
    port = port_of(one)
    one.transport.close()
    one.transport.close()
    assert one.transport.is_closing()
    one.transport.sendto(b"late", stranger.getsockname())
    await one.lost.wait()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))  # it is free
    stranger.settimeout(0.1)
    with pytest.raises(TimeoutError):
        stranger.recv(100)


async def test_what_a_datagram_does_is_of_the_one_who_opened_its_socket(opened, stranger):
    """Its log lines name the call."""
    protocols = []
    for name in ("a", "b"):
        NAME.set(name)
        protocols.append(await opened())
    NAME.set("c")
    for each in protocols:
        stranger.sendto(b"x", ("127.0.0.1", port_of(each)))
        await each.has(1)
    assert [each.names for each in protocols] == [["a"], ["b"]]


async def test_a_burst_on_the_beat_is_read_at_once(opened, stranger):
    """As after a loop that stood still: what waits in the kernel is the caller's sound."""
    protocols = [await opened() for _ in range(datagrams._MANY)]
    await asyncio.sleep(2 * datagrams._BEAT_S)
    for number in range(50):
        stranger.sendto(b"%d" % number, ("127.0.0.1", port_of(protocols[0])))
    reads = reads_of(datagrams._readers[asyncio.get_running_loop()])
    await protocols[0].has(50)
    assert len(reads) <= 10, "50 beats, if each read one"


async def test_the_sockets_of_one_call_count_as_one(opened, stranger):
    """A host with several addresses has as many sockets for each call."""
    reader = datagrams._readers.setdefault(asyncio.get_running_loop(), datagrams._Reader())
    sockets = [await opened(call=number // 3) for number in range(3 * (datagrams._MANY - 1))]
    assert not reader._on_beat
    sockets.append(await opened(call=None))
    assert reader._on_beat
    for each in sockets[1:]:
        each.transport.close()
    assert not reader._on_beat
    assert len(reader._calls) == 1


async def test_a_datagram_that_closes_the_many_goes_back_to_reading_at_once(opened, stranger):
    protocols = [await opened() for _ in range(datagrams._MANY)]
    reader = datagrams._readers[asyncio.get_running_loop()]
    protocols[0].on_datagram = lambda data: [each.transport.close() for each in protocols[2:]]
    stranger.sendto(b"x", ("127.0.0.1", port_of(protocols[0])))
    await protocols[0].has(1)
    await asyncio.sleep(2 * datagrams._BEAT_S)
    assert not reader._on_beat
    assert reader._beat is None or reader._beat.cancelled()
    stranger.sendto(b"y", ("127.0.0.1", port_of(protocols[1])))
    await protocols[1].has(1)


async def test_a_task_that_is_cancelled_within_a_datagram_does_not_end_the_beat(opened, stranger):
    protocols = [await opened() for _ in range(datagrams._MANY)]
    told: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def cancel(data: bytes) -> None:
        raise asyncio.CancelledError

    protocols[0].on_datagram = cancel
    stranger.sendto(b"x", ("127.0.0.1", port_of(protocols[0])))
    await protocols[0].has(1)
    stranger.sendto(b"y", ("127.0.0.1", port_of(protocols[1])))
    await protocols[1].has(1)


async def test_a_socket_that_the_system_does_not_take_is_closed(opened, monkeypatch):
    one = await opened()
    reader = datagrams._readers[asyncio.get_running_loop()]

    class Refusing:
        def register(self, fd: int, events: int) -> None:
            raise OSError(errno.ENOSPC, "no more watches")

    ready, reader._ready = reader._ready, Refusing()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with pytest.raises(OSError, match="no more watches"):
        await open_datagrams(Taken(), sock, "another")
    reader._ready = ready
    assert sock.fileno() == -1
    assert list(reader._sockets.values()) == [one.transport]


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, loop_factory()], ids=["asyncio", "the host's"])
def test_on_the_beat_nobody_is_woken_more_often_than_it_beats(factory):
    """uvloop's timers fire early, by up to a millisecond."""

    async def idle() -> int:
        reads = reads_of(datagrams._readers.setdefault(asyncio.get_running_loop(), datagrams._Reader()))
        protocols = [await open_one() for _ in range(datagrams._MANY)]
        await asyncio.sleep(0.5)
        for each in protocols:
            each.transport.close()
        return len(reads)

    with asyncio.Runner(loop_factory=factory) as runner:
        assert 1 < runner.run(idle()) <= 0.5 / datagrams._BEAT_S + 5


class Full:
    """A socket without room for more, until it is told."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.full = True
        self.sent: list[bytes] = []
        self.error: OSError | None = None

    def __getattr__(self, name: str):
        return getattr(self._sock, name)

    def sendto(self, data: bytes, addr: tuple) -> None:
        if self.error is not None:
            raise self.error
        if self.full:
            raise BlockingIOError(errno.EAGAIN, "no room")
        self.sent.append(data)


async def test_what_the_system_has_no_room_for_waits_in_order(opened, stranger):
    one = await opened()
    full = one.transport._sock = Full(one.transport._sock)
    for number in range(datagrams._WAITING + 3):
        one.transport.sendto(bytearray(b"%d" % number), stranger.getsockname())
    await asyncio.sleep(0.01)
    assert full.sent == []
    full.full = False
    async with asyncio.timeout(TIMEOUT):
        while len(full.sent) < datagrams._WAITING:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)
    one.transport.sendto(b"next", stranger.getsockname())
    assert full.sent == [b"%d" % number for number in range(3, datagrams._WAITING + 3)] + [b"next"]


async def test_one_that_is_closed_while_something_waits_leaves_the_loop(opened, stranger):
    one = await opened()
    one.transport._sock = Full(one.transport._sock)
    one.transport.sendto(b"x", stranger.getsockname())
    fd = one.transport._sock.fileno()
    one.transport.close()
    assert not asyncio.get_running_loop().remove_writer(fd)


async def test_an_address_that_can_not_be_reached_is_told_and_the_rest_is_sent(opened, stranger):
    one = await opened()
    full = one.transport._sock = Full(one.transport._sock)
    full.error, full.full = OSError(errno.ENETUNREACH, "no such way"), False
    one.transport.sendto(b"x", ("192.0.2.1", 9))
    full.error = None
    one.transport.sendto(b"y", stranger.getsockname())
    assert [error.errno for error in one.errors] == [errno.ENETUNREACH]
    assert full.sent == [b"y"]


async def test_a_system_without_epoll_reads_by_the_loops_own_means(monkeypatch, stranger):
    monkeypatch.delattr(select, "epoll")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    one = Taken()
    await open_datagrams(one, sock, one)
    assert not isinstance(one.transport, datagrams._DatagramSocket)
    stranger.sendto(b"x", ("127.0.0.1", port_of(one)))
    await one.has(1)
    one.transport.close()
    await asyncio.wait_for(one.lost.wait(), TIMEOUT)
