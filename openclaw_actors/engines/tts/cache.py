"""Phrases that were spoken before: in memory, least recently used out first, and the shareable ones on disk too.

A cached greeting starts in microseconds; on edge-tts it costs a second. Only what holds nothing of a caller's
(``shareable``: greeting, filler, apology) is written to disk, unless ``tts.cache.keep_replies`` says otherwise.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import unicodedata
from collections import OrderedDict
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from openclaw_actors.engines.tts.cache_files import PhraseFiles
from openclaw_actors.media.codecs import Codec, Encoded
from openclaw_actors.media.packets import DuePackets, encoded
from openclaw_actors.observability import metrics
from openclaw_actors.observability.logs import get_logger, outside
from openclaw_actors.settings.sections import TtsCache

log = get_logger(__name__)

_SOUND = 3
"""Counts changes of trimming and encoding: what was made before one is not found after it."""

_PACKET_OVERHEAD = 41
"""Bytes that CPython adds to a packet: 33 of its object, 8 of its place in the tuple."""

_PACKET_BYTES = 160
"""Of one that is not encoded yet: 60 kbit/s and some."""

_ENCODER_BYTES = 33_000
"""Of the encoder that such a phrase still has. It has its PCM twice, too: as a whole, and as it came."""

_WORD_BYTES = 100
"""Of a WordTime: its object, a float, an int and its place in the tuple."""


def phrase_key(engine_key: str, codec: Codec, text: str) -> str:
    """Name a phrase's sound: SHA-256, hex, of all that shapes it.

    Args:
        engine_key: the engine's ``cache_key``.
        codec: what it is encoded in.
        text: white space around and between words makes no difference; case and punctuation do, they are prosody.
    """
    words = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(json.dumps([_SOUND, engine_key, codec.name, words]).encode()).hexdigest()


class PhraseCache:
    """Keeps Encoded phrases by ``phrase_key``. Belongs to one event loop.

    Args:
        settings: where on disk (empty: nowhere), and how many bytes each of memory and disk may hold (0: none).
        disk_pool: threads in which files are read and written; needed only with a directory.

    Raises:
        ValueError: there is a directory, but no ``disk_pool``.
    """

    def __init__(self, settings: TtsCache, disk_pool: Executor | None = None) -> None:
        self._max_bytes = settings.max_bytes
        self._keep_all = settings.keep_replies
        self._memory: OrderedDict[str, Encoded] = OrderedDict()
        self._bytes = 0
        self._disk_pool = disk_pool
        if settings.dir and disk_pool is None:
            raise ValueError("a cache directory needs a disk_pool: files are not read on the event loop")
        with_disk = settings.dir and settings.max_bytes
        self._files = PhraseFiles(Path(settings.dir).expanduser(), settings.max_bytes) if with_disk else None
        self._writes: set[asyncio.Task[None]] = set()

    async def get(self, key: str, *, shareable: bool = False) -> Encoded | None:
        """The phrase, or None. Memory answers without a pause; the disk is asked only for a shareable phrase."""
        if (phrase := self._memory.get(key)) is not None:
            self._memory.move_to_end(key)
            metrics.tts_cache_requests_total.labels(result="memory").inc()
            return phrase
        if self._files is not None and (shareable or self._keep_all):
            loop = asyncio.get_running_loop()
            try:
                phrase = await loop.run_in_executor(self._disk_pool, self._files.read, key)
            except OSError as error:
                log.warning("phrase not read", error=str(error))
            if phrase is not None:
                metrics.tts_cache_requests_total.labels(result="disk").inc()
                self._remember(key, phrase)
                return phrase
        metrics.tts_cache_requests_total.labels(result="miss").inc()
        return None

    def put(self, key: str, phrase: Encoded, *, shareable: bool = False) -> None:
        """Keep a whole phrase; if it is shareable, on disk too, in the background."""
        self._remember(key, phrase)
        if self._files is not None and (shareable or self._keep_all):
            write = asyncio.create_task(self._write(self._files, key, phrase), context=outside())
            self._writes.add(write)
            write.add_done_callback(self._written)

    async def _write(self, files: PhraseFiles, key: str, phrase: Encoded) -> None:
        whole = replace(phrase, packets=await encoded(phrase.packets))
        await asyncio.get_running_loop().run_in_executor(self._disk_pool, files.write, key, whole)

    async def aclose(self) -> None:
        """Wait for what is being written."""
        if self._writes:
            await asyncio.wait(set(self._writes))

    def _written(self, write: asyncio.Task[None]) -> None:
        self._writes.discard(write)
        if not write.cancelled() and (error := write.exception()) is not None:
            log.warning("phrase not kept on disk", error=str(error))

    def _remember(self, key: str, phrase: Encoded) -> None:
        size = _bytes_of(phrase)
        if size > self._max_bytes:
            return
        if (known := self._memory.pop(key, None)) is not None:
            self._bytes -= _bytes_of(known)
        self._memory[key] = phrase
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._memory.popitem(last=False)
            self._bytes -= _bytes_of(oldest)


def _bytes_of(phrase: Encoded) -> int:
    if isinstance(phrase.packets, DuePackets):
        packets = _PACKET_BYTES * len(phrase.packets) + len(phrase.pcm) + _ENCODER_BYTES
    else:
        packets = sum(map(len, phrase.packets))
    overhead = _PACKET_OVERHEAD * len(phrase.packets) + _WORD_BYTES * len(phrase.words)
    return len(phrase.pcm) + packets + overhead
