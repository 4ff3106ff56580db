"""Undecorated loops under kn.auto(), beside the same loops without it and with their body captured by kn.jit, in one run.

python benchmarks/auto.py

Times are medians of interleaved runs of a loop, in microseconds a round; the first run under kn.auto() has the finding and the
compiling in it.
"""

import statistics
import time
from contextlib import nullcontext

import kiln as kn

ROUNDS = 300
REPEATS = 9


def mixing():
    x = kn.ones((1000,))

    def body(y):
        return kn.tanh(y + x * 0.01) * 1.5 - kn.mean(y)

    return body, kn.zeros((1000,))


def gelus():
    def body(y):
        inner = 0.7978845608 * (y + 0.044715 * y * y * y)
        return 0.5 * y * (1 + kn.tanh(inner)) + 0.1

    return body, kn.ones((10_000,))


def inference():
    kn.manual_seed(0)
    net = kn.nn.Sequential(kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 16))

    def body(y):
        with kn.no_grad():
            return net(y)

    return body, kn.ones((4, 16))


def training():
    kn.manual_seed(0)
    net = kn.nn.Sequential(kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 4))
    optimizer = kn.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, t = kn.ones((4, 16)), kn.asarray([0, 1, 2, 3])

    def body(_):
        optimizer.zero_grad()
        loss = kn.nn.functional.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return body, x


def newton():
    """Two operators between values that Python reads: nothing to gain."""

    def body(y):
        y = (y + 2 / y) * 0.5
        return y if float(y) > 1 else y + 1

    return body, kn.asarray(3.0)


CASES = {
    "five operators, 1,000 elements": mixing,
    "GELU written out, 10,000 elements": gelus,
    "three linear layers, 4 x 16": inference,
    "their training step": training,
    "a value read each round": newton,
}


def run(body, y):
    """One loop; microseconds a round, and the result."""
    start = time.perf_counter()
    for _ in range(ROUNDS):
        y = body(y)
    y.tolist()
    return (time.perf_counter() - start) * 1e6 / ROUNDS, y


def main():
    print("| loop | undecorated | kn.auto() | kn.jit | auto of undecorated | first run |\n|---|---|---|---|---|---|")
    for name, make in CASES.items():
        ways = {"plain": make(), "auto": make(), "jit": make()}
        ways["jit"] = (kn.jit(ways["jit"][0]), ways["jit"][1])
        times = {way: [] for way in ways}
        results = {}
        for _ in range(REPEATS):
            for way, (body, y) in ways.items():
                with kn.auto() if way == "auto" else nullcontext():
                    took, results[way] = run(body, y)
                times[way].append(took)
            kn.wait_for_compiles()
        for way in ("auto", "jit"):
            kn.testing.assert_same_bits(results[way], results["plain"], name)
        plain, auto, jit = (statistics.median(times[way][1:]) for way in ways)
        print(f"| {name} | {plain:.2f} | {auto:.2f} | {jit:.2f} | {auto / plain:.2f} | {times['auto'][0]:.2f} |")


if __name__ == "__main__":
    main()
