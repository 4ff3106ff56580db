"""How long calls of the suite's captured functions take beside the same calls undecorated.

python -m tests.capture.speed [FILES] [--rounds 200] [--all]

Every program runs twice, with functions that are captured and with plain ones, and its calls of them are written down. Then the calls are
made again in turns, in the order in which the program made them: captured and plain one after the other, each on its own copy of the
program's state. First come WARM rounds, in which functions are recorded, compiled and find their way of running. A call's time is the
median over the rounds, its difference that of the differences of pairs; a program's are the means over its calls. Slow is what takes
longer than 1.05 of the plain calls and 0.3 us more; what comes out as slow is measured twice again, and the middle result counts: the
machine may have been slower for a moment.

Programs that capture nothing run whole, in blocks without kn.auto() and with it, in turns: medians of the blocks, and of their differences.
"""

import argparse
import contextlib
import contextvars
import gc
import io
import math
import signal
import statistics
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kiln as kn
from kiln.jit import Jitted
from tests.capture.modes import identity
from tests.capture.run import PROGRAMS, programs, restored, seed

WARM = 200
WHOLE_BLOCKS = 25
MOST_SECONDS = 1.0  # for the rounds of one program; less than 20 of them are none
RATIO, EXTRA = 1.05, 0.3  # of the plain call, microseconds


class Noted(Jitted):
    """A captured function whose calls are written down, until it is made a plain Jitted again."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        world = self.__dict__["_world"]
        if getattr(world.depth, "value", 0) == 0:
            world.notes.append((self, args, kwargs))
        world.depth.value = getattr(world.depth, "value", 0) + 1
        try:
            return super().__call__(*args, **kwargs)
        finally:
            world.depth.value -= 1


@dataclass
class World:
    """One run of a program, with what its captured functions were called with by others."""

    captured: bool
    functions: list[Jitted] = field(default_factory=list)
    notes: list[tuple[Jitted, tuple, dict]] = field(default_factory=list)
    depth: threading.local = field(default_factory=threading.local)
    main: Callable | None = None

    def jit(self, function: Any = None, **options: Any) -> Any:
        if function is None:
            return lambda f: self.jit(f, **options)
        made = kn.jit(function, **options if self.captured else {**options, "mode": "eager"})
        for part in (made, *(getattr(made, name, None) for name in ("__func__", "fget", "fset", "fdel"))):
            if type(part) is Jitted:
                part.__dict__["_world"] = self
                object.__setattr__(part, "__class__", Noted)
                self.functions.append(part)
        return made

    def run(self, path: Path) -> None:
        module = types.ModuleType(f"capture.{path.stem}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        seed()
        with contextlib.suppress(Exception, SystemExit):
            exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
            self.main = module.main
            module.main(self.jit)
        for function in self.functions:
            object.__setattr__(function, "__class__", Jitted)

    def calls(self) -> list[tuple[Callable, tuple, dict]]:
        """The plain functions are called with nothing around them."""
        return [(f if self.captured else f._function, args, kwargs) for f, args, kwargs in self.notes]


@dataclass(frozen=True)
class Speed:
    """Means over a program's calls, in microseconds."""

    name: str
    calls: int
    rounds: int
    plain: float
    more: float  # that captured calls take
    ways: str

    @property
    def ratio(self) -> float:
        return (self.plain + self.more) / self.plain

    @property
    def beyond(self) -> float:
        """What it takes longer than it may; negative for what is not slow."""
        return self.more - (RATIO - 1) * self.plain - EXTRA

    @property
    def is_slow(self) -> bool:
        return self.beyond > 0

    def row(self) -> str:
        return f"| {self.name} | {self.calls} | {self.plain:.2f} | {self.plain + self.more:.2f} | {self.ratio:.2f} | {self.ways} |"


