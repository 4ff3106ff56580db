"""verifies a program's file and runs it on every back end and several thread counts: all bits must be equal

kiln check m.kiln
kiln check m.kiln --entry predict --dim batch=1,7,64

First all bytes of the file are checked, as whenever one is loaded. Then each entry runs on random inputs, from the same state and with the
same random draws, on the interpreter, AsmJit and LLVM, on one thread and on several. Results, what becomes of the inputs, and what
becomes of the state must be the same to the bit; so must an error. Contractions run their one plan whatever the back end is.
"""

import argparse
from typing import Any

import numpy as np

from kiln import _core
from kiln._core import Tensor
from kiln.cli import output, printable, programs, random_inputs
from kiln.cli.progress import Progress
from kiln.comparing import units
from kiln.comparing.compare import TIERS, problem_of
from kiln.export.program import Entry, Program
from kiln.export.trees import named_tensors
from kiln.testing import assert_same_bits

SIZES = [1, 2, 7, 32]


def add(parser: argparse.ArgumentParser) -> None:
    programs.add(parser)
    parser.add_argument("--entry", metavar="NAME", help="run only this one")
    sizes = ", ".join(map(str, SIZES))
    programs.add_dims(parser, "NAME=N,N", f"sizes of a dimension, such as batch=1,7,64 (default: {sizes}); once for each dimension")
    random_inputs.add_settings(parser)
    parser.add_argument("--json", metavar="FILE", help="write what was found there instead; '-' is standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(given: argparse.Namespace) -> int:
    output.check("json", given.json)
    random_inputs.settings(given)  # their errors come first
    program = programs.loaded(given.program)
    entries = [programs.entry_of(program, given.entry)] if given.entry else list(program.entries.values())
    sizes = programs.sizes(given, entries)
    problems = {tier: problem for tier in TIERS if (problem := problem_of(tier))}
    threads = [1, max(2, _core.num_threads())]
    ways = [(tier, n) for tier in TIERS if tier not in problems for n in threads]
    cases = [(entry, extents) for entry in entries for extents in _extents(entry, sizes)]

    progress = Progress(given.quiet)
    checks: dict[str, _Checked] = {entry.name: _Checked(entry, program) for entry in entries}
    before = _core.backend(), _core.num_threads()
    try:
        for number, (entry, extents) in enumerate(cases):
            random = np.random.default_rng(given.seed)
            inputs = _drawn(entry, extents, random, given.below)
            checks[entry.name].start(extents)
            for at, (tier, count) in enumerate(ways):
                progress(f"{entry.name}, {tier}", number * len(ways) + at, len(cases) * len(ways))
                _core.set_backend(tier)
                _core.set_num_threads(count)
                _core.manual_seed(given.seed)
                checks[entry.name].run(inputs, f"{tier}, {units.counted(count, 'thread')}")
    finally:
        _core.set_backend(before[0])
        _core.set_num_threads(before[1])
        progress.close()

    if given.json:
        output.write_json(given.json, _as_data(given.program, checks, problems, ways))
    else:
        print(printable(_text(given.program, checks, problems, ways)))
    if any(check.differences for check in checks.values()):
        return 1
    return 3 if problems or not all(check.ran for check in checks.values()) else 0


def _extents(entry: Entry, sizes: dict[str, list[int]]) -> list[dict[str, int]]:
    """Sizes for all dimensions at once, so many times that each has had each of its own; different ones beside each other."""
    symbols = programs.symbols_of(entry)
    lists = [sizes.get(symbol, SIZES) for symbol in symbols]
    rounds = max(map(len, lists), default=1)
    return [{s: list_[(k + i) % len(list_)] for i, (s, list_) in enumerate(zip(symbols, lists, strict=True))} for k in range(rounds)]


def _drawn(entry: Entry, extents: dict[str, int], random: np.random.Generator, below: int) -> list[Tensor]:
    return [
        random_inputs.tensor(programs.shape_of(shape, extents), dtype.name, random, f"input '{name}'", below)
        for name, dtype, shape in entry.inputs
    ]


class _Checked:
    """What running one entry has shown."""

    def __init__(self, entry: Entry, program: Program) -> None:
        self.entry = entry
        self._state = {name: value for name, value in program.state.items() if name in entry.writes}
        self._initial = {name: _core.whole_storage(value) for name, value in self._state.items()}
        self.ran: list[str] = []  # extents
        self.refused: list[tuple[str, str]] = []  # extents, error
        self.differences: list[str] = []

    def start(self, extents: dict[str, int]) -> None:
        """What follows is to be the same each time."""
        self._extents = ", ".join(f"{name} = {size}" for name, size in extents.items())
        self._first: tuple[str, Any] | None = None

    def run(self, inputs: list[Tensor], way: str) -> None:
        outcome = self._outcome([_core.operators["copy"](t) for t in inputs])
        if self._first is None:
            self._first = (way, outcome)
            if isinstance(outcome, str):
                self.refused.append((self._extents, outcome))
            else:
                self.ran.append(self._extents)
        elif difference := _difference(outcome, self._first[1]):
            at = f" at {self._extents}" if self._extents else ""
            self.differences.append(f"{way}, beside {self._first[0]}{at}: {difference}")

    def _outcome(self, inputs: list[Tensor]) -> dict[str, Tensor] | str:
        """Everything that a run leaves, or its error. The state is put back."""
        try:
            results = self.entry.run(inputs)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            state = {name: _core.whole_storage(value) for name, value in self._state.items()}
            for name, value in self._initial.items():
                _core.set_whole_storage(self._state[name], value)
        names = [name for name, _ in named_tensors(self.entry.results)]
        left = {f"result {name}": value for name, value in zip(names, results, strict=True)}
        left |= {f"input {i[0]}": value for i, value in zip(self.entry.inputs, inputs, strict=True)}
        return left | {f"state {name}": value for name, value in state.items()}


def _difference(ours: dict[str, Tensor] | str, theirs: dict[str, Tensor] | str) -> str | None:
    if isinstance(ours, str) or isinstance(theirs, str):
        return None if ours == theirs else f"{_said(ours)}, and {_said(theirs)}"
    for what, value in ours.items():
        try:
            assert_same_bits(value, theirs[what], what)
        except AssertionError as error:
            return str(error)
    return None


def _said(outcome: dict[str, Tensor] | str) -> str:
    return outcome if isinstance(outcome, str) else "results"


def _text(path: str, checks: dict[str, _Checked], problems: dict[str, str], ways: list[tuple[str, int]]) -> str:
    tiers = ", ".join(dict.fromkeys(tier for tier, _ in ways))
    threads = " and ".join(dict.fromkeys(str(n) for _, n in ways))
    lines = [f"{path}: all bytes are as they were written", f"run on {tiers}, with {threads} threads"]
    lines += [f"not on {tier}: {problem}" for tier, problem in problems.items()]
    for name, check in checks.items():
        verdict = "DIFFERENT BITS" if check.differences else "all bits equal" if check.ran else "NOT CHECKED, refused its inputs"
        lines += ["", f"{name}: {verdict}"]
        if any(check.ran):  # not the empty extents of an entry without dimensions
            lines.append("  at " + "; ".join(check.ran))
        lines += [f"  refused {extents or 'its inputs'}: {error}" for extents, error in check.refused]
        lines += [f"  {difference}" for difference in check.differences[:10]]
        if len(check.differences) > 10:
            lines.append(f"  and {len(check.differences) - 10} more")
        if not check.ran and not check.differences:
            lines.append("  --dim gives other sizes, --below other integers")
    return "\n".join(lines)


def _as_data(path: str, checks: dict[str, _Checked], problems: dict[str, str], ways: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "file": path,
        "ways": [{"backend": tier, "threads": n} for tier, n in ways],
        "unavailable": problems,
        "entries": [
            {
                "name": name,
                "ran_at": check.ran,
                "refused": [{"at": extents, "error": error} for extents, error in check.refused],
                "differences": check.differences,
                "bits_equal": not check.differences if check.ran else None,
            }
            for name, check in checks.items()
        ],
    }
