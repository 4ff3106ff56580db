"""What a captured call costs by replay, beside the same call in segments and undecorated, in one run.

python benchmarks/replay.py

Times are the best of many, in microseconds a call; the recording is the slowest of the first twenty calls less the median undecorated one.
"""

import statistics
import time

import kiln as kn
from cases.pointwise import gelu


def model():
    kn.manual_seed(0)
    return kn.nn.Sequential(kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 4))


def inference():
    net = model()

    def run(x):
        with kn.no_grad():
            return net(x)

    return run, (kn.ones((4, 16)),)


def training():
    net = model()
    optimizer = kn.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step(x, t):
        optimizer.zero_grad()
        loss = kn.nn.functional.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, (kn.ones((4, 16)), kn.asarray([0, 1, 2, 3]))


CASES = {
    "add, 8 elements": lambda: (lambda x, y: x + y, (kn.ones((8,)), kn.ones((8,)))),
    "GELU written out, 1,000 elements": lambda: (gelu(kn), (kn.ones((1000,)),)),
    "three linear layers, 4 x 16": inference,
    "their training step": training,
}


def times(function, arguments, mode):
    """(first calls, best of many later ones), in microseconds."""
    f = kn.jit(function, mode=mode)
    first = []
    for _ in range(20):
        start = time.perf_counter()
        f(*arguments)
        first.append((time.perf_counter() - start) * 1e6)
    kn.wait_for_compiles()
    best = float("inf")
    for _ in range(40):
        start = time.perf_counter()
        for _ in range(100):
            f(*arguments)
        best = min(best, (time.perf_counter() - start) * 1e4)
    return first, best


def main():
    print("| function | undecorated | segments | replay | of undecorated | recording, ms |\n|---|---|---|---|---|---|")
    for name, make in CASES.items():
        results = {mode: times(*make(), mode) for mode in ("eager", "segments", "auto")}
        eager, segments, replay = (results[mode][1] for mode in ("eager", "segments", "auto"))
        recording = (max(results["auto"][0][1:]) - statistics.median(results["eager"][0])) / 1e3
        print(f"| {name} | {eager:.2f} | {segments:.2f} | {replay:.2f} | {replay / eager:.2f} | {recording:.1f} |")


if __name__ == "__main__":
    main()
