"""The private names of aiortc that aiortc_private.py uses: a failure here means that aiortc has changed under it."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, rtcdtlstransport, rtcrtpreceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtpPacket

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.transports.webrtc.aiortc_private import (
    DirectReceiver,
    ice_connections,
    receiver_report,
    send_directly,
    tap_receiver,
)
from openclaw_actors.transports.webrtc.outbound import OutboundTrack
from openclaw_actors.transports.webrtc.pacer import Pacer


@pytest.fixture
async def receiver():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    yield pc.getReceivers()[0]
    await pc.close()


async def test_a_receiver_keeps_its_jitter_buffer_and_decoder_queue_where_we_replace_them(receiver):
    assert isinstance(receiver._RTCRtpReceiver__jitter_buffer, JitterBuffer)
    assert hasattr(receiver._RTCRtpReceiver__decoder_queue, "get")
    tap_receiver(receiver, lambda _: None, stock=True)
    assert isinstance(receiver._RTCRtpReceiver__jitter_buffer, JitterBuffer), "stock means stock"
    tap_receiver(receiver, lambda _: None, stock=False)
    assert not isinstance(receiver._RTCRtpReceiver__jitter_buffer, JitterBuffer)


def test_the_jitter_buffers_interface_is_the_one_that_we_offer():
    source = inspect.getsource(rtcrtpreceiver.RTCRtpReceiver._handle_rtp_packet)
    assert "packet._data = depayload(codec, packet.payload)" in source
    assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in source
    assert "self.__decoder_queue.put((codec, encoded_frame))" in source


def test_a_jitter_frame_has_data_and_timestamp():
    frame = JitterFrame(b"x", 960)
    assert (frame.data, frame.timestamp) == (b"x", 960)


async def test_a_packet_goes_to_the_sink_with_its_numbers_and_the_time(receiver):
    got: list[RtpAudio] = []
    tap_receiver(receiver, got.append, stock=False, clock=lambda: 12.5)
    packet = RtpPacket(payload_type=111, sequence_number=65_535, timestamp=4_294_967_295, ssrc=77)
    packet._data = b"opus"
    assert receiver._RTCRtpReceiver__jitter_buffer.add(packet) == (False, None)
    assert got == [RtpAudio(65_535, 4_294_967_295, b"opus", 12.5, 77)]


async def test_the_decoder_thread_ends_as_soon_as_it_looks_into_our_queue(receiver):
    tap_receiver(receiver, lambda _: None, stock=True)
    ended: asyncio.Queue = asyncio.Queue()
    thread = threading.Thread(
        target=rtcrtpreceiver.decoder_worker,
        args=(
            asyncio.get_running_loop(),
            receiver._RTCRtpReceiver__decoder_queue,
            ended,
            threading.Event(),
        ),
    )
    thread.start()
    assert await asyncio.wait_for(ended.get(), 5) is None
    thread.join(5)
    assert not thread.is_alive()


async def test_frames_of_the_stock_buffer_are_numbered_in_their_order(receiver):
    got: list[RtpAudio] = []
    tap_receiver(receiver, got.append, stock=True, clock=lambda: 1.0)
    queue = receiver._RTCRtpReceiver__decoder_queue
    for timestamp in (0, 960, 2880):
        queue.put((None, JitterFrame(b"x", timestamp)))
    queue.put(None)
    assert [(p.sequence, p.timestamp) for p in got] == [(0, 0), (1, 960), (2, 2880)]


async def test_a_receiver_without_these_names_is_refused_in_words():
    with pytest.raises(RuntimeError, match="aiortc has no _RTCRtpReceiver__jitter_buffer"):
        tap_receiver(object(), lambda _: None, stock=False)


async def test_each_transport_has_one_aioice_connection():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    pc.createDataChannel("events")
    connections = ice_connections(pc)
    assert len(connections) == 2, "not bundled until the answer"
    assert all(hasattr(connection, "get_component_candidates") for connection in connections)
    await pc.close()


async def test_a_sender_passes_an_encoded_packet_on_as_it_is():
    source = inspect.getsource(__import__("aiortc").RTCRtpSender._next_encoded_frame)
    assert "self.__encoder.pack(data)" in source


async def test_a_sender_keeps_what_the_far_end_reports_where_we_look_for_it():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender = pc.addTransceiver("audio").sender
    assert receiver_report(pc) is None
    lost = RtcpReceiverInfo(
        ssrc=sender._ssrc, fraction_lost=64, packets_lost=3, highest_sequence=9, jitter=8, lsr=0, dlsr=0
    )
    await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[lost]))
    report = receiver_report(pc)
    assert (report.packetsLost, report.roundTripTime) == (3, None)
    assert report.packetsReceived + report.packetsLost == 0, "packets sent: none yet"
    await pc.close()


async def test_a_receiver_has_the_names_that_the_direct_way_reads(receiver):
    DirectReceiver(receiver, lambda _: None)
    source = inspect.getsource(rtcrtpreceiver.RTCRtpReceiver._handle_rtp_packet)
    assert "codec = self.__codecs.get(packet.payload_type)" in source
    assert "self.__remote_streams[packet.ssrc].add(packet)" in source
    assert "if not self._enabled:" in source
    receive = inspect.getsource(rtcdtlstransport.RTCDtlsTransport._recv_next)
    assert "data = self._rx_srtp.unprotect(data)" in receive


def test_a_streams_statistics_read_a_packets_numbers_and_nothing_else():
    class Numbers:
        __slots__ = ("sequence_number", "timestamp")

        def __init__(self, number: int) -> None:
            self.sequence_number, self.timestamp = number, 960 * number

    statistics = rtcrtpreceiver.StreamStatistics(48_000)
    for number in (1, 2, 4):
        statistics.add(Numbers(number))
    assert (statistics.packets_received, statistics.packets_lost) == (3, 1)


async def test_a_sender_has_the_names_that_the_direct_way_sets():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    track = OutboundTrack(OPUS)
    sender = pc.addTrack(track)
    send_directly(sender, track, Pacer())
    assert "self._run_rtp(parameters.codecs[0])" in inspect.getsource(RTCRtpSender.send)
    stop = inspect.getsource(RTCRtpSender.stop)
    assert "self.__rtp_started.wait()" in stop
    assert "self.__rtp_exited.wait()" in stop
    run = inspect.getsource(RTCRtpSender._run_rtp)
    for name in ("ntp_timestamp = ", "rtp_timestamp = ", "octet_count += ", "packet_count += "):
        assert f"self.__{name}" in run, "aiortc's sender reports tell these"
    await pc.close()


async def test_a_sender_without_these_names_is_refused_in_words():
    with pytest.raises(RuntimeError, match=r'set webrtc\.rtp = "stock" until then'):
        send_directly(object(), object(), Pacer())


async def test_what_is_kept_of_each_source_is_what_we_bound(receiver):
    for kept in ("active_ssrc", "lsr", "lsr_time", "remote_streams"):
        assert getattr(receiver, f"_RTCRtpReceiver__{kept}") == {}
    assert receiver.transport._rtp_router.ssrc_table == {}
    tap_receiver(receiver, lambda _: None, stock=True)
    streams = receiver._RTCRtpReceiver__remote_streams
    for source in (*range(12), 4, 11):
        streams[source] = source
    assert list(streams) == list(range(4, 12)), "the latest eight"


def test_closing_stops_the_sockets_last():
    source = inspect.getsource(RTCPeerConnection.close)
    assert source.index("await transceiver.stop()") < source.index("receiver.transport.transport.stop()")
