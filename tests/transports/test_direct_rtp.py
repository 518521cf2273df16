"""RTP between the socket and us, past aiortc's queues and tasks: the same sound, reports and refusals."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pylibsrtp
import pytest
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket
from pylibsrtp import Policy, Session

from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.settings.sections import WebRtc
from openclaw_actors.transports.webrtc.aiortc_private import DirectReceiver, _Latest

from .conftest import CALLER_HZ, HOST_HZ, dropped, pitch

KEY = bytes(range(30))
SOURCE = 77


class Wire:
    """A DirectReceiver that knows one source, and the sender's end of its SRTP."""

    def __init__(self) -> None:
        policy = {"key": KEY, "srtp_profile": Policy.SRTP_PROFILE_AES128_CM_SHA1_80}
        self._sender = Session(Policy(ssrc_type=Policy.SSRC_ANY_OUTBOUND, **policy))
        self.transport = SimpleNamespace(_rx_srtp=Session(Policy(ssrc_type=Policy.SSRC_ANY_INBOUND, **policy)))
        self.statistics = StreamStatistics(48_000)
        self.receiver = SimpleNamespace(
            transport=self.transport,
            _enabled=True,
            _RTCRtpReceiver__codecs={111: object()},
            _RTCRtpReceiver__remote_streams=_Latest({SOURCE: self.statistics}),
        )
        self.got: list[RtpAudio] = []
        self.take = DirectReceiver(self.receiver, self.got.append, lambda: 5.0)

    def datagram(self, packet: RtpPacket) -> bytes:
        return self._sender.protect(packet.serialize())


def packet(sequence: int = 1, **changes) -> RtpPacket:
    made = RtpPacket(payload_type=111, sequence_number=sequence, timestamp=960 * sequence, ssrc=SOURCE, payload=b"opus")
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("direction", ["direct", "stock"])
async def test_both_ways_sound_the_same(make_call, direction):
    call = make_call(settings=WebRtc(rtp=direction))
    await call.connect()
    frames, voice = await asyncio.gather(call.listener.hears(30), call.client.listens(35))
    assert call.listener.is_contiguous()
    assert pitch(b"".join(f.pcm for f in frames[10:])) == pytest.approx(CALLER_HZ, abs=4)
    assert pitch(voice[-48_000:], 48_000) == pytest.approx(HOST_HZ, abs=4)
    assert (call.peer._guard.direct is not None) is (direction == "direct")


async def test_the_clients_statistics_are_those_of_an_ordinary_sender_and_receiver(make_call):
    call = make_call()
    await call.connect()
    await call.client.listens(120)  # each side reports about once a second
    connection = call.client.pc
    inbound = [s for r in connection.getReceivers() for s in (await r.getStats()).values() if s.type == "inbound-rtp"]
    remote = [s for r in connection.getReceivers() for s in (await r.getStats()).values()]
    reported = [s for s in remote if s.type == "remote-outbound-rtp"]
    assert inbound[0].packetsLost == 0
    assert reported, "our sender reports reach the client"
    assert 25 < reported[0].packetsSent <= inbound[0].packetsReceived + 30
    heard = [s for r in connection.getSenders() for s in (await r.getStats()).values()]
    ours = [s for s in heard if s.type == "remote-inbound-rtp"]
    assert ours, "our receiver reports too"
    assert ours[0].packetsLost == 0
    assert 0 <= ours[0].roundTripTime < 1


async def test_a_packet_that_can_not_be_sent_is_lost_alone(make_call):
    call = make_call()
    await call.connect()
    await call.client.listens(5)
    dtls = call.peer._connection.getSenders()[0].transport
    session, failed = dtls._tx_srtp, []

    class Fails:
        def __getattr__(self, name: str) -> object:
            return getattr(session, name)

        def protect(self, packet: bytes) -> bytes:
            failed.append(packet)
            dtls._tx_srtp = session
            raise ValueError("packet is too long")

    dtls._tx_srtp = Fails()
    await call.client.listens(30)
    assert len(failed) == 1
    voice = await call.client.listens(30)
    assert pitch(voice[-48_000:], 48_000) == pytest.approx(HOST_HZ, abs=4)


def test_a_known_sources_packets_go_to_the_sink_with_their_numbers():
    wire = Wire()
    assert wire.take(wire.datagram(packet(65_535)))
    assert wire.take(wire.datagram(packet(65_536 & 0xFFFF, timestamp=4_294_967_295)))
    assert wire.got == [
        RtpAudio(65_535, 960 * 65_535, b"opus", 5.0, SOURCE),
        RtpAudio(0, 4_294_967_295, b"opus", 5.0, SOURCE),
    ]
    assert (wire.statistics.packets_received, wire.statistics.cycles) == (2, 1 << 16), "for the receiver reports"


def test_what_stands_before_and_behind_the_payload_is_taken_off():
    wire = Wire()
    wire.take(wire.datagram(packet(1, csrc=[1, 2, 3])))
    wire.take(wire.datagram(packet(2, padding_size=7)))
    extended = packet(3).serialize()
    block = b"\xbe\xde\x00\x01" + b"\x10\x41\x00\x00"
    extended = bytes([extended[0] | 0x10]) + extended[1:12] + block + extended[12:]
    wire.take(wire._sender.protect(extended))
    wire.take(wire.datagram(packet(4, payload=b"")))
    assert [got.payload for got in wire.got] == [b"opus", b"opus", b"opus", b""]


