"""Programs whose loops data decides, as plain Python under kn.jit, beside eager Kiln and jax.jit's while_loop, in one run.

python benchmarks/loops.py --peer-python PATH   (a Python that has jax; without it Kiln alone)

Times are the best of many calls over the number of iterations of a call, in nanoseconds: what a call costs besides is in them.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np

ROOTS = np.geomspace(1e-6, 1e12, 8).astype(np.float32)
COLLATZ = 77_031  # 350 steps: the longest way below 100,000
RATES = np.linspace(0.5, 8.0, 8).astype(np.float32)
END = 20.0
TABLE = np.log(np.random.default_rng(0).dirichlet(np.ones(32), 32)).astype(np.float32)
WIDTH, LENGTH, STOP = 4, 256, 0


def counter(xp):
    """What an iteration costs that does next to nothing."""

    def count(x, end):
        turns = 0
        while x < end:
            x = x + 1
            turns += 1
        return x, turns

    return count, (np.float32(0), np.float32(1000))


def newton(xp):
    """Square roots until each squares to its number."""

    def roots(a):
        x, turns = a, 0
        while xp.max(xp.abs(x * x - a) / a) > 1e-5:
            x = (x + a / x) / 2
            turns += 1
        return x, turns

    return roots, (ROOTS,)


def collatz(xp):
    def steps(n):
        turns = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            turns += 1
        return n, turns

    return steps, (np.int32(COLLATZ),)


def slope(xp, t, y, rates):
    return rates * (xp.cos(t) - y)


def trial(xp, t, y, h, rates):
    """A step of the method of Bogacki and Shampine (1989): the new y and the largest error."""
    k1 = slope(xp, t, y, rates)
    k2 = slope(xp, t + h / 2, y + h / 2 * k1, rates)
    k3 = slope(xp, t + h * 3 / 4, y + h * 3 / 4 * k2, rates)
    after = y + h * (2 / 9 * k1 + 1 / 3 * k2 + 4 / 9 * k3)
    k4 = slope(xp, t + h, after, rates)
    error = h * (-5 / 72 * k1 + 1 / 12 * k2 + 1 / 9 * k3 - 1 / 8 * k4)
    return after, xp.max(xp.abs(error))


def ode(xp):
    """y' = rates * (cos t - y) with steps as long as the error allows."""

    def solve(y, rates, end):
        t, h, turns = xp.zeros(()), xp.ones(()) / 16, 0
        while t < end:
            h = xp.minimum(h, end - t)
            after, error = trial(xp, t, y, h, rates)
            if error <= 1e-5:
                t, y = t + h, after
            h = h * xp.clip(0.9 * (1e-5 / error) ** (1 / 3), 0.2, 5.0)
            turns += 1
        return y, turns

    return solve, (np.zeros(8, np.float32), RATES, np.float32(END))


def beam(xp):
    """The best WIDTH sequences of tokens by a table of log-probabilities, until all end or are LENGTH long."""

    def search(table, places):
        scores, last = table[1, :WIDTH], xp.arange(1, WIDTH + 1)
        tokens = xp.zeros((WIDTH, LENGTH), dtype=last.dtype)
        turns = 0
        while turns < LENGTH and xp.any(last != STOP):
            grown = xp.reshape(scores[:, None] + table[last], (-1,))
            scores, best = xp.topk(grown, WIDTH)
            parents, last = best // table.shape[1], best % table.shape[1]
            tokens = xp.where(places == turns, last[:, None], tokens[parents])
            turns += 1
        return tokens, turns

    return search, (TABLE, np.arange(LENGTH))


def jax_counter(jax, xp):
    def count(x, end):
        return jax.lax.while_loop(lambda s: s[0] < end, lambda s: (s[0] + 1, s[1] + 1), (x, 0))

    return count, (np.float32(0), np.float32(1000))


def jax_newton(jax, xp):
    def roots(a):
        def wrong(state):
            return xp.max(xp.abs(state[0] * state[0] - a) / a) > 1e-5

        return jax.lax.while_loop(wrong, lambda s: ((s[0] + a / s[0]) / 2, s[1] + 1), (a, 0))

    return roots, (ROOTS,)


