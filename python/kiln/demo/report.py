"""What the demo shows at its end: the table, the comparison of weights, the plot."""

import json
from pathlib import Path

import numpy as np

COLOURS = {"eager": "#4a6fa5", "compiled": "#c8553d", "torch": "#9a9a9a"}


class Run:
    """The results of one worker."""

    def __init__(self, mode: str, label: str, path: Path) -> None:
        self.mode, self.label = mode, label
        with np.load(path) as arrays:
            self.losses, self.seconds = arrays["losses"], arrays["seconds"]
            self.weights = {name.removeprefix("weights/"): arrays[name] for name in arrays.files if name.startswith("weights/")}
            report = json.loads(str(arrays["report"]))
        self.version: str = report["version"]
        self.step_ms: float = report["step_ms"]
        self.first_ms: float = report["first_ms"]
        self.peak_bytes: int = report["peak_bytes"]
        self.accuracy: float = report["accuracy"]


def table(runs: list[Run]) -> str:
    """One row a run."""
    head = ("", "ms a step", "first step ms", "peak memory MB", "test accuracy")
    rows = [(r.label, f"{r.step_ms:.2f}", f"{r.first_ms:.1f}", f"{r.peak_bytes / 1e6:.0f}", f"{r.accuracy * 100:.2f} %") for r in runs]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in (head, *rows)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def compare_weights(a: Run, b: Run) -> tuple[bool, str]:
    """Are the two runs' weights the same bit for bit, and the line that says so."""
    prefix = f"weights after {len(a.losses)} steps: "
    different, total, where = 0, 0, []
    for name, x in a.weights.items():
        count = int((x.view(np.uint32) != b.weights[name].view(np.uint32)).sum())
        different += count
        total += x.size
        if count:
            where.append(f"{name} {count}")
    if different == 0:
        return True, prefix + "identical, bit for bit"
    return False, prefix + f"DIFFERENT: {different} of {total} elements differ ({', '.join(where)})"


def plot(runs: list[Run], title: str, path: Path) -> None:
    """Loss over time, one line a run."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for run in runs:
        colour = COLOURS[run.mode]
        axes.plot(run.seconds, run.losses, color=colour, alpha=0.15, linewidth=0.8)
        label = f"{run.label}: {run.seconds[-1]:.1f} s, {run.accuracy * 100:.1f} % right"
        axes.plot(run.seconds, _smooth(run.losses), color=colour, linewidth=2, label=label)
        axes.plot(run.seconds[-1], _smooth(run.losses)[-1], "o", color=colour, markersize=5)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    span = max(_smooth(run.losses).max() for run in runs) / min(_smooth(run.losses).min() for run in runs)
    axes.yaxis.set_minor_formatter("{x:g}" if span < 15 else NullFormatter())
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("loss (running mean)")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def _smooth(losses: np.ndarray) -> np.ndarray:
    """The mean of the last steps, about a thirtieth of the run."""
    window = max(1, len(losses) // 30)
    sums = np.cumsum(np.concatenate([[0.0], losses]))
    ends = np.arange(1, len(losses) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)
