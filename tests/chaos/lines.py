"""Bad lines as data, what they may do to the caller's voice at most, and the same lines on a simulated clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, groupby
from random import Random
from statistics import median, quantiles

import jiwer

from openclaw_actors.media.codecs import OPUS
from openclaw_actors.media.jitter import RtpAudio
from openclaw_actors.messages import FRAME, SAMPLE_RATE, AudioIn
from openclaw_actors.testkit.lossy import Impairer, Impairment
from openclaw_actors.testkit.speakers import flite, silence
from openclaw_actors.transports.timeline import Timeline

PACKET_S = FRAME / SAMPLE_RATE
CLEAN_BEFORE, CLEAN_AFTER = 100, 200
"""Packets. After 2 s a jitter that is over is forgotten (media/jitter.py), so the last of the 4 s tell what stays."""
SETTLED = 75
"""The last packets of either clean stretch, which the latency before and after is taken from."""
AMPLIFICATION = 1.2
"""Packets of sound that may be missed for each one that was lost."""
SURPRISES = 1
"""Packets that may be missed on a line that reorders, before the buffer knows how late they come."""
LONGEST_HOLE_MS = {0.0: 0, 0.01: 60, 0.05: 60}
"""Of independent losses, by their share: four in a row come once in 160,000 packets at 5 %."""
BACK_MS = 10.0
"""The latency that may stay when the line is clean again; aiortc's own buffer keeps 200 ms and more."""

SENTENCES = (
    "What is the weather like in Paris today?",
    "Please call me back tomorrow morning at nine.",
    "My train leaves at half past seven in the evening.",
    "Can you tell me the way to the station?",
    "The meeting has been moved to Thursday afternoon.",
)
"""pocketsphinx understands all of them word for word in flite's voice rms."""
PAUSE_S = 0.6
STALL_MS = 40.0
"""Packets that leave so much too late say that this machine stood still; a jitter buffer can't know better."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One line to be measured."""

    name: str
    bad: Impairment
    stock: bool = False
    """Through aiortc's own jitter buffer, to compare with."""
    sentences: tuple[str, ...] = SENTENCES
    seed: int = 5

    @property
    def longest_hole_ms(self) -> float | None:
        """The bound; None where none is promised."""
        independent = self.bad.burst == 1 and not self.bad.reorder and not self.stock
        return LONGEST_HOLE_MS.get(self.bad.loss) if independent else None


def _grid() -> tuple[Cell, ...]:
    return tuple(
        Cell(f"loss {loss:.0%}, jitter {jitter * 1000:.0f} ms", Impairment(loss, delay_s=0.05, jitter_s=jitter))
        for loss in (0.0, 0.01, 0.05, 0.10, 0.20)
        for jitter in (0.0, 0.02, 0.06)
    )


GRID = _grid()
ODD = (
    Cell("bursts of 4, loss 10%", Impairment(0.10, burst=4, delay_s=0.05)),
    Cell("reordered 10%", Impairment(reorder=0.10, delay_s=0.05)),
    Cell("doubled 10%", Impairment(duplicate=0.10, delay_s=0.05)),
    Cell(
        "all of it, loss 5%",
        Impairment(0.05, burst=2, delay_s=0.05, jitter_s=0.06, duplicate=0.05, reorder=0.05),
    ),
)
STOCK = (
    Cell("stock buffer, loss 0%", Impairment(delay_s=0.05), stock=True),
    Cell("stock buffer, loss 1%", Impairment(0.01, delay_s=0.05), stock=True),
    Cell("stock buffer, loss 5%", Impairment(0.05, delay_s=0.05, jitter_s=0.02), stock=True),
)


