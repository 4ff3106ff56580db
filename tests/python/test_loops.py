"""Loops that data decides, as one recording for any number of iterations: what is folded and what is not, and that neither can be told."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import kiln as kn
from random_loops import compare
from replays import bits, floats, loops_of, runs, same_as_eager, same_gradients, scalar, told

LIMIT = 1.0


def halve(x, end):
    turns = 0
    while kn.max(kn.abs(x)) > end:
        x = x / 2
        turns += 1
    return x, turns


def test_one_recording_serves_any_number_of_iterations(capsys):
    f = same_as_eager(halve, [(kn.asarray([1.0, 2.0]) * 2.0**n, scalar(1.0)) for n in (3, 3, 5, 2, 40, 100, 7, 4)])
    e = told(f, capsys)
    assert e.recordings == 1
    assert e.replays == 6
    assert loops_of(f) == 1


def test_iterations_run_without_python():
    f = same_as_eager(halve, [(kn.asarray([2.0**n]), scalar(1.0)) for n in (5, 5, 5)])
    before = runs(f)
    assert f(kn.asarray([2.0**120]), scalar(1.0))[1] == 120
    assert runs(f) - before < 20


def test_no_iterations_and_one_iteration():
    calls = [(kn.asarray([v]), scalar(1.0)) for v in (8.0, 8.0, 8.0, 1.0, 2.0, 0.5, 2.0, 8.0, 1.0, float("nan"), 64.0)]
    same_as_eager(halve, calls)


def test_branches_in_the_loop(capsys):
    def collatz(n):
        turns = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            turns += 1
        return turns

    f = same_as_eager(collatz, [(scalar(n),) for n in (27, 27, 27, 97, 6, 871, 5)])
    assert told(f, capsys).recordings == 1
    before = runs(f)
    assert f(scalar(77_031)) == 350
    assert runs(f) - before < 40


def test_a_loop_that_begins_with_the_way_out(capsys):
    """Its first iteration is like the others: where it goes is known from the recording of another number."""

    def collatz(n):
        turns = 0
        while True:
            if n == 1:
                break
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            turns += 1
        return turns

    f = same_as_eager(collatz, [(scalar(n),) for n in (27, 27, 27, 97, 6, 871, 5)])
    assert told(f, capsys).recordings == 1


def test_conditions_of_several_parts():
    def both(x, y):
        while x < 4.0 and y < 8.0:
            x, y = x + 0.5, y * 1.5
        return x, y

    def either(x, y):
        while x < 4.0 or y < 8.0:
            x, y = x + 0.5, y * 1.5
        return x, y

    def assigned(x, y):
        while (z := x * y) < 40.0:
            x, y = x + 0.5, y * 1.5
        return z

    def called(x, y):
        while any(v < 4.0 for v in (x, y)):
            x, y = x + 0.5, y * 1.5
        return x, y

    starts = [(1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 7.0), (3.75, 1.0), (9.0, 9.0), (-20.0, 0.5), (1.0, 1.0)]
    for function in (both, either, assigned, called):
        same_as_eager(function, [(scalar(x), scalar(y)) for x, y in starts])


def test_any_number_of_calls_stays_without_python():
    f = same_as_eager(halve, [(kn.asarray([2.0**n]), scalar(1.0)) for n in range(60)])
    before = runs(f)
    assert f(kn.asarray([2.0**120]), scalar(1.0))[1] == 120
    assert runs(f) - before < 20


def test_continue_break_and_early_return():
    def search(x, low, high):
        tries = 0
        while True:
            tries += 1
            x = x * 1.5
            if x < low:
                continue
            if x > high:
                break
            if tries > 60:
                return x, "tired"
            x = x - 0.25
        return x, tries

    starts = [0.1, 0.1, 0.1, 0.5, 3.0, 0.01, 100.0, 0.5, 0.1, 0.25]
    same_as_eager(search, [(scalar(v), scalar(2.0), scalar(50.0)) for v in starts])
    same_as_eager(search, [(scalar(v), scalar(2.0), scalar(float("inf"))) for v in (0.5, 0.5, 0.5, 1.0, 0.75)])


def test_what_the_loop_reads_is_checked_before_it():
    global LIMIT

    def climb(x):
        turns = 0
        while x < LIMIT:
            x = x + 0.125
            turns += 1
        return turns

    f = kn.jit(climb)
    try:
        for LIMIT in (1.0, 1.0, 1.0, 2.0, 2.0, 0.5, 1.0, 3.0):
            assert f(scalar(0.0)) == climb(scalar(0.0)) == LIMIT * 8
    finally:
        LIMIT = 1.0


def test_effects_in_the_loop_happen_as_written():
    class Log:
        def __init__(self):
            self.count, self.seen = 0, []

    def run(x, log):
        while x < 1.0:
            x = x + 0.25
            log.count += 1
            log.seen.append(float(x))
        return x

    plain, captured, f = Log(), Log(), kn.jit(run)
    for start in (0.0, 0.0, 0.0, 0.5, -2.0, 0.0):
        assert bits(f(scalar(start), captured)) == bits(run(scalar(start), plain))
        assert vars(plain) == vars(captured)


def test_lists_that_grow_are_unrolled():
    def run(x):
        seen = []
        while x < 4.0:
            seen.append(x * 2)
            x = x + 1.0
        return seen

    same_as_eager(run, [(scalar(v),) for v in (0.0, 0.0, 0.0, 1.0, -3.0, 9.0, 0.0)])


def test_state_in_lists_tuples_and_instances():
    class Pair:
        pass

    def run(x, end):
        state, pair = [x, 0], Pair()
        pair.sum = x * 0
        while state[0] < end:
            y, n = state
            state = [y * 1.25 + 1, n + 1]
            pair.sum = pair.sum + y
        return state, pair.sum

    f = same_as_eager(run, [(scalar(v), scalar(e)) for v, e in ((1.0, 9.0), (1.0, 9.0), (1.0, 9.0), (0.0, 1e6), (2.0, 1.0), (0.0, 50.0))])
    assert loops_of(f) >= 1


def test_tensors_that_begin_as_one_or_change_places():
    def fibonacci(a, end):
        b = a
        while a < end:
            a, b = b, a + b
        return a, b

    f = same_as_eager(fibonacci, [(scalar(v), scalar(e)) for v, e in ((1, 50), (1, 50), (1, 50), (2, 10_000), (1, 10**12), (9, 1))])
    assert loops_of(f) >= 1


def test_integers_beyond_64_bits_and_divisions_are_pythons():
    def run(x, end):
        n = 1
        while x < end:
            x = x + 1.0
            n = n * 7 - 3
        return n

    same_as_eager(run, [(scalar(0.0), scalar(float(e))) for e in (9, 9, 9, 30, 100, 22, 23, 24)])

    def divide(x, end):
        n = 40
        while x < end:
            x = x + 1.0
            n = (n * 3 + 1) // -7 + n % 5
        return n

    same_as_eager(divide, [(scalar(0.0), scalar(float(e))) for e in (9, 9, 9, 30, 100, 22)])

    def quotient(x, end):
        n = 8
        while x < end:
            x = x + 1.0
            n -= 1
            x = x + 1 / n
        return x, n

    f = same_as_eager(quotient, [(scalar(0.0), scalar(float(e))) for e in (5, 5, 5, 6, 7)])
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            f(scalar(0.0), scalar(30.0))


def test_numbers_that_change_their_kind():
    def run(x, end):
        n = 3
        while x < end:
            x = x + n
            n = n * 0.5
        return x, n

    same_as_eager(run, [(scalar(0.0), scalar(e)) for e in (5.9, 5.9, 5.9, 5.99, 5.999, 4.0)])


def test_numbers_that_operators_take():
    def run(x, end):
        n, scale = 1, 1.0
        while kn.sum(x) < end:
            x = x * scale + n
            n += 1
            scale = scale * 0.75
        return x, n, scale

    f = same_as_eager(run, [(kn.asarray([0.0, 1.0]), scalar(e)) for e in (20.0, 20.0, 20.0, 100.0, 3.0, 5000.0, 100.0)])
    assert loops_of(f) == 1


def test_items_decide():
    def run(x, end):
        while True:
            x = x * 1.5 + 0.5
            size = kn.max(x).item()
            if size > end or float(kn.sum(x)) > 3 * end:
                return x, size

    same_as_eager(run, [(kn.asarray([0.0, 1.0, 2.0]), e) for e in (9.0, 9.0, 9.0, 9.0, 9.0)])


def test_shapes_that_change_in_the_loop():
    def run(x, end):
        while kn.sum(x) < end:
            x = kn.concat([x, x + 1])
        return x

    same_as_eager(
        run, [(kn.asarray([v]), scalar(e)) for v, e in ((1.0, 9.0), (1.0, 9.0), (1.0, 9.0), (1.0, 500.0), (3.0, 1.0), (0.5, 70.0))]
    )


def test_other_layouts_and_dtypes():
    base = kn.reshape(kn.arange(12, dtype=kn.float32), (3, 4)) + 1
    inputs = [base, base, base, base.T, base[:, 1:3], base.astype(kn.float64), base * 3, base.T, kn.ones(()) * 50, base[::2]]
    same_as_eager(halve, [(x, scalar(0.5)) for x in inputs])


def test_random_draws_are_those_of_eager():
    def run(bound):
        tries, total = 0, kn.zeros((2,))
        while kn.sum(total) < bound:
            total = total + kn.random.uniform((2,))
            tries += 1
        return total, tries

    outcomes = []
    for f in (run, kn.jit(run)):
        kn.manual_seed(5)
        outcomes.append([bits(f(scalar(b))) for b in (5.0, 5.0, 5.0, 9.0, 1.0, 20.0)] + [kn.random.get_state()])
    assert outcomes[0] == outcomes[1]


def test_writes_in_place_to_what_the_call_made():
    def run(x, end):
        total = x * 0
        while kn.sum(total) < end:
            total += x
            total[0] = total[0] + 1
        return total

    same_as_eager(run, [(kn.asarray([1.0, 2.0]), scalar(e)) for e in (20.0, 20.0, 20.0, 90.0, 0.0, 21.0)])


def test_gradients_through_a_loop():
    def run(x):
        y = x
        while y < 10.0:
            y = y * x
        y.backward()
        return x.grad

    same_gradients(run, (1.5, 1.5, 1.5, 1.25, 3.0, 1.5))


def test_nested_loops():
    def run(x, end):
        outer = 0
        while kn.sum(x) < end:
            y = x
            while kn.max(y) < 8.0:
                y = y * 1.5
            x = x + y * 0.125
            outer += 1
        return x, outer

    same_as_eager(run, [(kn.asarray([1.0, 0.5]), scalar(e)) for e in (9.0, 9.0, 9.0, 30.0, 2.0, 12.0)])


def test_memory_that_numpy_shares_is_read_at_every_iteration():
    array = kn.ones((2,)).numpy().copy()
    x = kn.asarray(array)
    f = kn.jit(halve)
    for value in (8.0, 8.0, 8.0, 64.0, 2.0**30):
        array[:] = value
        assert bits(f(x, scalar(1.0))) == bits(halve(x, scalar(1.0)))


@pytest.mark.usefixtures("interruptible")
def test_an_endless_loop_can_be_interrupted():
    def run(x, end):
        while x != end:
            x = x * 1.0
        return x

    f = kn.jit(run)
    same = scalar(2.0)
    f(same, same)
    climb = kn.jit(halve)
    for _ in range(4):
        climb(kn.asarray([64.0]), scalar(1.0))
    for g, arguments in ((climb, (kn.asarray([float("inf")]), scalar(1.0))),):
        before = arguments[0].tolist()
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        start = time.perf_counter()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            g(*arguments)
        timer.join()
        assert time.perf_counter() - start < 5
        assert arguments[0].tolist() == before
        assert bits(g(kn.asarray([64.0]), scalar(1.0))) == bits(halve(kn.asarray([64.0]), scalar(1.0)))


def test_threads_share_a_loop():
    f = kn.jit(halve)
    failures = []

    def work(n):
        for k in range(20):
            x, end = kn.asarray([2.0 ** (n + k)]), scalar(1.0)
            if bits(f(x, end)) != bits(halve(x, end)):
                failures.append((n, k))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_branches_on_data_are_chosen_among_or_taken():
    def climb(x, y, end):
        turns = lows = 0
        while kn.sum(y) < end:
            if x < 1:
                x, y, lows = x * 1.5, y + 1, lows + 1
            elif x > 3:
                x = x - 2.5
            else:
                x, y = x + 0.75, y * 1.25
            turns += 1
        return x, y, turns, lows

    starts = [(0.1, 9.0), (0.1, 9.0), (0.1, 9.0), (0.5, 90.0), (3.0, 1e6), (0.01, -1.0), (2.0, 300.0)]
    f = same_as_eager(climb, [(scalar(v), kn.asarray([0.5, 0.25]), scalar(e)) for v, e in starts])
    assert loops_of(f) >= 1
    before = runs(f)
    f(scalar(0.1), kn.asarray([0.5, 0.25]), scalar(1e9))
    assert runs(f) - before < 20


def chase(places, i, end):
    turns = 0
    while kn.sum(i) != end:
        i = places[i]
        turns += 1
    return i, turns


def test_indices_that_data_gives_are_checked_in_each_iteration():
    ring = [(n + 7) % 20 for n in range(20)]
    out = kn.asarray([*ring[:13], 99, *ring[14:]])
    f = kn.jit(chase)
    for start, end in ((0, 13), (0, 13), (0, 13), (1, 10), (5, 18), (4, 4)):
        assert bits(f(kn.asarray(ring), scalar(start), scalar(end))) == bits(chase(kn.asarray(ring), scalar(start), scalar(end)))
    assert loops_of(f) == 1
    for start in (0, 0, 1, 3, 0):
        with pytest.raises(IndexError) as plain:
            chase(out, scalar(start), scalar(-5))
        with pytest.raises(IndexError) as captured:
            f(out, scalar(start), scalar(-5))
        assert str(plain.value) == str(captured.value)


def test_an_index_that_its_guard_keeps_in_bounds():
    def walk(table, i, end):
        total = table[0] * 0
        while i < end:
            if i < 4:
                total = total + table[i]
            i = i + 1
        return total, i

    table = kn.asarray([1.0, 2.0, 4.0, 8.0])
    same_as_eager(walk, [(table, scalar(s), scalar(e)) for s, e in ((0, 6), (0, 6), (0, 6), (2, 9), (0, 3), (0, 30), (3, 40), (5, 9))])

    def until(table, i):
        while i < 4:
            i = i + table[i]
        return i

    steps = kn.asarray([1, 2, 1, 3])
    f = same_as_eager(until, [(steps, scalar(n % 4)) for n in range(60)])
    before = runs(f)
    f(steps, scalar(0))
    assert runs(f) - before < 10


def test_several_indices_of_data():
    def walk(table, i, j, end):
        turns = 0
        while turns < end:
            i, j = (i + table[i, j]) % 3, (j + 1) % 3
            if i == 7:
                break
            turns += 1
        return i, j

    table = kn.asarray([[1, 2, 1], [0, 2, 1], [2, 2, 0]])
    same_as_eager(walk, [(table, scalar(0), scalar(1), e) for e in (9,) * 4])


def test_loops_over_larger_data_that_change_places():
    def blend(x, y, end):
        turns = 0
        while kn.max(x) < end:
            x, y = y, x * 0.5 + y
            turns += 1
        return x, y, turns

    rng = np.random.default_rng(0)
    calls = [(kn.asarray(rng.random(n)), kn.asarray(rng.random(n)), scalar(e)) for n, e in ((9000, 9.0),) * 4 + ((9000, 1e6), (10, 1e9))]
    same_as_eager(blend, calls)


def test_random_numbers_in_a_branch():
    def walk(x, end):
        turns = 0
        while x < end:
            x = x + kn.random.uniform(()) if turns % 3 == 0 else x * 1.25
            turns += 1
        return x, turns

    f = kn.jit(walk)
    for end in (4.0, 4.0, 4.0, 90.0, 7.0):
        kn.manual_seed(3)
        plain = bits(walk(scalar(0.5), scalar(end))), kn.random.uniform(()).item()
        kn.manual_seed(3)
        assert (bits(f(scalar(0.5), scalar(end))), kn.random.uniform(()).item()) == plain


@pytest.mark.parametrize("seed", range(60))
def test_random_loops(seed):
    compare(seed, (4.0, 4.0, 4.0, 11.0, 1.0, 25.0, 0.0, 8.0))


def test_a_range_whose_end_data_gives(capsys):
    def run(x, n):
        for _ in range(int(n)):
            x = x * 0.5 + 1.0
        return x

    f = same_as_eager(run, [(floats(1, 2), scalar(n)) for n in (5, 5, 5, 7, 0, 100, 3, -2, 1)])
    assert told(f, capsys).recordings <= 2
    before = f.explain().loops[0].iterations
    f(floats(1, 2), scalar(1000))
    assert f.explain().loops[0].iterations - before > 900


def test_a_range_of_an_argument_that_changes(capsys):
    def run(x, first, end):
        total = 0
        for i in range(first, end, 3):
            if i % 2:
                continue
            x = x * 0.75 + i
            total += i
        else:
            total += 1000
        return x, total, i

    calls = [(floats(1, 2), 0, n) for n in (5, 5, 5, 7, 9, 100, 3, 1, 30, 31, 32, 33)]
    f = same_as_eager(run, calls + [(floats(1, 2), first, 20) for first in (1, 2, 3, 19)])
    assert told(f, capsys).recordings <= 7
    for _ in range(3):
        with pytest.raises(UnboundLocalError):
            f(floats(1, 2), 9, 9)


def test_ranges_that_count_down_and_are_left():
    def run(x, n):
        for i in range(n, -1, -2):
            x = x + i
            if kn.sum(x) > 60:
                break
        return x, i

    same_as_eager(run, [(floats(1, 2), n) for n in (5, 5, 5, 7, 9, 10, 3, 1, 0, 30, 31)])


def test_a_range_that_is_more_than_counted():
    def items(x, n):
        rows = [x, x * 2, x * 3]
        for i in range(n):
            x = x + rows[i]
        return x

    def kept(x, n):
        places = range(n)
        for i in places:
            x = x + i
        return x, len(places), places[-1]

    def numbered(x, n):
        for i, k in enumerate(range(n)):
            x = x + i * k
        return x, [j * 2 for j in range(n)]

    def stored(x, n):
        return [x * i for i in range(n)]

    for run in (items, kept, numbered, stored):
        same_as_eager(run, [(floats(1, 2), n) for n in (2, 2, 2, 3, 1, 2, 3)])


def test_rows_of_a_tensor_by_number():
    def run(x, n):
        total = x[0] * 0
        for i in range(n):
            total = total + x[i] * i
        return total

    same_as_eager(run, [(floats(*range(10)), n) for n in (4, 4, 4, 5, 10, 0, 1, 7)])
    f = kn.jit(run)
    for n in (4, 4, 4, 5):
        f(floats(*range(10)), n)
    with pytest.raises(IndexError):
        f(floats(*range(10)), 11)


def test_ranges_inside_of_one_another():
    def run(x, n, m):
        for i in range(n):
            for j in range(m):
                x = x + i * j
            x = x * 0.5
        return x

    same_as_eager(run, [(floats(1, 2), n, m) for n, m in ((2, 3), (2, 3), (2, 3), (3, 3), (2, 4), (5, 1), (0, 3), (4, 0))])


def test_true_is_a_bound_of_a_range():
    def run(x, n):
        for i in range(n):
            x = x + i + 1
        return x

    same_as_eager(run, [(floats(1, 2), n) for n in (True, True, 3, True, 2, False, 4)])


def test_a_mistake_of_the_recorders_own_is_told_and_python_runs(monkeypatch, capsys):
    from kiln import capture
    from kiln.capture import folding

    def fails(*_):
        raise IndexError("list index out of range")

    monkeypatch.setattr(capture, "strict", False)
    monkeypatch.setattr(folding, "fold", fails)
    seen = []

    def run(x):
        seen.append(1)
        return x + 1.0

    f = kn.jit(run)
    for _ in range(4):
        assert f(scalar(1.0)).item() == 2.0
    assert len(seen) == 4
    (reason,) = told(f, capsys).fallbacks
    assert "its recording failed, which is an error in Kiln: IndexError: list index out of range" in reason
