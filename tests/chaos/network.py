"""A bad network, in numbers: what the host hears of a caller behind a seeded lossy link.

``python -m tests.chaos.network`` prints the table. Each row is a real call over sockets between aiortc and a
WebRtcPeer: two seconds of a clean line, the sentences on the bad one, four seconds clean again.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from openclaw_actors.engines.stt.pocketsphinx import PocketSphinxEngine
from openclaw_actors.media.codecs import OPUS
from openclaw_actors.messages import FRAME, AudioIn
from openclaw_actors.observability.logs import configure_logs, stop_logs
from openclaw_actors.settings.sections import Limits, Logs, WebRtc
from openclaw_actors.testkit.lossy import Impairment, LossyLink
from openclaw_actors.transports.webrtc.outbound import OutboundTrack
from openclaw_actors.transports.webrtc.peer import WebRtcPeer
from tests.chaos.lines import (
    CLEAN_AFTER,
    CLEAN_BEFORE,
    GRID,
    ODD,
    PACKET_S,
    PAUSE_S,
    STOCK,
    Cell,
    Row,
    row,
    sentence_ends,
    spoken,
)
from tests.chaos.outage import outages
from tests.transports.conftest import Call, Client, Listener

AT_ONCE = 6
"""Calls at once: they take a third of a core, so that their packets leave in time."""
TRIES = 3
"""Of a run that broke a promise while this machine stood still for a moment."""


class Script:
    """A PacketSource that says the sentences, and makes the line bad while it does."""

    def __init__(self, link: LossyLink, cell: Cell) -> None:
        self._link, self._bad = link, cell.bad
        self._speech = spoken(cell)
        self._last_at = 0.0
        self.taken = 0
        self.lost = 0
        self.stall_ms = 0.0

    @property
    def done(self) -> bool:
        """All has been sent, the clean packets at the end too."""
        return self.taken >= CLEAN_BEFORE + len(self._speech) + CLEAN_AFTER

    def next_packet(self) -> bytes:
        now, at = time.monotonic(), self.taken - CLEAN_BEFORE
        if at > 0:
            self.stall_ms = max(self.stall_ms, 1000 * (now - self._last_at - PACKET_S))
        self._last_at = now
        if at == 0:
            self._link.change(outbound=self._bad)
        elif at == len(self._speech):
            self.lost = self._link.media_dropped
            self._link.change(outbound=Impairment(delay_s=self._bad.delay_s))
        self.taken += 1
        return self._speech[at] if 0 <= at < len(self._speech) else OPUS.silence


class TimedListener(Listener):
    """Notes when each frame came."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[tuple[float, AudioIn]] = []

    def on_audio(self, frame: AudioIn) -> None:
        now = time.monotonic()
        self.out += [(now, each) for each in frame.frames()]
        super().on_audio(frame)


async def measure(cell: Cell) -> tuple[Row, bytes]:
    """One call on this line: its numbers, and the 16 kHz sound that was heard of the bad stretch."""
    link = LossyLink(Impairment(delay_s=cell.bad.delay_s), seed=cell.seed)
    script = Script(link, cell)
    track = OutboundTrack(OPUS)
    track.source = script
    client = Client(OPUS, track)
    client.link = link
    call = Call(client, WebRtcPeer(WebRtc(jitter_buffer="stock" if cell.stock else "adaptive"), Limits()))
    listener = call.listener = TimedListener()
    total = CLEAN_BEFORE + len(spoken(cell)) + CLEAN_AFTER
    try:
        await call.connect()
        await listener.until(lambda: script.done and len(listener.out) >= total - 10, total * PACKET_S + 30)
    finally:
        await call.aclose()
    # aiortc's own buffer emits nothing for a while: what follows is shifted by what it swallowed, and so are the words.
    pcm = b"".join(frame.pcm for _, frame in listener.out[CLEAN_BEFORE:])
    measured = row(cell, script.lost, listener.out)
    measured.stall_ms = script.stall_ms
    return measured, pcm


async def measure_all(cells: Iterable[Cell]) -> list[Row]:
    """Measure all, a few at once, and let a recogniser say what it understood of each."""
    wanted = list(cells)
    for cell in wanted:
        spoken(cell)  # encoded before any call begins
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(cell: Cell) -> tuple[Row, bytes]:
        async with gate:
            for _ in range(TRIES):
                result, pcm = await measure(cell)
                if not (result.stalled and result.faults()):
                    break
            return result, pcm

    measured = await asyncio.gather(*(one(cell) for cell in wanted))
    engine = PocketSphinxEngine()
    await engine.open()
    try:
        for result, pcm in measured:
            result.transcripts = await _recognise(engine, result.cell, pcm)
    finally:
        await engine.aclose()
    return [result for result, _ in measured]


async def _recognise(engine: PocketSphinxEngine, cell: Cell, pcm: bytes) -> list[str]:
    """The transcript of each sentence, cut at the pauses between them."""
    cuts = [0, *(end - round(PAUSE_S / 2 / PACKET_S) for end in sentence_ends(cell))]
    pieces = [pcm[begin * FRAME * 2 : end * FRAME * 2] for begin, end in pairwise(cuts)]
    return [(await engine.transcribe(piece)).text for piece in pieces]


# --- the report -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """``text``: Markdown, a table and a list. ``faults``: the promises that were broken, none when all is well."""

    text: str
    faults: list[str]


def table_of(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    head = [
        "| line | lost | delivered | longest hole | words wrong | latency p95 | latency that stays |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    body = [
        f"| {r.cell.name} | {r.loss:.1f} % | {r.delivered:.1f} % | {r.longest_hole_ms:.0f} ms "
        f"| {r.word_errors:.0f} % | {r.late_p95_ms:+.0f} ms | {r.stays_ms:+.0f} ms |"
        for r in rows
    ]
    return "\n".join((*head, *body))


async def network_report() -> NetworkReport:
    """Measure the grid, the odd lines and, to compare with, aiortc's own jitter buffer; then lines that go dark.

    Takes six minutes, mostly waiting. It needs the machine for itself: a call that broke a promise while its own
    packets left late is measured again, twice at most.
    """
    rows = await measure_all((*GRID, *ODD, *STOCK))
    dark = await outages()
    text = "\n".join((table_of(rows), "", *(f"- {outcome.line}" for outcome in dark)))
    return NetworkReport(text, [fault for outcome in (*rows, *dark) for fault in outcome.faults()])


if __name__ == "__main__":
    configure_logs(Logs(level="error"))
    report = asyncio.run(network_report())
    stop_logs()
    sys.stdout.write(report.text + "\n" + "".join(f"FAULT {fault}\n" for fault in report.faults))
    sys.exit(bool(report.faults))
