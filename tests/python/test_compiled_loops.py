"""Loops that are one piece of machine code: small programs with numbers beside them, left in many ways."""

import math
import random

import pytest

import kiln as kn
from replays import bits, floats, loops_of, same_as_eager, scalar


def loop(captured):
    """That with the most iterations: there is one for each recording."""
    return max(captured.explain().loops, key=lambda one: one.iterations)


def count(x, end):
    turns = 0
    while x < end:
        x = x + 1.0
        turns += 1
    return x, turns


def fibonacci(a, end):
    b, turns = a * 1, 0
    while a < end:
        a, b, turns = b, a + b, turns + 1
    return a, b, turns


def two_ways(n, end):
    turns = odd = 0
    while n != end:
        if n % 2 == 0:
            n = n // 2
        else:
            n, odd = 3 * n + 1, odd + 1
        turns += 1
    return n, turns, odd


def accept_or_not(x, end):
    """A vector that is handed on in some iterations, a number that is in all."""
    y, step, turns = floats(1, 2, 3) * x, x * 1.0, 0
    while step < end:
        after = y * 0.5 + step
        if kn.max(after) < 20.0:
            y = after
        step = step * 1.5
        turns += 1
    return y, step, turns


def limited(x, end):
    turns = 0
    while turns < 12 and x < end:
        x = x * 1.25 + 0.5
        turns += 1
    return x, turns


def items(x, end):
    total, last = 0.0, 0.0
    while x.item() < end.item():
        x = x + 0.75
        last = x.item()
        total = total + last * 0.5
    return x, total, last


def items_of_integers(n, end):
    total = 0
    while n.item() < 40:
        n = n + end // 8 + 1
        total += n.item() * 2
    return n, total


def comparisons(x, end):
    turns = 3
    while turns >= 3 and x <= end and turns != 40 and turns <= 50:
        x = x + 2.0
        turns = turns + 1
    return x, turns


def numbers_change_places(x, end):
    a, b, c = 1, 2, 3
    while x < end:
        a, b, c = b, c, a + 1
        x = x + 1.0
    return a, b, c


def bool_tensors(x, end):
    going, turns = x < end, 0
    while going:
        x = x * 2.0 + 1.0
        going = x < end
        turns += 1
    return going, x, turns


def values_of_the_last_iteration(x, end):
    y = z = x * 0.0
    while True:
        y = x * 3.0
        z = y - 1.0
        if z > end:
            break
        x = x + 1.5
    return y, z, x


FLOATS = [(1.0, 9.0), (1.0, 9.0), (1.0, 9.0), (0.5, 300.0), (20.0, 3.0), (math.nan, 1.0), (1.0, 9.5)]
INTEGERS = [(27, 1), (27, 1), (27, 1), (97, 1), (6, 1), (871, 1), (1, 1), (4, 2)]
SUMS = [(1, 50), (1, 50), (1, 50), (2, 10_000), (1, 10**12), (9, 1), (3, 60)]
ADDED = [(1, 50), (1, 50), (1, 50), (2, 16), (39, 8), (40, 3), (-20, 9)]
PROGRAMS = [
    (count, FLOATS),
    (fibonacci, SUMS),
    (two_ways, INTEGERS),
    (accept_or_not, FLOATS),
    (limited, FLOATS),
    (items, FLOATS),
    (items_of_integers, ADDED),
    (comparisons, FLOATS),
    (numbers_change_places, FLOATS),
    (bool_tensors, FLOATS),
    (values_of_the_last_iteration, FLOATS[:5]),
]


