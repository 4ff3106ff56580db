"""Which programs of the suite run without Python, and why the others do not: the table of docs/capture.md.

python -m tests.capture.table
"""

import dataclasses
from collections import Counter, defaultdict
from typing import Any

import kiln as kn
from kiln.capture.telling import capture_of
from tests.capture.modes import MODES
from tests.capture.run import PROGRAMS, run

IO = "effects_io"  # printing, files, locks: Python runs, as it should
HOW = {
    "auto": "nothing is decorated: `kn.auto()` defers operators, and replays nothing",
    "autograd": "the tape's operators are called again; gradients are put back where a run is given up",
    "control": "options, modes, what is kept in Python",
    IO: "never replayed: such calls run in segments",
    "exceptions": "caught ones are followed; one that leaves the function is Python's own",
    "reads/absence": "what was looked for and not there is checked to be still not there; defaultdict, `__missing__`",
    "reads/attributes": "of instances, classes, bases, slots, properties, descriptors, `__getattr__`, functions, thread locals",
    "reads/builtins": "by name, shadowed or not; any, sum, min, sorted, map, zip and their like are interpreted",
    "reads/callables": "functions, bound methods, partial, itemgetter, instances, classes and their metaclasses, functools.cache",
    "reads/calls": "arguments, `*args`, recursion, super(), generators consumed inside, with send, throw and close",
    "reads/changed": "`__class__`, `__code__`, bases, names and methods that change",
    "reads/closures": "cells, nonlocal; functions that a call makes and gives away",
    "reads/containers": "items, keys, lengths, order of list, dict, set, deque, OrderedDict, defaultdict, Counter; views",
    "reads/defaults": "`__defaults__` and `__kwdefaults__`, mutable ones too",
    "reads/exact_types": "True is not 1 is not 1.0; bits of floats, big integers, strings by content",
    "reads/globals": "by name, with their absence",
    "reads/isinstance": "classes, bases, abstract classes, `__instancecheck__`, `__class__` that is a property",
    "reads/overloading": "special methods of the program's own classes; subclasses of int and float as numbers",
    "reads/statements": "comprehensions, try, with, match, f-strings, walrus, unpacking",
    "shapes": "extents that Python reads are checked, and inputs once they change",
    "tensor_control": "a branch on data is a check; sorting by values checks the order",
    "threads": "one recording serves all threads, and children of fork",
    "writes": "attributes, items, closures, classes, functions, modules, tensors in place: in order, behind the last check",
}


def replays_of(path) -> tuple[int, list[str]]:
    """How many calls of a program's captured functions ran without Python, and what was said of those that could not."""
    made: list[Any] = []

    def jit(function=None, **options):
        if function is None:
            return lambda f: jit(f, **options)
        made.append(kn.jit(function, **options))
        return made[-1]

    run(path, dataclasses.replace(MODES["replay"], jit=jit))
    made = [f if isinstance(f, kn._core.Captured) else getattr(f, "__func__", f) for f in made]  # of class and static methods
    captured = [f for f in made if isinstance(f, kn._core.Captured)]
    told = [capture_of(f, kn._core.captured_records(f)["replays"]) for f in captured]
    return sum(t.replays for t in told), [reason.split(": ", 1)[-1] for t in told for reason in t.fallbacks]


def main() -> None:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    others = []
    reasons: Counter[str] = Counter()
    for path in sorted(PROGRAMS.rglob("*.py")):
        category = str(path.relative_to(PROGRAMS).parent)
        replays, why = replays_of(path)
        counts[category][0] += replays > 0
        counts[category][1] += 1
        if not replays:
            others.append((path.relative_to(PROGRAMS), why))
            reasons.update(why[:1])
    print("| programs | what is captured how | number | with calls that replay |\n|---|---|---|---|")
    for category, (replayed, programs) in counts.items():
        print(f"| [{category}](../tests/capture/programs/{category}) | {HOW.get(category, '')} | {programs} | {replayed} |")
    plain = [c for name, c in counts.items() if name != IO]
    share = sum(c[0] for c in plain) / sum(c[1] for c in plain)
    print(f"\n{share:.0%} of the {sum(c[1] for c in plain)} programs without input and output replay. The others:\n")
    print("| program | why Python runs |\n|---|---|")
    for path, why in others:
        link = f"[{path.with_suffix('')}](../tests/capture/programs/{path})"
        print(f"| {link} | {(why[0] if why else 'it has no call that is like an earlier one').replace('|', '/')[:110]} |")


if __name__ == "__main__":
    main()
