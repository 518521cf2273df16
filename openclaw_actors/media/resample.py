"""Sample rates, as they come in a stream.

FFmpeg's resampler adds 0.7-2 ms of delay for 6-14 µs a 20 ms frame; soxr's streaming one adds 21-66 ms, in bursts.
"""

from __future__ import annotations

from errno import EAGAIN

import av
from av.filter import Graph

_PRIME_S = 0.02


class Resampler:
    """Brings s16 sound from one rate to another, as mono. What goes in in pieces comes out the same as in one piece.

    FFmpeg's graph is built here instead of by ``av.AudioResampler``, which starts a pool of threads (two on two
    cores) for every stream.

    Args:
        source_rate: Hz of what goes in.
        target_rate: Hz of what comes out.
        primed: fill the filter's delay with silence beforehand, so that 20 ms in give 20 ms out at once. Unprimed,
            the first 960 samples of 48 kHz give 304 of 16 kHz, and a reader of 320-sample frames would be one
            packet late for the whole call. The price is 0.7-2 ms of silence before the first sample.
    """

    def __init__(self, source_rate: int, target_rate: int, *, primed: bool = False) -> None:
        self._source_rate = source_rate
        self._target_rate = target_rate
        self._graph: Graph | None = None
        if primed and source_rate != target_rate:
            self.push(bytes(2 * int(source_rate * _PRIME_S)))

    def push(self, pcm: bytes) -> bytes:
        """What is ready after ``pcm``: mono s16, an even number of bytes."""
        if not pcm:
            return b""
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.planes[0].update(pcm)
        frame.sample_rate = self._source_rate
        return self.push_frame(frame)

    def push_frame(self, frame: av.AudioFrame) -> bytes:
        """The same for a decoder's frame, of any format and layout, which must not change from one to the next."""
        if self._graph is None:
            self._graph = self._build(frame)
        frame.pts = None  # a stream's place is its count of samples
        self._graph.push(frame)
        # A filter gives one frame for each that it takes; a second pull would cost 5 µs of 14 for an exception.
        return self._pull(self._graph)

    def flush(self) -> bytes:
        """The last samples. The end: nothing may be pushed after it."""
        if self._graph is None:
            return b""
        self._graph.push(None)
        pieces: list[bytes] = []
        while piece := self._pull(self._graph):
            pieces.append(piece)
        return b"".join(pieces)

    def _build(self, frame: av.AudioFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        source = graph.add(
            "abuffer",
            sample_rate=str(self._source_rate),
            sample_fmt=frame.format.name,
            channel_layout=frame.layout.name,
            time_base=f"1/{self._source_rate}",
        )
        form = graph.add("aformat", sample_rates=str(self._target_rate), sample_fmts="s16", channel_layouts="mono")
        sink = graph.add("abuffersink")
        source.link_to(form)
        form.link_to(sink)
        graph.configure()
        return graph

    @staticmethod
    def _pull(graph: Graph) -> bytes:
        try:
            frame = graph.pull()
        except av.EOFError:
            return b""
        except av.FFmpegError as error:
            if error.errno != EAGAIN:
                raise
            return b""
        assert isinstance(frame, av.AudioFrame)  # noqa: S101 - it is an abuffersink; this tells mypy
        # A plane is padded for SIMD; only its samples count.
        return bytes(memoryview(frame.planes[0])[: frame.samples * 2])
