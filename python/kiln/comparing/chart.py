"""Bars for the page: inline SVG that stretches with it, its labels being text of the page."""

import html
from collections.abc import Sequence

from kiln.comparing.rows import Row

Bar = tuple[Row, float | None, tuple[float | None, float | None] | None, str]  # value, its quartiles, and how it is written


def bars(entries: Sequence[Bar]) -> str:
    """Horizontal bars on one scale from zero."""
    longest = max((max(value or 0, (spread and spread[1]) or 0) for _, value, spread, _ in entries), default=0)
    if longest <= 0:
        return ""
    lines = []
    for row, value, spread, written in entries:
        style = ("kiln" if row.library == "kiln" else "peer") + (" eager" if row.is_eager else "")
        shapes = f'<rect class="{style}" width="{_length(value, longest)}" height="16" rx="1"/>'
        if spread and spread[0] is not None:
            low, high = _length(spread[0], longest), _length(spread[1], longest)
            shapes += f'<path class="whisker" d="M{low} 8H{high}M{low} 4V12M{high} 4V12"/>'
        label = html.escape(row.label)
        lines.append(
            f'<span class="name">{label}</span><span class="figure">{html.escape(written)}</span>'
            f'<svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true">{shapes}</svg>'
        )
    return f'<div class="chart">{"".join(lines)}</div>'


def _length(value: float | None, longest: float) -> str:
    return f"{max(1.0, 998 * (value or 0) / longest):.1f}"
