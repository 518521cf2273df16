"""The one place of the test kit that names a private of aiortc: where a client's received RTP is taken out.

``RTCRtpReceiver`` hands each packet, with its codec payload in ``_data``, to its jitter buffer; ours passes it on and
holds nothing back, so nothing reaches the stock decoder's thread. RTCP reports go on as they would.
tests/testkit/test_rtp_tap.py fails when aiortc changes under it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.rtp import RtpPacket

OnPacket = Callable[[RtpPacket, bytes], None]
"""Takes an RTP packet and its codec payload, on the event loop, as it arrives."""

_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class _Tap:
    """Stands where aiortc expects a JitterBuffer."""

    def __init__(self, on_packet: OnPacket) -> None:
        self._on_packet = on_packet

    def add(self, packet: Any) -> tuple[bool, None]:
        """No picture loss, no frame: the packet is taken."""
        self._on_packet(packet, packet._data)  # noqa: SLF001 - named above
        return False, None


def tap(receiver: RTCRtpReceiver, on_packet: OnPacket) -> None:
    """Send all that ``receiver`` receives to ``on_packet``; call before media flows.

    Raises:
        AttributeError: this aiortc keeps its jitter buffer elsewhere.
    """
    getattr(receiver, _BUFFER)
    setattr(receiver, _BUFFER, _Tap(on_packet))


def tap_all(pc: RTCPeerConnection, on_packet: OnPacket) -> None:
    """``tap`` every audio receiver of a connection."""
    for transceiver in pc.getTransceivers():
        if transceiver.kind == "audio":
            tap(transceiver.receiver, on_packet)
