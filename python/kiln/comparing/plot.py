"""The comparison as a PNG."""

import io

from kiln.comparing import units
from kiln.comparing.rows import Comparison, Row

COLOURS = {(True, False): "#c2512f", (True, True): "#e8b39f", (False, False): "#5f7893", (False, True): "#b6c4d2"}  # Kiln?, eager?


def plotted(c: Comparison) -> bytes:
    """A PNG with two charts: a call, with the middle half of its samples, and the first call."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in c.rows if row.error is None]
    figure = Figure(figsize=(10, 0.42 * len(rows) + 1.7), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(wspace=0.06)
    call, first = figure.subplots(1, 2, sharey=True)
    _bars(call, rows, [(row.median_ms, row.quartile3_ms) for row in rows], "a call: median, and the middle half of the samples")
    for y, row in enumerate(rows):
        call.plot([row.quartile1_ms, row.quartile3_ms], [y, y], color="#23262b", linewidth=1.2, marker="|", markersize=6)
    _bars(first, rows, [(row.first_call_ms, row.first_call_ms) for row in rows], "the first call, with what it compiles")
    call.invert_yaxis()
    figure.suptitle(c.head(), x=0.01, ha="left", fontsize=10.5, wrap=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130, format="png")
    return buffer.getvalue()


def _bars(axes, rows: list[Row], values: list[tuple[float, float]], title: str) -> None:
    """Values are a bar's length and how far anything drawn on it reaches, where its label begins."""
    colours = [COLOURS[row.library == "kiln", row.is_eager] for row in rows]
    longest = max(reach for _, reach in values)
    scale, unit = (1e3, "s") if longest >= 1e3 else (1.0, "ms") if longest >= 1 else (1e-3, "µs")
    axes.barh([row.label for row in rows], [value for value, _ in values], color=colours, height=0.66)
    for y, (value, reach) in enumerate(values):
        axes.annotate(units.time(value), (reach, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_xlim(0, longest * 1.22)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x / scale:g} {unit}")
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(title, loc="left", fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x", color="#e3e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
