"""kiln.compare: one function, eagerly and compiled, side by side."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kiln import _core, _tree
from kiln._core import Tensor
from kiln.jit import jit


@dataclass
class Row:
    """One way of running the function."""

    name: str
    first_ms: float  # the first call, with whatever it compiles
    median_ms: float
    peak_bytes: int  # of tensors, during the calls
    equal: bool  # are the results those of the eager run, bit for bit?


@dataclass
class Comparison:
    """What kiln.compare measured; printing it gives a table."""

    rows: list[Row] = field(default_factory=list)

    def __str__(self) -> str:
        eager = self.rows[0].median_ms
        lines = [f"{'':<12}{'first ms':>10}{'median ms':>12}{'of eager':>10}{'peak MB':>10}  bits equal"]
        for row in self.rows:
            ratio, equal = row.median_ms / eager if eager > 0 else 1.0, "yes" if row.equal else "NO"
            lines.append(f"{row.name:<12}{row.first_ms:>10.3f}{row.median_ms:>12.4f}{ratio:>10.2f}{row.peak_bytes / 1e6:>10.2f}  {equal}")
        return "\n".join(lines)

    def plot(self, path) -> None:
        """Writes a bar chart of the medians. Needs matplotlib."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 0.6 * len(self.rows) + 1.2), layout="constrained")
        axes = figure.subplots()
        names = [row.name for row in self.rows]
        bars = axes.barh(names, [row.median_ms for row in self.rows], color=["#8a8f98", "#d9822b", "#b5462f"][: len(self.rows)])
        axes.bar_label(bars, fmt="%.3f ms", padding=4)
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set_xlabel("median of a call, ms")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=150)


def compare(f: Callable, *args: Any, repeat: int = 50, seconds: float = 1.0) -> Comparison:
    """Runs f(*args) eagerly, compiled at first, and compiled after the background compiler has finished.

    Each is called `repeat` times or for about `seconds`. f should not change its arguments: it is called many times.
    """
    f = getattr(f, "__wrapped__", f)
    result = Comparison()
    expected = _measure(result, "eager", f, args, None, repeat, seconds)
    compiled = jit(f)
    _measure(result, "tier 1", compiled, args, expected, repeat, seconds)
    _core.wait_for_compiles()
    _measure(result, "tier 2", compiled, args, expected, repeat, seconds)
    return result


def _measure(
    comparison: Comparison, name: str, f: Callable, args: tuple, expected: list[bytes] | None, repeat: int, seconds: float
) -> list[bytes]:
    state = _core.random_state()
    _core.reset_peak_memory()
    times = []
    bits: list[bytes] = []
    end = time.perf_counter() + seconds
    while len(times) < 2 or (len(times) <= repeat and time.perf_counter() < end):
        _core.set_random_state(state)
        start = time.perf_counter()
        leaves, _ = _tree.flatten(f(*args))
        for leaf in leaves:
            if isinstance(leaf, Tensor) and leaf.size:
                leaf.detach().reshape((-1,))[0].item()  # waits for the value
        times.append((time.perf_counter() - start) * 1e3)
        if len(times) == 1:
            bits = [_as_bytes(leaf) for leaf in leaves]
    peak = _core.memory_stats()["peak"]
    comparison.rows.append(Row(name, times[0], float(np.median(times[1:])), peak, expected is None or bits == expected))
    return bits


def _as_bytes(leaf: Any) -> bytes:
    return leaf.detach().numpy().tobytes() if isinstance(leaf, Tensor) else repr(leaf).encode()
