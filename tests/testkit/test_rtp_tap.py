"""Contract: where aiortc keeps a receiver's jitter buffer, and how it calls it."""

from __future__ import annotations

import inspect

import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver

from openclaw_actors.testkit.rtp_tap import tap, tap_all


async def test_aiortc_still_keeps_its_jitter_buffer_where_the_tap_goes():
    pc = RTCPeerConnection()
    receiver = pc.addTransceiver("audio").receiver
    assert hasattr(receiver, "_RTCRtpReceiver__jitter_buffer")
    tap_all(pc, lambda _packet, _payload: None)
    assert receiver._RTCRtpReceiver__jitter_buffer.__class__.__name__ == "_Tap"
    await pc.close()


def test_aiortc_still_hands_each_packet_to_the_buffer_with_its_payload():
    source = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in source
    assert "packet._data = depayload(codec, packet.payload)" in source


def test_a_receiver_without_that_buffer_is_an_error_and_no_silent_deafness():
    with pytest.raises(AttributeError, match="jitter_buffer"):
        tap(object(), lambda _packet, _payload: None)
