"""What a captured call costs by replay, beside segments and undecorated calls, and what recording it costs; peers in the same run.

    python benchmarks/replay.py [overhead | functions | recording] [--peer-python PATH]

overhead: what a replay takes beyond its kernels, which kiln_launch and the programs' own clocks time from C++, and for each check.
functions: whole functions, the best of many calls in microseconds.
recording: the slowest of the first twenty calls less the median undecorated one (the median of three functions), and the recording
interpreter's time for each byte code that it executes. Of the loops the first call, which compiles, is told apart.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys
import time

import kiln as kn
from cases.pointwise import gelu
from cases.training import BATCH, mnist_cnn
from kiln.capture.telling import capture_of
from run import BUILD, HERE


class State:
    """An object of a program's."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


PEERS = ("torch.compile", "jax.jit")


def model():
    kn.manual_seed(0)
    return kn.nn.Sequential(kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 16), kn.nn.ReLU(), kn.nn.Linear(16, 4))


def forward(net, x):
    def run(x):
        with kn.no_grad():
            return net(x)

    return run, (x,)


def training(net, x, labels):
    optimizer = kn.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step(x, labels):
        optimizer.zero_grad()
        loss = kn.nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, (x, labels)


def small_cnn():
    """The MNIST module on next to nothing, where what replaying costs is not lost in what computing takes."""
    nn = kn.nn
    layers = [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))


def add():
    return lambda x, y: x + y, (kn.ones((8,)), kn.ones((8,)))


FUNCTIONS = {
    "add, 8 elements": add,
    "GELU written out, 1,000 elements": lambda: (gelu(kn), (kn.ones((1000,)),)),
    "three linear layers, 4 x 16": lambda: forward(model(), kn.ones((4, 16))),
    "their training step": lambda: training(model(), kn.ones((4, 16)), kn.asarray([0, 1, 2, 3])),
}


def settle(f, arguments, calls=60):
    for _ in range(calls):
        f(*arguments)
    kn.wait_for_compiles()


def best(call, samples=40, calls=100):
    """Of many, in microseconds a call."""
    least = float("inf")
    for _ in range(samples):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        least = min(least, time.perf_counter() - start)
    return least / calls * 1e6


def best_in(mode, make):
    function, arguments = make()
    f = kn.jit(function, mode=mode)
    settle(f, arguments)
    return best(lambda: f(*arguments))


def functions():
    print("| function | undecorated | segments | replay | of undecorated |\n|---|---|---|---|---|")
    for name, make in FUNCTIONS.items():
        eager, segments, replay = (best_in(mode, make) for mode in ("eager", "segments", "auto"))
        print(f"| {name} | {eager:.2f} | {segments:.2f} | {replay:.2f} | {replay / eager:.2f} |")


# ---- overhead ----------------------------------------------------------------------------------------------------------


