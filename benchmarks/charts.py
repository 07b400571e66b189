"""Horizontal bar charts as SVG, for pages of light and of dark background alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
LABEL_WIDTH = 290
VALUE_WIDTH = 70
TOP = 46
BAR_HEIGHT, ROW_HEIGHT = 16, 24

STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px } .unit { fill: #6e7781 }
.ours { fill: #0969da } .other { fill: #8c959f } .target { stroke: #cf222e; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .unit { fill: #9198a1 }
.ours { fill: #4493f8 } .other { fill: #656c76 } .target { stroke: #f85149 }
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. Ours stand out; a target is a mark across it."""

    label: str
    value: float
    ours: bool = False
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and the name of its file without ".svg"."""

    name: str
    title: str
    unit: str
    """What the values are, and which direction is better."""
    bars: tuple[Bar, ...]


def number(value: float) -> str:
    """Three significant digits."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


def svg(chart: Chart) -> str:
    """The chart as a file of its own."""
    height = TOP + ROW_HEIGHT * len(chart.bars) + 6
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img">',
            f"<title>{escape(chart.title)}</title>",
            f"<style>{STYLE}</style>",
            f'<text class="title" x="0" y="16">{escape(chart.title)}</text>',
            f'<text class="unit" x="0" y="34">{escape(chart.unit)}</text>',
            *_rows(chart.bars),
            "</svg>\n",
        )
    )


def _rows(bars: Sequence[Bar]) -> list[str]:
    longest = max(max(bar.value, bar.target or 0) for bar in bars)
    scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / (longest or 1)
    return [_row(bar, scale, TOP + index * ROW_HEIGHT) for index, bar in enumerate(bars)]


def _row(bar: Bar, scale: float, top: int) -> str:
    """A label, right-aligned, then the bar and its value."""
    base, width = top + BAR_HEIGHT - 3, bar.value * scale
    colour = "ours" if bar.ours else "other"
    parts = [
        f'<text x="{LABEL_WIDTH - 8}" y="{base}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{colour}" x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" '
        f'height="{BAR_HEIGHT}" rx="2"/>',
    ]
    value_at = LABEL_WIDTH + width
    if bar.target is not None:
        at = LABEL_WIDTH + bar.target * scale
        if 0 <= at - value_at < VALUE_WIDTH:
            value_at = at
        parts.append(
            f'<line class="target" x1="{at:.1f}" x2="{at:.1f}" y1="{top - 3}" '
            f'y2="{top + BAR_HEIGHT + 3}"/>'
        )
    parts.append(f'<text x="{value_at + 6:.1f}" y="{base}">{number(bar.value)}</text>')
    return "".join(parts)
