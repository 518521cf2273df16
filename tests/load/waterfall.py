"""Draws docs/pictures/turn.svg of a real turn on the benchmarks' stubs: ``python -m tests.load.waterfall``.

Of several turns it takes the median one. The marks are those of the event `call.turn.completed`; what the caller hears
on top, by their own ear, is the network's part and their device's.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from openclaw_actors.testkit.caller import Caller
from openclaw_actors.testkit.host import HostProcess
from openclaw_actors.testkit.load import LoadPlan, Tally, converse
from tests.load.stubs import CONFIG, stub_process
from tests.load.turn_latency import speech

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "turn.svg"

BARS = (
    ("a short silence: perhaps the end", "", "likely_end", "#94a3b8"),
    ("speech to text", "likely_end", "heard", "#2563eb"),
    ("is it the end? silence, by the words", "likely_end", "end_of_turn", "#94a3b8"),
    ("model: to its first word", "asked", "first_token", "#16a34a"),
    ("first clause, voice: to its first sound", "first_token", "first_audio", "#ea580c"),
    ("first packet sent", "first_audio", "first_packet", "#dc2626"),
)
"""What is done, from which mark to which; an empty one is the caller's last voice."""

_LEFT, _RIGHT, _TOP, _ROW = 250, 860, 48, 34


def draw(marks: Mapping[str, int], heard_ms: float) -> str:
    """The picture; ``heard_ms``: when the caller heard it, from their own last voice."""
    end = max(heard_ms, *marks.values()) * 1.04
    bottom = _TOP + _ROW * (len(BARS) + 1)

    def x(ms: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * ms / end, 1)

    bars = [(name, marks.get(begin, 0), marks[finish], colour) for name, begin, finish, colour in BARS]
    bars.append(("heard by the caller, mouth to ear", 0, round(heard_ms), "#111827"))
    box = f'viewBox="0 0 920 {bottom + 40}" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="920" height="{bottom + 40}" fill="#fff"/>',
        '<text x="20" y="26" font-size="16" fill="#111827">One turn, ms from the end of the speech</text>',
    ]
    for ms in range(0, round(end), 50):
        parts.append(f'<line x1="{x(ms)}" x2="{x(ms)}" y1="{_TOP - 8}" y2="{bottom}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{x(ms)}" y="{bottom + 20}" text-anchor="middle" fill="#6b7280">{ms}</text>')
    for row, (name, begin, finish, colour) in enumerate(bars):
        y = _TOP + _ROW * row
        width = max(2.0, x(finish) - x(begin))
        parts.append(f'<text x="{_LEFT - 10}" y="{y + 17}" text-anchor="end" fill="#374151">{escape(name)}</text>')
        parts.append(f'<rect x="{x(begin)}" y="{y + 3}" width="{width:.1f}" height="20" rx="3" fill="{colour}"/>')
        parts.append(f'<text x="{x(finish) + 5}" y="{y + 18}" fill="#374151">{finish}</text>')
    return "\n".join([*parts, "</svg>\n"])


async def median_turn(turns: int) -> tuple[Mapping[str, int], float]:
    """The marks of the turn with the median latency, and that latency in milliseconds by the caller's ear."""
    question, _ = speech()
    found: list[tuple[float, Mapping[str, int]]] = []
    async with stub_process() as stub, HostProcess(CONFIG.format(url=stub)) as host, Caller(host.url) as caller:
        for _ in range(turns):
            tally = Tally()
            await converse(caller, LoadPlan(question, None), tally)
            latest = [event for event in caller.events if event.type == "call.turn.completed"][-1]
            found.append((1000 * tally.turns[0].seconds, latest.data["marks"]))
    heard_ms, marks = sorted(found, key=lambda turn: turn[0])[len(found) // 2]
    return marks, heard_ms


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, draw, and print the marks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    marks, heard_ms = asyncio.run(median_turn(parser.parse_args(argv).turns))
    PICTURE.write_text(draw(marks, heard_ms), encoding="utf-8")
    sys.stdout.write(f"{dict(marks)}, heard after {heard_ms:.0f} ms: {PICTURE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
