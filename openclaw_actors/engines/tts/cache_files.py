"""Phrases as files: one each, written whole or not at all, the oldest removed when they are too many bytes.

Blocking; any thread may call. A file: ``magic``, CRC-32 of what follows the counts, the number of packets and of words
(32 bits each, little-endian), each packet's length (16 bits), each word's end (seconds as a float of 64 bits,
letters as 32), the packets, the PCM.
"""

from __future__ import annotations

import os
import struct
import tempfile
import threading
import zlib
from collections import OrderedDict
from pathlib import Path

from openclaw_actors.media.codecs import Encoded
from openclaw_actors.messages import WordTime

_MAGIC = b"phrase2\n"
_HEAD = struct.Struct("<8sIII")
_WORD = struct.Struct("<dI")
_SUFFIX = ".phrase"
_UNFINISHED = ".part"


class PhraseFiles:
    """A directory of phrases.

    Args:
        directory: made when first written to, readable by its owner alone.
        max_bytes: of all files together.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] | None = None

    def read(self, key: str) -> Encoded | None:
        """The phrase, or None; a damaged file is removed.

        Raises:
            OSError: the disk's own trouble.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        phrase = _parse(content)
        with self._lock:
            known = self._known()
            if phrase is None:
                known.pop(key, None)
                path.unlink(missing_ok=True)
            else:
                known[key] = len(content)
                known.move_to_end(key)
                os.utime(path)  # the order outlives the process
        return phrase

    def write(self, key: str, phrase: Encoded) -> None:
        """Keep a phrase. A reader, or a crash, sees it whole or not at all.

        Raises:
            OSError: the disk's own trouble.
        """
        content = _format(phrase)
        if len(content) > self._max_bytes:
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock:
            known = self._known()
            handle, part = tempfile.mkstemp(_UNFINISHED, dir=self._directory)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(part).replace(self._path(key))
            except BaseException:
                Path(part).unlink(missing_ok=True)
                raise
            known[key] = len(content)
            known.move_to_end(key)
            while sum(known.values()) > self._max_bytes:
                oldest, _ = known.popitem(last=False)
                self._path(oldest).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}{_SUFFIX}"

    def _known(self) -> OrderedDict[str, int]:
        """Sizes by key, least recently used first; the lock is held. Read from the directory once."""
        if self._sizes is None:
            for part in self._directory.glob(f"*{_UNFINISHED}"):
                part.unlink(missing_ok=True)  # of a process that was killed while it wrote
            found = [(path.stat(), path) for path in self._directory.glob(f"*{_SUFFIX}")]
            found.sort(key=lambda entry: entry[0].st_mtime_ns)
            self._sizes = OrderedDict((path.name.removesuffix(_SUFFIX), stat.st_size) for stat, path in found)
        return self._sizes


def _format(phrase: Encoded) -> bytes:
    count = len(phrase.packets)
    lengths = struct.pack(f"<{count}H", *map(len, phrase.packets))
    words = b"".join(_WORD.pack(word.at, word.chars) for word in phrase.words)
    body = lengths + words + b"".join(phrase.packets) + phrase.pcm
    return _HEAD.pack(_MAGIC, zlib.crc32(body), count, len(phrase.words)) + body


def _parse(content: bytes) -> Encoded | None:
    """The phrase, or None if the file isn't what was written."""
    if len(content) < _HEAD.size:
        return None
    magic, checksum, count, spoken = _HEAD.unpack_from(content)
    body = content[_HEAD.size :]
    at = 2 * count + _WORD.size * spoken
    if magic != _MAGIC or checksum != zlib.crc32(body) or len(body) < at:
        return None
    words = tuple(WordTime(*found) for found in _WORD.iter_unpack(body[2 * count : at]))
    packets = []
    for length in struct.unpack_from(f"<{count}H", body):
        packets.append(body[at : at + length])
        at += length
    return Encoded(tuple(packets), body[at:], words)
