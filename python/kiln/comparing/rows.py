"""What kiln.compare measured: rows, the table of them, and the data as JSON (docs/compare.md has its keys)."""

import json
import os
from dataclasses import asdict, dataclass, field

from kiln._files import write_whole
from kiln.comparing import units
from kiln.comparing.program import Program

FORMAT = 1  # raised when a key of the JSON changes its meaning or goes away


@dataclass
class Row:
    """One way of running the function: a library, eagerly or compiled."""

    library: str  # "kiln", or a peer's name
    name: str  # "eager", "tier 1, AsmJit", "torch.compile"
    version: str = ""
    error: str | None = None  # why there are no figures
    first_call_ms: float | None = None  # with whatever it compiles
    median_ms: float | None = None
    quartile1_ms: float | None = None
    quartile3_ms: float | None = None
    samples: int | None = None
    operators: int | None = None  # that one call records; Kiln only
    kernel_launches: int | None = None  # of one call; Kiln only
    library_calls: int | None = None  # of one call: contractions, which run in oneDNN or as loops of their own; Kiln's compiled rows only
    peak_resident_bytes: int | None = None  # how far the process's memory rose above where it was before the first call
    peak_tensor_bytes: int | None = None  # the same of tensors alone; Kiln only
    bits_equal_to_eager: bool | None = None  # to the same library's eager result; None: not known
    differing_percent: float | None = None  # elements whose bits differ from that
    max_abs_difference_from_eager: float | None = None
    max_abs_difference_from_kiln: float | None = None  # from Kiln's eager result; peers only

    @property
    def is_eager(self) -> bool:
        return self.name in ("eager", self.library)

    @property
    def label(self) -> str:
        """Names the row where it stands alone."""
        return f"Kiln, {self.name}" if self.library == "kiln" else self.name

    def bits(self) -> str:
        """The last column."""
        if self.is_eager or self.error:
            return ""
        if self.bits_equal_to_eager is None:
            return "not comparable"
        if self.bits_equal_to_eager:
            return "equal"
        word = "DIFFER" if self.library == "kiln" else "differ"  # for Kiln it is a fault
        return word + (f" in {units.percent(self.differing_percent)}" if self.differing_percent is not None else "")

    def kernels(self) -> str:
        if self.kernel_launches is None:
            return ""
        if self.is_eager:
            return units.counted(self.operators, "operator") if self.operators is not None else ""
        library = f" + {self.library_calls} library" if self.library_calls else ""
        return units.counted(self.kernel_launches, "kernel") + library


@dataclass
class Comparison:
    """What kiln.compare measured; printing it gives a table."""

    function: str
    inputs: list[str]
    processor: str
    threads: int
    date: str
    rows: list[Row] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    mutates_inputs: bool = False
    captured: bool = True  # False: KILN_JIT=0, or nothing to capture
    repeatable: bool = True  # did two eager calls with restored inputs give the same bits?

    @property
    def bits_equal(self) -> bool:
        """Did each compiled run of Kiln give eager's bits? False also where that could not be told, or where one raised."""
        compiled = [row for row in self.rows if row.library == "kiln" and not row.is_eager]
        return all(row.bits_equal_to_eager for row in compiled if row.error is None or row.bits_equal_to_eager is not None)

    def speed_up(self, row: Row) -> float | None:
        """How many times as fast as Kiln's eager mode."""
        eager = self.rows[0].median_ms if self.rows else None
        return eager / row.median_ms if eager and row.median_ms else None

    def notes(self) -> list[str]:
        """What one must know to read the rows."""
        notes = []
        if self.mutates_inputs:
            notes.append("The function changes its inputs; they were restored before each call, outside of the times.")
        if not self.captured:
            notes.append("Nothing was captured, so the tiers ran as eager mode does (KILN_JIT=0?).")
        if not self.repeatable:
            notes.append(
                "Two eager calls with the same inputs gave different results, from state that is not among the inputs,"
                " so bits cannot be compared."
            )
        if len({row.library for row in self.rows}) > 1:
            notes.append("Bits are compared with the same library's eager result; speed, with Kiln's eager mode.")
        for row in self.rows:
            if row.library != "kiln" and row.is_eager and row.max_abs_difference_from_kiln is not None:
                most = row.max_abs_difference_from_kiln
                notes.append(
                    f"{row.name}'s results differ from Kiln's by at most {most:.2g} (max |a - b|)."
                    if most
                    else f"{row.name}'s results equal Kiln's."
                )
        return notes

    def head(self) -> str:
        inputs = ", ".join(self.inputs)
        return f"{self.function}({inputs}) on {self.processor}, {units.counted(self.threads, 'thread')}"

    def __str__(self) -> str:
        return "\n".join([self.head(), "", *self._table(), *(["", *self.notes()] if self.notes() else [])])

    def _table(self) -> list[str]:
        titles = ("", "a call", "middle half", "speed", "first call", "a call runs", "peak memory", "bits")
        cells = [
            (
                row.label,
                units.time(row.median_ms),
                units.time_range(row.quartile1_ms, row.quartile3_ms),
                units.factor(self.speed_up(row)),
                units.time(row.first_call_ms),
                row.kernels(),
                units.size(row.peak_resident_bytes),
                row.bits(),
            )
            for row in self.rows
        ]
        told = [line for line, row in zip(cells, self.rows, strict=True) if row.error is None]
        widths = [max(len(line[i]) for line in (titles, *told)) for i in range(len(titles))]
        widths[0] = max(len(row.label) for row in self.rows)
        left = (0, 5, 7)

        def laid_out(line: tuple[str, ...]) -> str:
            words = [cell.ljust(w) if i in left else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))]
            return "  ".join(words).rstrip()

        lines = [laid_out(titles)]
        for line, row in zip(cells, self.rows, strict=True):
            lines.append(laid_out(line) if row.error is None else f"{row.label.ljust(widths[0])}  not measured: {row.error}")
        return lines

    def to_dict(self) -> dict:
        """Plain data, the keys of which docs/compare.md describes."""
        data = {"format": FORMAT, **asdict(self), "bits_equal": self.bits_equal}
        for row, own in zip(data["rows"], self.rows, strict=True):
            row["speed_up_over_kiln_eager"] = self.speed_up(own)
        return data

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """The data as JSON text, also written to `path` if that is given."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        if path is not None:
            write_whole(path, text.encode())
        return text

    def plot(self, path: str | os.PathLike) -> None:
        """Writes a PNG: times of a call and of the first call. Needs matplotlib."""
        from kiln.comparing.plot import plotted

        write_whole(path, plotted(self))

    def to_html(self, path: str | os.PathLike) -> None:
        """Writes one page that needs nothing else: table, charts, the graph and its kernels."""
        from kiln.comparing.page import comparison_page

        write_whole(path, comparison_page(self).encode())
