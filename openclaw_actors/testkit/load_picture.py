"""A load as a picture: each answer and each interruption over time, and how many calls were up. SVG 1.1, by hand.

A drawing library would be 30 MB for two axes and some dots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil

from openclaw_actors.testkit.load import Sample, Tally
from openclaw_actors.testkit.load_report import LoadReport, Spread

_WIDTH, _HEIGHT = 900, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 870, 50, 370
_STEPS_MS = (20, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 20_000)
_TURN, _BARGE_IN, _CALLS = "#2563eb", "#ea580c", "#e5e7eb"


def picture(report: LoadReport, tally: Tally) -> str:
    """The SVG's text. Dots of the ramp, which do not count, are pale; the lines are the medians."""
    samples = [*tally.turns, *tally.barge_ins]
    seconds = max([sample.at for sample in (*samples, *tally.setups)], default=1.0)
    top_ms = max([1000 * sample.seconds for sample in samples], default=100.0)
    step = next((step for step in _STEPS_MS if top_ms / step <= 6), _STEPS_MS[-1])
    scale = _Scale(seconds, step * max(1, ceil(top_ms / step)))
    font = 'font-family="sans-serif" font-size="13" fill="#374151"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {font}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="16">{escape(_title(report))}</text>',
        *_calls(tally, report.calls, scale),
        *_axes(scale, step),
        *_dots(tally.turns, scale, _TURN),
        *_dots(tally.barge_ins, scale, _BARGE_IN),
        *_median("answer", report.turn, scale, _TURN),
        *_median("silence", report.barge_in, scale, _BARGE_IN),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Seconds and milliseconds to places in the picture."""

    def __init__(self, seconds: float, top_ms: float) -> None:
        self.seconds, self.top_ms = seconds, top_ms

    def x(self, seconds: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * seconds / self.seconds, 1)

    def y(self, ms: float) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * ms / self.top_ms, 1)


def _title(report: LoadReport) -> str:
    text = (
        f"{report.calls} calls: end of speech to voice p50 {report.turn.p50:.0f}, p95 {report.turn.p95:.0f} ms; "
        f"barge-in to silence p95 {report.barge_in.p95:.0f} ms"
    )
    return f"VOID, the callers were late: {text}" if report.void else text


def _calls(tally: Tally, most: int, scale: _Scale) -> Iterator[str]:
    """Steps behind all else: the calls that are up, the plan's number being the whole height."""
    points = [f"{_LEFT},{_BOTTOM}"]
    up = 0
    for sample in sorted(tally.setups, key=lambda sample: sample.at):
        x = scale.x(sample.at)
        points.append(f"{x},{scale.y(scale.top_ms * up / most)}")
        up += 1
        points.append(f"{x},{scale.y(scale.top_ms * up / most)}")
    points += [f"{_RIGHT},{scale.y(scale.top_ms * up / most)}", f"{_RIGHT},{_BOTTOM}"]
    title = "<title>calls that are up</title>"
    yield f'<polygon points="{" ".join(points)}" fill="{_CALLS}" opacity="0.5">{title}</polygon>'


def _axes(scale: _Scale, step: int) -> Iterator[str]:
    for ms in range(0, round(scale.top_ms) + 1, step):
        y = scale.y(ms)
        yield f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}" stroke="#d1d5db"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{ms}</text>'
    yield f'<text x="{_LEFT}" y="{_TOP - 8}">ms</text>'
    for tenth in range(0, 11, 2):
        at = scale.seconds * tenth / 10
        yield f'<text x="{scale.x(at)}" y="{_BOTTOM + 20}" text-anchor="middle">{at:.0f} s</text>'


def _dots(samples: Sequence[Sample], scale: _Scale, colour: str) -> Iterator[str]:
    for sample in samples:
        ms = 1000 * sample.seconds
        opacity = "0.8" if sample.counts else "0.25"
        yield (
            f'<circle cx="{scale.x(sample.at)}" cy="{scale.y(ms)}" r="3" fill="{colour}" opacity="{opacity}">'
            f"<title>{ms:.0f} ms</title></circle>"
        )


def _median(name: str, spread: Spread, scale: _Scale, colour: str) -> Iterator[str]:
    if spread.count:
        y = scale.y(spread.p50)
        yield f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}" stroke="{colour}" stroke-dasharray="6 4"/>'
        yield f'<text x="{_RIGHT}" y="{y - 5}" text-anchor="end" fill="{colour}">{name} p50 {spread.p50:.0f} ms</text>'