def launch_microseconds(name):
    program = BUILD / "benchmarks/kiln_launch"
    make = "cmake --build --preset release --target kiln_launch"
    if not program.exists():
        sys.exit(f"the kernel of an add is launched from C++ by {program.name}, which is not there; {make} makes it")
    command = [program, f"--benchmark_filter={name}$", "--benchmark_format=json", "--benchmark_repetitions=5", "--benchmark_min_time=0.05"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if not printed:
        sys.exit(f"{program} is an old one, without {name}; {make} makes it anew")
    runs = json.loads(printed)["benchmarks"]
    return min(run["real_time"] for run in runs if run["run_type"] == "iteration") / 1e3


def kernels_microseconds(f, arguments):
    """What the steps of a function's program take, by their own clock."""
    kn.config.profile = 1
    for _ in range(3000):
        f(*arguments)
    kn.config.profile = 0
    traces = [t for t in kn._core.captured_records(f)["traces"] if t["times"]]
    return sum(max(traces, key=lambda t: t["runs"])["times"]) * 1e6


def guarded(kind, count):
    """A function that reads `count` numbers of Python's state, each of which decides where it goes on."""
    names = [f"n{i}" for i in range(count)]
    reads = {"global": "{}", "attribute": "state.{}", "item": "table['{}']", "closure": "{}"}[kind]
    tests = "".join(f"        if {reads.format(name)} != {i}: return x\n" for i, name in enumerate(names))
    inside = "".join(f"    {name} = {i}\n" for i, name in enumerate(names)) if kind == "closure" else ""
    source = f"def make():\n{inside}    def f(x, y):\n{tests}        return x + y\n    return f\n"
    values = {name: i for i, name in enumerate(names)}
    namespace = {**(values if kind == "global" else {}), "state": State(**values), "table": values}
    exec(source, namespace)
    return namespace["make"](), (kn.ones((8,)), kn.ones((8,)))


def slope(points):
    xs, ys = zip(*points, strict=True)
    return statistics.linear_regression(xs, ys).slope


def peer_microseconds(python, case):
    """{peer: its best call}, by the cases and the worlds of benchmarks/run.py."""
    times = {}
    for world in PEERS:
        command = [python, str(HERE / "run.py"), "--worker", world, "--threads", "2", "--budget", "1", case]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            times[world] = min(json.loads(done.stdout.splitlines()[-1])["call"]) * 1e6
    return times


def overhead(peer_python):
    kernel, call = launch_microseconds("add/8/launch"), best_in("auto", add)
    print(f"add of 8 elements: {call:.2f} us a replay, {kernel:.2f} us its kernel from C++: {call - kernel:.2f} us more (bound: 0.6)")
    for kind in ("global", "attribute", "item", "closure"):
        each = slope([(n, best_in("auto", functools.partial(guarded, kind, n))) for n in (1, 10, 20, 30)]) * 1e3
        print(f"each {kind} that decides: {each:.0f} ns (bound: 25)")
    function, arguments = forward(small_cnn(), kn.ones((1, 1, 8, 8)))
    f = kn.jit(function)
    settle(f, arguments)
    call, kernels = best(lambda: f(*arguments), samples=20_000, calls=1), kernels_microseconds(f, arguments)  # the shortest of both
    guards = len(capture_of(f, 0).guards)
    more = f"{call:.2f} us a replay, {kernels:.2f} us its steps: {call - kernels:.2f} us more (bound: 2)"
    print(f"the MNIST module on 8 x 8 pixels, {guards} checks: {more}")
    print(
        f"GELU written out on 1,000 elements: {best_in('auto', FUNCTIONS['GELU written out, 1,000 elements']):.2f} us, all in (bound: 1.5)"
    )
    if peer_python:
        for case in ("add8_captured", "gelu_1e3"):
            for peer, microseconds in peer_microseconds(peer_python, case).items():
                print(f"{case} by {peer}: {microseconds:.2f} us")


# ---- recording ---------------------------------------------------------------------------------------------------------


def fifty_lines():
    """A function of 50 lines that executes about 500 byte codes."""
    lines = ["h = x", "scale = state.scale", "parts = []"]
    for i in range(15):
        lines += [
            f"if state.flags[{i % 3}]:",
            f"    h = h * scale + table['w{i % 2}']",
            f"parts.append(h - {i})",
            f"scale = scale * 0.5 + {i}",
        ]
    lines += ["for part in parts:", "    h = h + part", "return kn.tanh(h)"]
    namespace = {"kn": kn, "state": State(scale=2.0, flags=[True, True, True]), "table": {"w0": 1.0, "w1": 2.0}}
    exec("def f(x):\n" + "".join(f"    {line}\n" for line in lines), namespace)
    return namespace["f"], (kn.ones((8,)),)


def mnist_step():
    kn.manual_seed(0)
    return training(mnist_cnn(kn.nn), kn.ones((BATCH, 1, 28, 28)), kn.zeros((BATCH,), dtype=kn.int64))


ITERATIONS = 10_000


def over_a_list():
    values = [float(i % 7) for i in range(ITERATIONS)]

    def f(x):
        total = 0.0
        for value in values:
            total = total * 0.5 + value
        return x * total

    return f, (kn.ones((8,)),)


def over_numbers():
    def f(x):
        total = 0
        for i in range(ITERATIONS):
            total += i * i
        return x * total

    return f, (kn.ones((8,)),)


def counting_words():
    words = [f"word {i % 100}" for i in range(ITERATIONS)]

    def f(x):
        counts = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        return x * len(counts)

    return f, (kn.ones((8,)),)


def over_operators():
    def f(x):
        for _ in range(ITERATIONS):
            x = x * 0.5
        return x

    return f, (kn.ones((8,)),)


def until_data_ends_it():
    def f(x):
        while kn.max(x) < ITERATIONS:
            x = x + 1
        return x

    return f, (kn.zeros((8,)),)


def byte_codes(make):
    """How many a plain call executes, Kiln's own Python among them."""
    function, arguments = make()
    function(*arguments)
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(None)
    return count


def firsts(make, mode):
    function, arguments = make()
    f, times = kn.jit(function, mode=mode), []
    for _ in range(20):
        start = time.perf_counter()
        f(*arguments)
        times.append((time.perf_counter() - start) * 1e3)
    return times, f


LOOPS = {
    "a list's items": over_a_list,
    "numbers of a range": over_numbers,
    "words, counted in a dict": counting_words,
    "operators, unrolled": over_operators,
    "until data ends it": until_data_ends_it,
}


def loops():
    print(f"Loops of {ITERATIONS:,} iterations, milliseconds.\n")
    print("| iterations over | undecorated | first call | slowest of 19 behind it, more | bound | recorded |\n|---|---|---|---|---|---|")
    for name, make in LOOPS.items():
        undecorated, runs = firsts(make, "eager")[0], []
        for _ in range(3):
            times, f = firsts(make, "auto")
            runs.append(times)
        eager = statistics.median(undecorated)
        first, slowest = (statistics.median(of(r) for r in runs) for of in (lambda r: r[0], lambda r: max(r[1:])))
        recorded = "yes" if capture_of(f, 0).recordings else "no"
        print(f"| {name} | {eager:.2f} | {first:.2f} | {slowest - eager:.2f} | 40 | {recorded} |")


def recording():
    print("Milliseconds.\n")
    print(
        "| function | byte codes | undecorated | its first call | first call | second, recorded | slowest of 20, more | bound | us a code |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    makes = {**FUNCTIONS, "50 lines": fifty_lines, "MNIST CNN's training step": mnist_step}
    bounds = {"50 lines": 5, "MNIST CNN's training step": 40}
    for name, make in makes.items():
        count = byte_codes(make)
        undecorated, _ = firsts(make, "eager")
        runs = []
        for _ in range(3):
            kn._core.clear_programs()
            kn._core.clear_kernel_cache()
            runs.append(firsts(make, "auto")[0])
        first, second, slowest = (statistics.median(of(r) for r in runs) for of in (lambda r: r[0], lambda r: r[1], max))
        steady, eager = statistics.median(statistics.median(r[4:]) for r in runs), statistics.median(undecorated)
        print(
            f"| {name} | {count} | {eager:.2f} | {undecorated[0]:.2f} | {first:.2f} | {second:.2f} | {slowest - eager:.2f} "
            f"| {bounds.get(name, '')} | {(second - steady) * 1e3 / count:.1f} |"
        )
    print()
    loops()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"overhead": overhead, "functions": functions, "recording": recording}
    parser.add_argument("parts", nargs="*", choices=[[], *parts], help="by default all")
    parser.add_argument("--peer-python", help="the interpreter that has PyTorch and JAX")
    options = parser.parse_args()
    kn.config.measure_ways = 0  # what is asked for is measured, be it the fastest way or not
    for part in options.parts or parts:
        parts[part](*([options.peer_python] if part == "overhead" else []))
        print()


if __name__ == "__main__":
    sys.exit(main())
