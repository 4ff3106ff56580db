"""Random programs that change between calls what a function reads, run plainly and by another mode.

    python -m tests.capture.generator --count 10000 --mode segments
    python -m tests.capture.generator --seed 123 --show

A program is a function over state (globals, closure variables, attributes, containers, helpers, defaults), a few equal calls of it, then
changes of that state with calls in between. Where a mode differs, the program is cut down to the smallest that still does, and printed.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.capture.modes import MODES, Mode
from tests.capture.run import Outcome, run_source
from tests.capture.state import CHANGES, LOCAL, SETUP, STATE, VALUES, pick
from tests.capture.writer import Block, Line, Node, Writer, render

HEAD = '''\
"""Generated."""
import collections
import dataclasses
import enum
import functools
import random
import threading
import numpy as np
import kiln as kn
from tests.capture.show import attempt, show
'''


# What calls pass beside x, when they do.
MORE = ["{v}", "n={v}", "w=X", "w=t0", "k={v}", "{v}, Y", "1, w=X, k=2.0", "at", "w=signs"]
FOCUS = 3  # kinds of changes that a program is about: it reads what they change, and most changes are of these kinds


@dataclass(frozen=True)
class Program:
    """A generated program as a tree, so that parts can be dropped."""

    placed: dict[str, str]  # state by name: "global" or "local"
    declared: str  # the function's global and nonlocal statements
    body: tuple[Node, ...]
    script: tuple[Node, ...]
    features: collections.Counter = field(default_factory=collections.Counter, compare=False)

    def source(self) -> str:
        by_place = {
            place: "".join(f"{name} = {STATE[name]}\n" for name, where in self.placed.items() if where == place)
            for place in ("global", "local")
        }
        function = Block("def plain(x, n=2, w=None, *, k=1.0):", (Line(self.declared), *self.body, Line("return y")))
        names = ", ".join(name for name, where in self.placed.items() if where == "global")
        main = Block(
            "def main(jit):",
            (
                *((Line(f"global {names}"),) if names else ()),
                *map(Line, by_place["local"].splitlines()),
                *map(Line, LOCAL.splitlines()),
                function,
                Line("f = jit(plain)"),
                *self.script,
                Line(f"return {', '.join(name for name in self.placed)}, holder, f"),
            ),
        )
        return HEAD + SETUP + by_place["global"] + render((main,))

    def without(self, kind: str) -> Program:
        """The program without one kind of change to its state."""
        return replace(self, script=tuple(node for node in self.script if node.kind != kind))


def generate(seed: int) -> Program:
    """The program of a seed: the same on every machine."""
    rng = random.Random(seed)
    placed = {name: rng.choice(("global", "local")) for name in STATE}
    placed["alias"] = placed["items"]
    writer = Writer(rng, placed)
    kinds = list(CHANGES)
    turn, place = divmod(seed, len(kinds))  # in each turn, each kind is the first of them once, the second once, ...
    focus = [kinds[(place + i * (7 * turn + 1)) % len(kinds)] for i in range(FOCUS)]
    turns = [kind.split()[0] for kind in focus]
    blocks = rng.choice((0, 0, 0, 1, 2, 4))
    parts = [writer.block(3, 1) for _ in range(blocks)] + [writer.reading(word) for word in (turns if blocks else turns[:1])]
    rng.shuffle(parts)
    parts = [writer.reading(turns[0]), *parts, writer.reading(turns[0])]  # neither an early return nor a new y hides its changes
    body = (Line("y = x * 1"), *(node for part in parts for node in part))
    script = [_call(rng, first=True)] * 3
    for _ in range(rng.randint(*((6, 9) if blocks else (9, 12)))):
        script.extend((_change(rng, focus, writer.reads), _call(rng, first=rng.random() < 0.7)))
        script.extend(_call(rng) for _ in range(rng.randint(0, 1)))
    features = writer.features + collections.Counter(f"change {node.kind}" for node in script if node.kind)
    return Program(placed, writer.declarations(), body, tuple(script), features)


def _call(rng: random.Random, first: bool = False) -> Line:
    x = "X" if first or rng.random() < 0.6 else pick(rng, ["Y", "t0", "holder.t", "X * 2", "LONG", "X.astype(kn.float64)", "LEAF"])
    rest = "" if first or rng.random() < 0.5 else pick(rng, [f", {more}" for more in MORE])
    return Line(f"attempt(f, {x}{rest})".replace("{v}", pick(rng, VALUES)))


def _change(rng: random.Random, focus: list[str], reads: set[str]) -> Line:
    """One change: mostly of what has its turn or the program is about, else of what the function reads, seldom of any."""
    relevant = [kind for kind in CHANGES if kind.split()[0] in reads]
    kind = pick(rng, rng.choices((focus[:1], focus, relevant, list(CHANGES)), (6, 5, 2, 1))[0])
    return Line(pick(rng, CHANGES[kind]).replace("{v}", pick(rng, VALUES)), kind)


def difference(program: Program, mode: Mode, name: str = "generated") -> str:
    """How a mode's run differs from the plain one; empty where it does not, or where there is no program."""
    source = program.source()
    try:
        plain = outcome(program, name)
    except SyntaxError:
        return ""
    return run_source(source, name, mode).differences(plain)


def outcome(program: Program, name: str = "generated") -> Outcome:
    """What the plain run leaves."""
    return run_source(program.source(), name)


def shrink(program: Program, mode: Mode) -> Program:
    """The program with statements dropped, one after the other, as long as the mode still differs."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(program):
            if difference(candidate, mode):
                program, smaller = candidate, True
                break
    return program


def _candidates(program: Program) -> Iterator[Program]:
    for i in reversed(range(len(program.script))):
        yield replace(program, script=program.script[:i] + program.script[i + 1 :])
    for body in _cut(program.body):
        yield replace(program, body=body)


def _cut(nodes: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    """Every tree with one statement less, or with a block replaced by what is in it."""
    for i, node in enumerate(nodes):
        before, after = nodes[:i], nodes[i + 1 :]
        yield before + after
        if isinstance(node, Block):
            yield before + node.body + after
            for body in _cut(node.body):
                yield (*before, replace(node, body=body), *after)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="how many seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--mode", choices=MODES, default="segments")
    parser.add_argument("--show", action="store_true", help="print the first seed's program and what it prints, and stop")
    options = parser.parse_args()
    if options.show:
        print(generate(options.seed).source(), outcome(generate(options.seed)).output, sep="\n")
        return 0
    features: collections.Counter[str] = collections.Counter()
    started = time.perf_counter()
    for seed in range(options.seed, options.seed + options.count):
        program = generate(seed)
        features += collections.Counter(program.features.keys())
        if sys.stderr.isatty() and seed % 100 == 0:
            print(f"\r{seed}", end="", file=sys.stderr)
        if found := difference(program, MODES[options.mode]):
            small = shrink(program, MODES[options.mode])
            print(f"seed {seed} differs by {options.mode}:\n{found}\n\nthe smallest program that does:\n\n{small.source()}")
            print(difference(small, MODES[options.mode]))
            return 1
    print("programs with each feature:", ", ".join(f"{name} {n}" for name, n in features.most_common()))
    print(f"{options.count} programs by {options.mode}: 0 different, {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