@pytest.mark.parametrize(
    "body",
    [
        bytes([0xB0, 111, 0, 9]) + bytes(7) + bytes([SOURCE]),  # an extension that is not there
        bytes([0x90, 111, 0, 9]) + bytes(7) + bytes([SOURCE]) + b"\xbe\xde\xff\xff",  # one that is too long
        bytes([0xA0, 111, 0, 9]) + bytes(7) + bytes([SOURCE]) + b"x\xff",  # more padding than there is
        bytes([0xA0, 111, 0, 9]) + bytes(7) + bytes([SOURCE]) + b"x\x00",
        bytes([0x8F, 111, 0, 9]) + bytes(7) + bytes([SOURCE]) + b"x",  # fifteen sources that are not there
    ],
)
def test_a_header_that_promises_more_than_there_is_is_no_packet(body):
    wire = Wire()
    try:
        datagram = wire._sender.protect(body)
    except pylibsrtp.Error:  # libsrtp refuses to send some of them: then one whose tag is false besides
        datagram = body + bytes(10)
    assert wire.take(datagram) is True
    assert wire.got == []


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\x80", bytes(11), bytes([0x80, 200]) + bytes(20), bytes([0x80, 96]) + bytes(9) + bytes([SOURCE]) + b"x"],
    ids=["empty", "one byte", "short", "RTCP", "another codec"],
)
def test_what_it_is_not_made_for_goes_the_stock_way(datagram):
    wire = Wire()
    assert wire.take(datagram) is False


def test_a_source_that_is_not_known_goes_the_stock_way_until_it_is():
    wire = Wire()
    wire.receiver._RTCRtpReceiver__remote_streams.clear()
    assert wire.take(wire.datagram(packet(1))) is False
    wire.transport._rx_srtp = None
    assert wire.take(wire.datagram(packet(2))) is False, "nor before the keys are there"


@pytest.mark.parametrize("road", ["direct", "stock"])
async def test_a_caller_who_changes_the_source_with_each_packet_is_reported_on_and_closed(make_call, road):
    call = make_call(settings=WebRtc(rtp=road))
    await call.connect()
    await call.listener.hears(5)
    sender = call.client.pc.getSenders()[0]
    receiver = call.peer._connection.getReceivers()[0]
    for _ in range(90):
        sender._ssrc = (sender._ssrc + 1) & 0xFFFF_FFFF
        await call.listener.hears(1)
    for kept in (
        receiver._RTCRtpReceiver__remote_streams,
        receiver._RTCRtpReceiver__active_ssrc,
        receiver.transport._rtp_router.ssrc_table,
    ):
        assert len(kept) == 8, "of the latest alone"
    reports = receiver._RTCRtpReceiver__rtcp_task
    await call.listener.hears(100)  # a report is sent about once a second
    assert not reports.done()


def test_of_sources_without_end_no_more_are_taken():
    wire = Wire()
    streams = wire.receiver._RTCRtpReceiver__remote_streams
    before = dropped("sources")
    while not wire.take(wire.datagram(packet(1, ssrc=1000 + streams.taken))):
        streams[1000 + streams.taken] = StreamStatistics(48_000)  # as aiortc does behind the stock way
    assert (streams.taken, len(streams), dropped("sources") - before) == (500, 8, 1)
    assert not wire.got
    assert wire.take(wire.datagram(packet(2, ssrc=next(iter(streams))))), "those that are known go on"
    assert len(wire.got) == 1


def test_a_stranger_makes_no_source_forgotten():
    wire = Wire()
    for number in range(8):
        wire.take(bytes([0x80, 111]) + bytes(6) + number.to_bytes(4, "big") + b"x" * 20)
    assert wire.take(wire.datagram(packet(1)))


def test_forged_and_repeated_packets_are_dropped_and_counted():
    wire = Wire()
    before = dropped("unauthentic")
    datagram = wire.datagram(packet(1))
    assert wire.take(datagram)
    assert wire.take(datagram), "a replay"
    assert wire.take(datagram[:-1] + bytes([datagram[-1] ^ 1])), "a forgery"
    assert len(wire.got) == 1
    assert dropped("unauthentic") - before == 2


def test_a_receiver_that_is_switched_off_takes_nothing():
    wire = Wire()
    wire.receiver._enabled = False
    assert wire.take(wire.datagram(packet(1))) is True
    assert wire.got == []


async def test_the_hosts_packets_carry_what_aiortcs_own_would(make_call):
    """Captured on the client's side, after decryption."""
    call = make_call()
    seen: list[RtpPacket] = []
    await call.connect()
    receiver = call.client.pc.getReceivers()[0]
    handle = receiver._handle_rtp_packet

    async def spy(got: RtpPacket, arrival_time_ms: int) -> None:
        seen.append(got)
        await handle(got, arrival_time_ms)

    receiver._handle_rtp_packet = spy
    await call.client.listens(20)
    assert {p.payload_type for p in seen} == {96}, "Opus, as aiortc offers it"
    assert len({p.ssrc for p in seen}) == 1
    assert all(p.marker == 1 for p in seen)
    assert {(b.sequence_number - a.sequence_number) & 0xFFFF for a, b in pairwise(seen)} == {1}
    assert {(b.timestamp - a.timestamp) & 0xFFFF_FFFF for a, b in pairwise(seen)} == {960}
    assert {p.extensions.mid for p in seen} == {"0"}
