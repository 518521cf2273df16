"""An encoder whose packets are known before."""

from __future__ import annotations

from openclaw_actors.media.codecs import Codec, Encoded


class NewEncode:
    """Makes these packets, one after the other, of whatever it is given."""

    def __init__(self, codec: Codec, packets: str) -> None:
        self._bytes = 2 * codec.packet_samples
        self._packets = [packet.encode() for packet in packets]

    def encode(self, pcm: bytes) -> Encoded:
        count = len(pcm) // self._bytes
        packets, self._packets = self._packets[:count], self._packets[count:]
        assert len(packets) == count
        return Encoded(tuple(packets), pcm)
