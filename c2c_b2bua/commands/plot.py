"""A load drawn as SVG: answers a second above, latencies of connect below, over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from c2c_b2bua.commands.tally import Attempt, Tally, percentile

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT = 70, 840
MOST_COLUMNS = 200
STYLE = (
    "text{font:12px sans-serif;fill:#333}.axis{stroke:#999}.grid{stroke:#e4e4e4}polyline{fill:none;stroke-width:1.6}"
    ".accepted{stroke:#2a7}.refused{stroke:#c33}.p50{stroke:#27c}.p99{stroke:#e80}.max{stroke:#c33;stroke-width:.8}"
)
Points = list[tuple[float, float]]


def svg(tally: Tally, title: str) -> str:
    """The drawing, a whole document."""
    last = max([attempt.at + attempt.latency for attempt in tally.answered], default=0.0)
    width = max(1.0, math.ceil(last / MOST_COLUMNS))
    end = width * (int(last / width) + 1)
    answered = in_columns(tally, width, end, lambda attempt: attempt.at + attempt.latency)
    rates = {
        "accepted": [(at, sum(1 for one in found if one.call_id) / width) for at, found in answered],
        "refused": [(at, sum(1 for one in found if not one.call_id) / width) for at, found in answered],
    }
    latencies: dict[str, Points] = {"p50": [], "p99": [], "max": []}
    for at, found in in_columns(tally, width, end, lambda attempt: attempt.at):
        ordered = sorted(1000 * one.latency for one in found)
        for name, percent in (("p50", 50.0), ("p99", 99.0), ("max", 100.0)):
            if ordered:
                latencies[name].append((at, percentile(ordered, percent)))
    highest = max([value for points in rates.values() for _, value in points], default=1.0)
    slowest = max([value for _, value in latencies["max"]], default=1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-weight="bold">{escape(title)}</text>',
        *panel(rates, "connects answered a second", 50, 220, end, linear(highest)),
        *panel(latencies, "ms from when a connect was due to its answer", 280, 470, end, logarithmic(slowest)),
        f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">seconds</text></svg>',
    ]
    return "\n".join(parts) + "\n"


def in_columns(
    tally: Tally, width: float, end: float, when: Callable[[Attempt], float]
) -> list[tuple[float, list[Attempt]]]:
    """(seconds from the start, the attempts from then on) for every `width` seconds up to the end."""
    columns: list[tuple[float, list[Attempt]]] = [(number * width, []) for number in range(round(end / width))]
    for attempt in tally.answered:
        columns[int(when(attempt) / width)][1].append(attempt)
    return columns


class Scale:
    """`ticks` are the values that have a line; `place` says where a value is, from 0.0 at the bottom to 1.0 at the top."""

    def __init__(self, ticks: Sequence[float], place: Callable[[float], float]) -> None:
        self.ticks = ticks
        self.place = place


def linear(highest: float) -> Scale:
    """From 0, in steps of 1, 2 or 5 times a power of ten."""
    step = next(
        step
        for exponent in range(-3, 12)
        for step in (10.0**exponent, 2 * 10.0**exponent, 5 * 10.0**exponent)
        if 5 * step >= highest
    )
    top = step * max(1, math.ceil(highest / step))
    return Scale([step * number for number in range(round(top / step) + 1)], lambda value: value / top)


def logarithmic(highest: float) -> Scale:
    """In powers of ten from 0.1."""
    top = max(1, math.ceil(math.log10(max(highest, 1.0))))
    return Scale(
        [10.0**exponent for exponent in range(-1, top + 1)],
        lambda value: (math.log10(max(value, 0.1)) + 1) / (top + 1),
    )


def panel(curves: dict[str, Points], title: str, top: int, bottom: int, end: float, scale: Scale) -> list[str]:
    """Axes, grid, a legend, and the curves."""

    def across(at: float) -> float:
        return LEFT + (RIGHT - LEFT) * at / end

    def up(value: float) -> float:
        return bottom - (bottom - top) * scale.place(value)

    parts = [f'<text x="{LEFT}" y="{top - 10}">{title}</text>']
    for tick in scale.ticks:
        y = up(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for at in linear(end).ticks:
        if at <= end:
            parts.append(f'<text x="{across(at):.1f}" y="{bottom + 18}" text-anchor="middle">{at:g}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    for number, (name, points) in enumerate(curves.items()):
        x = RIGHT - 90 * (len(curves) - number)
        parts.append(f'<polyline class="{name}" points="{x},{top - 14} {x + 20},{top - 14}"/>')
        parts.append(f'<text x="{x + 26}" y="{top - 10}">{name}</text>')
        path = " ".join(f"{across(at):.1f},{up(value):.1f}" for at, value in points)
        parts.append(f'<polyline class="{name}" points="{path}"/>')
    return parts
