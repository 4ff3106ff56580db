"""Iterations that recordings of loops leave out: neither what the call comes to nor later replays can tell."""

import os
import signal
import threading

import pytest

import kiln as kn
from kiln.capture import loops, skipping
from random_loops import compare
from replays import bits, loops_of, same_as_eager, same_gradients, scalar, told


@pytest.fixture
def skips(monkeypatch):
    """How often iterations were left out of a recording."""
    made = []
    go_on = skipping._go_on_with
    monkeypatch.setattr(skipping, "_go_on_with", lambda *args: made.append(args) or go_on(*args))
    return made


def test_random_loops_whose_recordings_leave_iterations_out(monkeypatch, skips):
    monkeypatch.setattr(skipping, "FIRST_TRY", 3)
    for seed in (407, *range(100, 140)):
        compare(seed, (14.0, 14.0, 24.0, 11.0, 1.0, 25.0, 8.0))
    assert len(skips) > 20


def test_a_long_loop_is_recorded_in_few_iterations(monkeypatch, skips, capsys):
    arrivals = []
    arrive = loops.arrive
    monkeypatch.setattr(loops, "arrive", lambda *args: arrivals.append(args) or arrive(*args))

    def climb(x, end, step):
        turns = 0
        while kn.max(x) < end:
            x = x + step
            if turns == 700:  # a way that none of the first iterations took
                x = x * 0.5
            turns += 1
        return x, turns

    long = kn.asarray([0.0, 1.0]), scalar(5000.0), scalar(1.0)
    f = same_as_eager(climb, [long, long, long, (long[0], scalar(20.0), scalar(2.0)), (long[0], scalar(900.0), scalar(0.5))])
    assert len(arrivals) < 60
    assert len(skips) == 2
    assert loops_of(f) == 1
    assert told(f, capsys).recordings == 1


def test_iterations_are_left_out_whatever_holds_what_they_change(skips):
    class Box:
        def __init__(self, value):
            self.value = value

    def steps(x):
        while True:
            x = x * 0.5
            yield x

    def in_variables(x, end):
        a, b, n, s = x, x * 2, 0, 1.5
        while kn.max(a) > end:
            a, b = b * 0.5, a
            n, s = n + 1, s * 0.5
        return a, b, n, s

    def in_a_tuple(x, end):
        state = (x, (0, 1.5))
        while kn.max(state[0]) > end:
            state = (state[0] * 0.5, (state[1][0] + 1, state[1][1] * 0.5))
        return state

    def in_containers(x, end):
        held, table, n = [x, 0], {"x": x}, 0
        while kn.max(held[0]) > end:
            held[0] = held[0] * 0.5
            table["x"], n = held[0] + table["x"] * n, n + 1
        return held, table["x"], n

    def in_an_instance(x, end):
        box, n = Box(x), 0
        while kn.max(box.value) > end:
            box.value = box.value * 0.5
            n += 1
        return box.value, n

    def in_a_cell(x, end):
        n = 0

        def halve():
            nonlocal x
            x = x * 0.5

        while kn.max(x) > end:
            halve()
            n += 1
        return x, n

    def in_a_generator(x, end):
        made, turns = steps(x), 0
        while kn.max(x) > end:
            x = next(made)
            turns += 1
        return x, turns

    def in_the_callers_frame(x, end):
        def inner(x, n):
            while kn.max(x) > end:
                x, n = x * 0.5, n + 1
            return x, n

        before = x
        y, n = inner(x, 3)
        return before + y, n

    for function in (in_variables, in_a_tuple, in_containers, in_an_instance, in_a_cell, in_a_generator, in_the_callers_frame):
        before = len(skips)
        calls = [(kn.asarray([1.0, 2.0]) * 2.0**n, scalar(1.0)) for n in (60, 60, 60, 61, 90, 2)]
        same_as_eager(function, calls)
        assert len(skips) > before, function.__name__


def test_draws_of_iterations_that_are_left_out(skips):
    def run(bound):
        tries, total = 0, kn.zeros((2,))
        while kn.sum(total) < bound:
            total = total + kn.random.uniform((2,))
            tries += 1
        return total, tries, kn.random.uniform((2,))

    outcomes = []
    for f in (run, kn.jit(run)):
        kn.manual_seed(5)
        outcomes.append([bits(f(scalar(b))) for b in (50.0, 50.0, 50.0, 90.0, 1.0, 200.0)] + [kn.random.get_state()])
    assert outcomes[0] == outcomes[1]
    assert skips


def test_a_loop_inside_of_another_leaves_iterations_out(skips):
    def run(x, end):
        outer = 0
        while kn.sum(x) < end:
            y, n = x, 0
            while kn.max(y) < 8.0:
                y, n = y + 0.125, n + 1
            x = x + y * 0.125 + n * 0.01
            outer += 1
        return x, outer

    same_as_eager(run, [(kn.asarray([1.0, 0.5]), scalar(e)) for e in (40.0, 40.0, 40.0, 30.0, 2.0, 12.0)])
    assert skips


def test_gradients_of_iterations_that_are_left_out(skips):
    def run(x):
        y, n = x, 0
        while y < 10.0:
            y, n = y * x, n + 1
        y.backward()
        return x.grad, n

    same_gradients(run, (1.0625, 1.0625, 1.0625, 1.25, 3.0, 1.0625))


@pytest.mark.usefixtures("interruptible")
def test_a_recording_in_an_endless_loop_can_be_interrupted():
    def run(x, end):
        while kn.max(x) > end:
            x = x * 1.0
        return x

    f, x, end = kn.jit(run), kn.asarray([2.0]), scalar(1.0)
    f(x, end * 4)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        f(x, end)
    timer.join()
    assert bits(f(x, end * 4)) == bits(x)
    assert x.tolist() == [2.0]