def jax_collatz(jax, xp):
    def step(state):
        n, turns = state
        return xp.where(n % 2 == 0, n // 2, 3 * n + 1), turns + 1

    return lambda n: jax.lax.while_loop(lambda s: s[0] != 1, step, (n, 0)), (np.int32(COLLATZ),)


def jax_ode(jax, xp):
    def solve(y, rates, end):
        def step(state):
            t, y, h, turns = state
            h = xp.minimum(h, end - t)
            after, error = trial(xp, t, y, h, rates)
            good = error <= 1e-5
            t, y = xp.where(good, t + h, t), xp.where(good, after, y)
            return t, y, h * xp.clip(0.9 * (1e-5 / error) ** (1 / 3), 0.2, 5.0), turns + 1

        first = (xp.float32(0), y, xp.float32(1 / 16), 0)
        return jax.lax.while_loop(lambda s: s[0] < end, step, first)[1::2]

    return solve, (np.zeros(8, np.float32), RATES, np.float32(END))


def jax_beam(jax, xp):
    def search(table, places):
        def step(state):
            scores, last, tokens, turns = state
            grown = xp.reshape(scores[:, None] + table[last], (-1,))
            scores, best = jax.lax.top_k(grown, WIDTH)
            parents, last = best // table.shape[1], best % table.shape[1]
            return scores, last, xp.where(places == turns, last[:, None], tokens[parents]), turns + 1

        last = xp.arange(1, WIDTH + 1, dtype=xp.int32)
        first = (table[1, :WIDTH], last, xp.zeros((WIDTH, LENGTH), xp.int32), 0)
        return jax.lax.while_loop(lambda s: (s[3] < LENGTH) & xp.any(s[1] != STOP), step, first)[2:]

    return search, (TABLE, np.arange(LENGTH, dtype=np.int32))


PROGRAMS = {
    "newton": (newton, jax_newton),
    "collatz": (collatz, jax_collatz),
    "ode": (ode, jax_ode),
    "beam": (beam, jax_beam),
    "counter": (counter, jax_counter),
}


def best_of(function, arguments, seconds=0.7):
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        function(*arguments)
        best = min(best, time.perf_counter() - start)
    return best


def run_kiln(names):
    import kiln as kn

    kn.set_num_threads(2)
    out = {}
    for name in names:
        function, arrays = PROGRAMS[name][0](kn)
        arrays = [kn.asarray(a, copy=True) for a in arrays]
        compiled = kn.jit(function)
        value, turns = function(*arrays)
        for _ in range(4):
            again, turns_again = compiled(*arrays)
            assert turns == turns_again
            kn.testing.assert_same_bits(value, again)
        kn.wait_for_compiles()
        compiled(*arrays)
        kn.wait_for_compiles()
        out[name] = {
            "turns": turns,
            "eager": best_of(function, arrays) / turns * 1e9,
            "jit": best_of(compiled, arrays) / turns * 1e9,
        }
    return out


def run_jax(names):
    import jax
    import jax.numpy as xp

    out = {}
    for name in names:
        function, arrays = PROGRAMS[name][1](jax, xp)
        arrays = [xp.asarray(a) for a in arrays]
        compiled = jax.jit(function)
        _, turns = jax.block_until_ready(compiled(*arrays))
        out[name] = {"turns": int(turns), "jit": best_of(lambda *a, f=compiled: jax.block_until_ready(f(*a)), arrays) / int(turns) * 1e9}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(PROGRAMS))
    parser.add_argument("--peer-python", help="a Python that has jax")
    parser.add_argument("--jax", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.jax:
        print(json.dumps(run_jax(options.names)))
        return
    peer = {}
    if options.peer_python:
        done = subprocess.run([options.peer_python, __file__, "--jax", *options.names], capture_output=True, text=True, check=True)
        peer = json.loads(done.stdout.splitlines()[-1])
    own = run_kiln(options.names)
    print("| program | iterations | eager | kn.jit | jax.jit | eager / kn.jit | jax.jit / kn.jit |\n|---|---|---|---|---|---|---|")
    for name, k in own.items():
        j = peer.get(name, {"jit": float("nan")})
        row = f"{k['turns']} | {k['eager']:.0f} | {k['jit']:.0f} | {j['jit']:.0f} | {k['eager'] / k['jit']:.1f} | {j['jit'] / k['jit']:.2f}"
        print(f"| {name} | {row} |")
        if name in peer and peer[name]["turns"] != k["turns"]:
            print(f"  ({name}: jax went through {peer[name]['turns']} iterations)", file=sys.stderr)


if __name__ == "__main__":
    main()
