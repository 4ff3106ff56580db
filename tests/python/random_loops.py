"""Random functions with a loop that data decides."""

import random

import kiln as kn
from replays import bits, scalar


class Writer:
    """A random function with a loop: numbers and tensors that change, branches, ways out."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def tensor(self, depth=2):
        pick = self.random.choice
        if depth == 0:
            return pick(["x", "y", "z", "c"])
        a, b = self.tensor(depth - 1), self.tensor(depth - 1)
        return pick(
            [a, f"({a} + {b})", f"({a} - {b} * 0.5)", f"({a} * 0.75)", f"({a} + n)", f"({a} * s)", f"kn.maximum({a}, {b})", f"-{a}"]
        )

    def number(self):
        return self.random.choice(["n + 1", "n + 2", "n", "n * 2 % 7", "n - 1"]), self.random.choice(
            ["s * 0.5", "s + 0.25", "s", "1.5 - s"]
        )

    def condition(self):
        t = self.tensor(1)
        return self.random.choice(
            [f"kn.sum({t}) > 0", f"kn.max({t}) < s", "n % 3 == 0", f"kn.mean({t}).item() < 1.0", f"n > 5 and kn.sum({t}) < 4"]
        )

    def block(self, indent, depth):
        lines = []
        for _ in range(self.random.randint(1, 3)):
            kind = self.random.random()
            if kind < 0.55:
                lines.append(f"{self.random.choice('xyz')} = {self.tensor()}")
            elif kind < 0.8:
                n, s = self.number()
                lines.append(self.random.choice([f"n = {n}", f"s = {s}", "x, y = y, x", "z = x"]))
            elif depth:
                lines.append(f"if {self.condition()}:")
                lines += self.block("    ", depth - 1)
                if self.random.random() < 0.5:
                    lines.append("else:")
                    lines += self.block("    ", depth - 1)
                elif self.random.random() < 0.3:
                    lines.append("    " + self.random.choice(["break", "continue"]))
        return [indent + line for line in lines or ["pass"]]

    def source(self):
        lines = ["def f(kn, x, c, limit):", "    y, z, n, s, turns = c, x * 2, 1, 1.0, x.sum() * 0"]
        lines += ["    while turns < limit:", "        turns = turns + 1"]
        lines += self.block("        ", 2)
        return "\n".join([*lines, "    return x, y, z, n, s, turns"])


def compare(seed, limits):
    source = Writer(seed).source()
    namespace = {}
    exec(source, namespace)

    def f(x, c, limit):
        return namespace["f"](kn, x, c, limit)

    captured = kn.jit(f)
    for limit in limits:
        for shape in ((3,), ()):
            x, c = kn.ones(shape) * 0.5, kn.ones(shape) * -0.25
            arguments = x, c, scalar(limit)
            assert bits(captured(*arguments)) == bits(f(*arguments)), source
