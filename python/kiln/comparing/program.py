"""One compiled program of a function, as reports show it."""

import linecache
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """A line of somebody's program."""

    file: str
    number: int
    code: str  # empty where the file is not there to be read

    @property
    def place(self) -> str:
        return f"{os.path.basename(self.file)}:{self.number}"

    @staticmethod
    def of(place: str) -> "Source":
        """From "folder/file.py:12"."""
        file, _, number = place.rpartition(":")
        return Source(file, int(number), linecache.getline(file, int(number)).strip())


@dataclass
class Program:
    """What runs between two moments at which the function, or its caller, needs a value."""

    operators: int  # calls recorded
    kernels: int
    library_calls: int
    temporaries_bytes: int
    compile_ms: float
    runs: int
    steps: list[str]
    reasons: list[str]  # one for each step: why it is one, and why what it reads is not computed in it
    sources: list[list[Source]]  # one list for each step: the lines whose operators it computes, as far as they are known
    early_ends: list[str]
    graph: str
    kernel_code: str

    @staticmethod
    def of(trace: Mapping[str, Any]) -> "Program":
        """From a trace of kiln's records."""
        return Program(
            operators=trace["operations"],
            kernels=trace["kernels"],
            library_calls=trace["contractions"],
            temporaries_bytes=trace["arena_bytes"],
            compile_ms=trace["compile_ms"],
            runs=trace["runs"],
            steps=list(trace["steps"]),
            reasons=list(trace["reasons"]),
            sources=[_sources(trace["lines"], calls) for calls in trace["calls"]],
            early_ends=[f"{end['where'] or 'unknown place'}: {end['reason']}" for end in trace["flushes"] if not end["at_end"]],
            graph=trace["text"]("graph"),
            kernel_code=trace["text"]("kernels"),
        )


def _sources(lines: list[str], calls: list[int]) -> list[Source]:
    """The lines of some of a program's calls, each once."""
    return [Source.of(place) for place in dict.fromkeys(lines[call] for call in calls if call < len(lines) and ":" in lines[call])]


@dataclass
class Step:
    """A line of Program.steps, taken apart."""

    kind: str  # "kernel", "library", "reorder", "eager"
    operators: list[str]
    detail: str  # "reads 16.8 MB, writes 16.8 MB", or what the library was asked for

    @staticmethod
    def of(line: str) -> "Step":
        kind, _, rest = line.partition(" ")
        what, _, detail = rest.strip().partition(": ")
        return Step(kind, what.split(" + "), detail)