@dataclass(slots=True)
class Row:
    """What one line did to the caller's voice."""

    cell: Cell
    sent: int
    lost: int
    heard: int
    """Frames of the bad stretch that hold the caller's own sound, all 20 ms of it."""
    longest_hole_ms: float
    late_p95_ms: float
    """Latency of the bad stretch beyond that of the clean one before it."""
    stays_ms: float
    """Latency of the clean stretch after it beyond that of the one before it."""
    contiguous: bool
    stall_ms: float = 0.0
    """How much too late a packet left at worst."""
    transcripts: list[str] = field(default_factory=list)

    @property
    def delivered(self) -> float:
        """Per cent of the packets sent."""
        return 100 * self.heard / self.sent

    @property
    def loss(self) -> float:
        """Per cent, as it came in this run."""
        return 100 * self.lost / self.sent

    @property
    def word_errors(self) -> float:
        """Per cent."""
        return 100 * jiwer.wer([sentence.lower().rstrip(".?") for sentence in self.cell.sentences], self.transcripts)

    @property
    def stalled(self) -> bool:
        """What is amiss with it may be this machine's fault."""
        return self.stall_ms > STALL_MS

    def faults(self) -> list[str]:
        """Which promises were broken; of a row that is there to compare with, none is made."""
        if self.cell.stock:
            return []
        found = []
        surprises = SURPRISES * bool(self.cell.bad.reorder)
        least = 100 * (1 - (AMPLIFICATION * self.lost + surprises) / self.sent)
        if self.delivered < least:
            found.append(f"{self.delivered:.1f} % delivered, {least:.1f} % promised")
        bound = self.cell.longest_hole_ms
        if bound is not None and self.longest_hole_ms > bound:
            found.append(f"a hole of {self.longest_hole_ms:.0f} ms, {bound:.0f} ms promised")
        if self.stays_ms > BACK_MS:
            found.append(f"{self.stays_ms:.0f} ms of latency stay")
        if not self.contiguous:
            found.append("the media time has a gap")
        if found and self.stalled:
            found.append(f"but this machine stood still for {self.stall_ms:.0f} ms: measure when it is idle")
        return [f"{self.cell.name}: {text}" for text in found]


@cache
def _said(sentence: str) -> tuple[bytes, ...]:
    return flite(sentence, "rms").then(silence(PAUSE_S)).packets


def spoken(cell: Cell) -> tuple[bytes, ...]:
    """The sentences and the pauses after them, encoded."""
    return tuple(packet for sentence in cell.sentences for packet in _said(sentence))


def sentence_ends(cell: Cell) -> list[int]:
    """The packets up to the end of each sentence, the pause after it included."""
    return list(accumulate(len(_said(sentence)) for sentence in cell.sentences))


def row(cell: Cell, lost: int, out: Sequence[tuple[float, AudioIn]]) -> Row:
    """The numbers of a run.

    Args:
        cell: what was done.
        lost: packets of the bad stretch that the line lost.
        out: each frame with the time at which it came out.
    """
    starts = [frame.start for _, frame in out]
    late = [1000 * (at - (frame.start + FRAME) / SAMPLE_RATE) for at, frame in out]
    first, last = CLEAN_BEFORE, CLEAN_BEFORE + len(spoken(cell))
    bad = [frame for _, frame in out[first:last]]
    before, after = median(late[first - SETTLED : first]), median(late[-SETTLED:])
    holes = [len(list(run)) for concealed, run in groupby(frame.concealed for frame in bad) if concealed]
    return Row(
        cell,
        last - first,
        lost,
        heard=sum(not frame.concealed for frame in bad),
        longest_hole_ms=1000 * PACKET_S * max(holes, default=0),
        late_p95_ms=quantiles(late[first:last], n=20)[-1] - before,
        stays_ms=after - before,
        contiguous=starts == list(range(starts[0], starts[0] + FRAME * len(starts), FRAME)),
    )


def simulate(cell: Cell) -> Row:
    """The same line without sockets, on a simulated clock: the same numbers each time, in a fraction of a second."""
    speech = spoken(cell)
    total = CLEAN_BEFORE + len(speech) + CLEAN_AFTER
    clean = Impairment(delay_s=cell.bad.delay_s)
    direction = Impairer(clean, Random(cell.seed))
    arrivals: list[tuple[float, int]] = []
    lost = 0
    for number in range(total):
        direction.become(cell.bad if 0 <= number - CLEAN_BEFORE < len(speech) else clean)
        times = direction.fate(number * PACKET_S)
        lost += not times
        arrivals += [(arrives_at, number) for arrives_at in times]
    line = Timeline(OPUS)
    out: list[tuple[float, AudioIn]] = []
    for arrived_at, number in sorted(arrivals):
        while (deadline := line.deadline) is not None and deadline <= arrived_at:
            out += [(deadline, frame) for audio in line.tick(deadline) for frame in audio.frames()]
        packet = RtpAudio(number, number * FRAME * 3, speech[number % len(speech)], arrived_at)
        out += [(arrived_at, frame) for audio in line.push(packet) for frame in audio.frames()]
    return row(cell, lost, out)