@pytest.mark.parametrize(("program", "calls"), PROGRAMS, ids=[p.__name__ for p, _ in PROGRAMS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_programs(program, calls, dtype):
    dtype = None if isinstance(calls[0][0], int) else dtype
    f = same_as_eager(program, [tuple(scalar(v, dtype) for v in call) for call in calls])
    assert loop(f).is_compiled
    assert loop(f).iterations > 10
    assert "asm" not in loop(f).as_text("kernels")
    assert "ret" in loop(f).as_text("asm")
    with pytest.raises(ValueError, match="a loop has the forms kernels and asm, not 'ptx'"):
        loop(f).as_text("ptx")


def test_it_is_told():
    f = same_as_eager(count, [(scalar(0.0), scalar(e)) for e in (9.0, 9.0, 9.0, 50.0)])
    assert "iterations ran without Python's objects; the whole loop is one piece of machine code" in str(f.explain())


@pytest.mark.parametrize("backend", ["interpreter", "asmjit", "llvm"])
def test_every_back_end_gives_the_same_bits(backend):
    for program, calls in PROGRAMS:
        calls = [tuple(scalar(v) for v in call) for call in calls]
        captured = kn.jit(program, backend=backend)
        for call in calls:
            assert bits(captured(*call)) == bits(program(*call))
        assert loop(captured).is_compiled == (backend == "asmjit")


def moving_average(x, n):
    h, total = x[0] * 0.0, 0
    for t in range(n):
        h = h * 0.75 + x[t] * 0.25 + t
        total += t
    return h, total


def backwards(x, n):
    h = x[-1] * 1.0
    for t in range(n - 1, -1, -1):
        h = kn.maximum(h * 0.5, x[t]) + x[-t] * 0.125
    return h


def halves_of_rows(x, n):
    h, s = x[0, 0] * 1.0, 0.5
    for t in range(n):
        s = s * 0.75
        h = h * s + kn.sum(x[t]) / (t + 1)
    return h, s


ROWS = [(5, 5, 5, 7, 9, 40, 1, 0, 2), (4, 4, 4, 6, 20, 12)]


@pytest.mark.parametrize("program", [moving_average, backwards, halves_of_rows])
@pytest.mark.parametrize("shape", [(40, 3), (40, 1), (40, 2, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_by_a_number_that_changes(program, shape, dtype):
    if program is halves_of_rows and len(shape) != 2:
        shape = (40, 5)
    x = kn.asarray(kn.reshape(kn.arange(math.prod(shape)), shape), dtype=dtype) * 0.37 - 3.0
    f = same_as_eager(program, [(x, n) for ns in ROWS for n in ns])
    assert loop(f).iterations > 30
    before = len(f.explain().traces)
    for n in (11, 13, 17, 19, 23, 29, 31, 37):
        assert bits(f(x, n)) == bits(program(x, n))
    assert len(f.explain().traces) == before  # no program for each number of iterations
    with pytest.raises(IndexError, match="40"):
        f(x, 42)
    assert bits(f(x, 39)) == bits(program(x, 39))


def test_rows_of_vectors_are_compiled():
    x = kn.asarray(kn.arange(40), dtype="float32") * 0.37 - 3.0
    f = same_as_eager(moving_average, [(x, n) for n in (5, 5, 5, 7, 9, 40, 1, 0, 2)])
    assert loop(f).is_compiled


def test_rows_of_integers_and_of_other_layouts():
    x = kn.reshape(kn.arange(24), (6, 4))
    for given in (x, x.T, x[::2], kn.asarray(x, dtype="int32"), kn.asarray(x, dtype="float16"), x > 7):

        def run(x, n):
            h = x[0]
            for t in range(n):
                h = kn.where(x[t] > h, x[t], h)
            return h

        same_as_eager(run, [(given, n) for n in (2, 2, 2, 3, 1, 0, 3)])


def test_integers_leave_64_bits():
    def run(x, end):
        n, turns = 3, 0
        while x < end:
            x = x + 1.0
            n = n * 7
            turns = turns - 2**61
        return n, turns

    f = same_as_eager(run, [(scalar(0.0), scalar(float(e))) for e in (3, 3, 3, 2, 9, 22, 23, 24, 30, 3)])
    assert loop(f).is_compiled


def test_numbers_of_other_kinds():
    def run(x, end, n):
        while x < end:
            x = x + 1.0
            n = n + 1
        return n

    same_as_eager(
        run, [(scalar(0.0), scalar(e), n) for e, n in ((5.0, 1), (5.0, 1), (5.0, 1), (5.0, 1.5), (9.0, -0.0), (5.0, True), (7.0, 3))]
    )


def test_the_first_iteration_is_part_of_a_loop_that_begins_with_an_argument():
    """x is a at first, and something else from then on."""

    def root(a):
        x, turns = a, 0
        while kn.max(kn.abs(x * x - a) / a) > 1e-5:
            x = (x + a / x) / 2
            turns += 1
        return x, turns

    calls = [(floats(*v),) for v in ((2, 3, 4), (2, 3, 4), (2, 3, 4), (1e-6, 5, 1e9), (1, 1, 1), (0.5, 2, 8))]
    f = same_as_eager(root, calls)
    assert loop(f).is_compiled
    before = loop(f).iterations
    _, turns = f(floats(2, 3, 1e9))
    assert loop(f).iterations - before == turns - 1 > 10  # the last one does not go back


def test_an_argument_that_is_asked_whether_it_is_another():
    def run(a, end):
        x, same = a, 0
        while x < end:
            if x is a:
                same += 1
            x = x + 1.0
        return x, same

    same_as_eager(run, [(scalar(v), scalar(9.0)) for v in (1.0, 1.0, 1.0, 5.0, 20.0, 1.0)])


def test_an_argument_that_is_written_in_place():
    def run(a, end):
        x, turns = a, 0
        while x < end:
            x += 1.0
            x = x * 1.5
            turns += 1
        return x, turns

    calls = [(scalar(v), scalar(9.0)) for v in (1.0, 1.0, 1.0, 5.0, 20.0, 1.0)]
    captured = kn.jit(run)
    for a, end in calls:
        one, other = a.copy(), a.copy()
        assert bits(captured(one, end)) == bits(run(other, end))
        assert bits(one) == bits(other)


def test_an_attribute_that_a_loop_begins_with():
    class Box:
        pass

    box = Box()

    def run(end):
        x, turns = box.x, 0
        while x < end + box.x * 0:
            x = x + box.x
            turns += 1
        return x, turns

    captured = kn.jit(run)
    for value in (1.0, 1.0, 1.0, 2.0, 0.5, 30.0, 1.0):
        box.x = scalar(value)
        assert bits(captured(scalar(9.0))) == bits(run(scalar(9.0)))


def test_results_are_their_own():
    f = same_as_eager(count, [(scalar(0.0), scalar(e)) for e in (9.0, 9.0, 9.0)])
    start, end = scalar(0.0), scalar(4.0)
    first, _ = f(start, end)
    first += 100.0
    second, _ = f(start, end)
    assert first.item() == 104.0
    assert second.item() == 4.0
    assert start.item() == 0.0


def test_views_that_a_loop_leaves_behind():
    def run(x, end):
        y = x
        while True:
            y = x[1:]
            x = x + 1.0
            if kn.sum(x) > end:
                break
        y[0] = 50.0
        return x, y

    captured = kn.jit(run)
    for end in (20.0, 20.0, 20.0, 60.0, 1.0):
        one, other = floats(1, 2, 3), floats(1, 2, 3)
        assert bits(captured(one, scalar(end))) == bits(run(other, scalar(end)))
        assert bits(one) == bits(other)


class Writer:
    """Random loops of single values and short vectors that machine code covers."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.vector = self.random.random() < 0.5
        self.counts = self.random.random() < 0.4  # for over a range, or while
        self.takes_numbers = self.random.random() < 0.4

    def tensor(self, depth=2):
        pick = self.random.choice
        if depth == 0:
            return pick(["x", "y", "z", "a", *(["rows[t]", "rows[t - 1]"] if self.counts else [])])
        one, other = self.tensor(depth - 1), self.tensor(depth - 1)
        forms = [one, f"({one} + {other})", f"({one} - {other} * 0.5)", f"({one} * 0.75)", f"kn.maximum({one}, {other})", f"abs({one})"]
        return pick(forms + ([f"({one} + n)", f"({one} * s)", f"({one} - m)"] if self.takes_numbers else []))

    def truth(self):
        t = self.tensor(1)
        if self.vector:
            return self.random.choice([f"kn.sum({t}) > 0.5", f"kn.max({t}) < 2.0", f"kn.any({t} > 1.0)"])
        return self.random.choice([f"{t} > 0.5", f"{t} < 2.0", f"{t} != 1.0", "n < 9", "s <= 2.0", f"{t}.item() < 1.0"])

    def statement(self):
        targets = self.random.sample("xyz", self.random.randint(1, 3))
        values = [self.tensor() for _ in targets]
        lines = [f"{', '.join(targets)} = {', '.join(values)}"]
        lines.append(self.random.choice(["n = n + 2", "n += 1", "s = s * 0.5 + 1.0", "n, m = m, n + 1", "pass", "m = n", "s = s - 0.25"]))
        return lines

    def source(self):
        body = self.statement()
        if self.random.random() < 0.6:
            body += [f"if {self.truth()}:", *("    " + line for line in self.statement())]
            if self.random.random() < 0.5:
                body += ["else:", *("    " + line for line in self.statement())]
        if self.random.random() < 0.3:
            body += [f"if {self.truth()}:", "    break"]
        start = self.random.choice(["x, y, z = a, a * 0.5, a + 1.0", "x = y = z = a", "x, y, z = a * 1.0, a, a - 2.0"])
        head = "for t in range(int(limit)):" if self.counts else "while turns < limit:"
        lines = ["def f(kn, a, limit, rows):", f"    {start}", "    n, m, s, turns = 0, 1, 1.0, limit * 0.0", f"    {head}"]
        lines += ["        turns = turns + 1.0", *("        " + line for line in body)]
        return "\n".join([*lines, f"    return {self.random.choice(['x, y, z, n, m, s', 'x, s, turns', 'y, n', 'z'])}, turns"])


def random_loop(seed):
    writer = Writer(seed)
    source = writer.source()
    namespace = {}
    exec(source, namespace)

    rows = kn.reshape(kn.arange(900.0), (300, 3)) * 0.01 - 1.0
    rows = rows if writer.vector else rows[:, 0]

    def f(a, limit):
        return namespace["f"](kn, a, limit, rows)

    captured = kn.jit(f)
    for limit in (6.0, 6.0, 6.0, 20.0, 0.0, 1.0, 300.0, 9.0):
        a = floats(0.5, -0.25, 1.5) if writer.vector else scalar(0.5 if limit < 9 else -1.25)
        assert bits(captured(a, scalar(limit))) == bits(f(a, scalar(limit))), source
    return any(one.is_compiled for one in captured.explain().loops), loops_of(captured)


def test_random_loops():
    compiled, loops = zip(*[random_loop(seed) for seed in range(120)], strict=True)
    assert sum(loops) > 60
    assert sum(compiled) > 40


def test_the_page_has_loops(tmp_path):
    f = same_as_eager(count, [(scalar(0.0), scalar(e)) for e in (9.0, 9.0, 9.0, 50.0)])
    f.explain().to_html(tmp_path / "page.html")
    shown = (tmp_path / "page.html").read_text()
    assert "Loops that data decides" in shown
    assert "the whole loop is one piece of machine code" in shown
    assert "Loop 0: the machine code" in shown
