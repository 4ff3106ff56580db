"""Where a training step's time goes: each step of its program, what lies outside contractions, and the least that could take.

    python benchmarks/steps.py                    both models
    python benchmarks/steps.py mnist_cnn_step     one of them, with every step

`bytes` are those that a fusion of everything between two contractions into one kernel each would still read and write;
`at the limit` is their time at the bandwidth of a copy of at least so many bytes, measured in this run;
`ratio` is the time outside contractions over that.
"""

import argparse
import contextlib
import io
import sys

import measure
import run
from cases import CASES
from worlds import KilnCompiled


class Watched(KilnCompiled):
    """Keeps what it compiles, so that it can be asked."""

    def compile(self, function):
        self.compiled_function = super().compile(function)
        return self.compiled_function


def profile(name, threads, budget):
    """The last trace of the case's step, with times, and the best time of a whole call without profiling."""
    world = Watched(threads)
    job = CASES[name].make(world)
    for _ in range(3):
        job.call()
    world.settle()
    call = min(measure.repeat(job.call, budget))
    world.xp.config.profile = 1
    measure.repeat(job.call, budget)
    world.xp.config.profile = 0
    with contextlib.redirect_stdout(io.StringIO()):
        traces = world.compiled_function.explain().traces
    return max(traces, key=lambda trace: trace.runs), call


def bandwidth(copy, size):
    """Bytes a second of the smallest copy that moves at least so many: one that the caches hold only if they hold these."""
    return copy[min((s for s in copy if s >= size), default=max(copy))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = [name for name in CASES if name.endswith("_step")]
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of: {', '.join(models)} (default: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds of samples (default: 2)")
    options = parser.parse_args()
    if unknown := [name for name in options.cases if name not in models]:
        parser.error(f"no such case: {', '.join(unknown)}")

    limits = run.machine_limits(options.threads)
    lines = [["work", "call", "contractions", "the rest", "moves", "bytes", "at the limit", "ratio", "arena", "live"]]
    for name in options.cases or models:
        trace, call = profile(name, options.threads, options.budget)
        inside = sum(t for t, (_, contraction) in zip(trace.times, trace.costs, strict=True) if contraction)
        outside = sum(trace.times) - inside
        if options.cases:
            for step, t in zip(trace.steps, trace.times, strict=True):
                print(f"{t * 1e6:9.1f} µs  {step}")
        least = trace.least_bytes / bandwidth(limits["copy"], trace.least_bytes) if limits else None
        lines.append([CASES[name].title, *map(run.show_time, (call, inside, outside))])
        lines[-1] += [f"{trace.moved_bytes / 1e6:.1f} MB", f"{trace.least_bytes / 1e6:.1f} MB"]
        lines[-1] += [run.show_time(least), f"{outside / least:.2f}" if least else ""]
        lines[-1] += [f"{trace.arena_bytes / 1e6:.1f} MB", f"{trace.live_bytes / 1e6:.1f} MB"]
    print(f"\n{run.cpu_name()}, {options.threads} threads")
    if limits:
        print("copy: " + ", ".join(f"{size / 1e6:.3g} MB at {speed / 1e9:.1f} GB/s" for size, speed in limits["copy"].items()) + "\n")
    print(run.table(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
