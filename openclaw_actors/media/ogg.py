"""Packets out of an Ogg stream (RFC 3533), as it comes."""

from __future__ import annotations

_HEADER = 27
"""Bytes of a page's header before its segment table."""

_CONTINUED = 0x01


class OggPackets:
    """One logical stream's packets. Checksums are not checked: TCP has done that."""

    def __init__(self) -> None:
        self._data = b""
        self._open = b""

    def push(self, data: bytes) -> list[bytes]:
        """The packets that ``data`` completes.

        Raises:
            ValueError: a page does not begin where it should.
        """
        self._data += data
        packets: list[bytes] = []
        while (length := self._page_bytes()) and len(self._data) >= length:
            page, self._data = self._data[:length], self._data[length:]
            packets += self._read(page)
        return packets

    @property
    def broke_off(self) -> bool:
        """Whether a page has begun that is not whole."""
        return bool(self._data)

    def _page_bytes(self) -> int:
        """The length of the page that begins here; 0: can't be told yet."""
        if not b"OggS".startswith(self._data[:4]):  # fewer than four bytes may still become it
            raise ValueError("the Ogg stream is damaged")
        if len(self._data) < _HEADER:
            return 0
        segments = self._data[26]
        if len(self._data) < _HEADER + segments:
            return 0
        return _HEADER + segments + sum(self._data[_HEADER : _HEADER + segments])

    def _read(self, page: bytes) -> list[bytes]:
        if not page[5] & _CONTINUED:
            self._open = b""
        packets: list[bytes] = []
        at = _HEADER + page[26]
        for lacing in page[_HEADER:at]:
            self._open += page[at : at + lacing]
            at += lacing
            if lacing < 255:
                packets.append(self._open)
                self._open = b""
        return packets