def whole(path: Path, main: Callable, rounds: int) -> Speed:
    """A program that runs whole: medians of pairs of blocks, whose first halves find out what is hot."""
    gc.collect()
    gc.freeze()  # a program that collects garbage would be timed by what this process holds
    call, scopes, blocks = (main, (identity,), {}), (contextlib.nullcontext, kn.auto), []
    block = max(10, min(rounds, int(MOST_SECONDS * 1e9 / (2 * WHOLE_BLOCKS) / timed(call))))
    for n in range(WHOLE_BLOCKS):
        taken = {}
        for scope in scopes[:: -1 if n % 2 else 1]:
            with scope():
                taken[scope] = statistics.median([timed(call) for _ in range(block)][block // 2 :]) / 1e3
        blocks.append([taken[scope] for scope in scopes])
    gc.unfreeze()
    plain, more = statistics.median(b[0] for b in blocks), statistics.median(b[1] - b[0] for b in blocks)
    return Speed(str(path.relative_to(PROGRAMS).with_suffix("")), 1, block * WHOLE_BLOCKS, plain, more, "kn.auto()")


class TooLongError(BaseException):
    """A call waits for what never comes when it is made again."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def timed(call: tuple[Callable, tuple, dict]) -> int:
    function, args, kwargs = call
    start = time.perf_counter_ns()
    try:
        function(*args, **kwargs)
    except TooLongError:
        raise
    except BaseException:  # calls that raise are calls
        pass
    return time.perf_counter_ns() - start


def measure(path: Path, rounds: int) -> Speed | str:
    """A program's speed, or why it has none."""
    output = io.StringIO()
    with restored(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), at_most(5):
        plain, captured = World(captured=False), World(captured=True)
        plain.run(path)
        captured.run(path)
        pairs = list(zip(plain.calls(), captured.calls(), strict=True)) if len(plain.notes) == len(captured.notes) else []
        if not captured.functions and plain.main is not None:
            return whole(path, plain.main, rounds)
        if not pairs:
            return "its calls do not pair"
        gc.collect()
        gc.disable()
        try:
            start = time.perf_counter()
            for _ in range(WARM):
                for pair in pairs:
                    for call in pair:
                        timed(call)
                if time.perf_counter() - start > MOST_SECONDS:
                    break
            kn.wait_for_compiles()
            times: list[list[tuple[int, int]]] = [[] for _ in pairs]
            start = time.perf_counter()
            for n in range(rounds):
                for (first, second), taken in zip(pairs, times, strict=True):
                    if n % 2:
                        taken.append((timed(first), timed(second)))
                    else:
                        taken.append((timed(second), timed(first))[::-1])
                if n > 20 and time.perf_counter() - start > MOST_SECONDS:
                    break
        finally:
            gc.enable()
    means = [
        statistics.mean(statistics.median(of(t) for t in taken) for taken in times) / 1e3 for of in (lambda t: t[0], lambda t: t[1] - t[0])
    ]
    ways = ", ".join(dict.fromkeys(kn._core.captured_records(f)["way"] for f in captured.functions))
    return Speed(str(path.relative_to(PROGRAMS).with_suffix("")), len(pairs), len(times[0]), *means, ways)


def measure_surely(path: Path, rounds: int) -> Speed | str:
    """As measure(), in a context of its own, and where it looks slow once, the middle one of three times."""
    made = [contextvars.copy_context().run(measure, path, rounds)]
    if isinstance(made[0], Speed) and made[0].is_slow:
        made += [contextvars.copy_context().run(measure, path, rounds) for _ in range(2)]
        made.sort(key=lambda speed: speed.beyond)
    return made[len(made) // 2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="programs; by default all")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--all", action="store_true", help="print every program, not just the slow ones")
    options = parser.parse_args()
    speeds, others = [], []
    for path in options.files or programs():
        try:
            made = measure_surely(path.resolve(), options.rounds)
        except TooLongError:
            made = "a call of it waits when it is made again"
        if isinstance(made, Speed):
            speeds.append(made)
        else:
            others.append(f"{path.resolve().relative_to(PROGRAMS)}: {made}")
    print("| program | calls | undecorated | captured | ratio | how |\n|---|---|---|---|---|---|")
    for speed in sorted(speeds, key=lambda s: -s.ratio):
        if speed.is_slow or options.all:
            print(speed.row())
    for other in others:
        print(f"not measured: {other}")
    slow = sum(s.is_slow for s in speeds)
    mean = math.exp(statistics.mean(math.log(s.ratio) for s in speeds))
    calls = sum(s.calls for s in speeds)
    print(f"\n{len(speeds)} programs, {calls} calls: geometric mean {mean:.2f} of undecorated; {slow} slower than {RATIO} + {EXTRA} us")
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
