"""Replay: state that changes from call to call and needs no further recording, and what a recording checks for it."""

import threading

import pytest

import kiln as kn
from kiln import _core
from replays import floats, told


class Counter:
    steps = 0


def test_a_counter_of_a_class_is_an_input(capsys):
    @kn.jit
    def f(x):
        Counter.steps += 1
        return x * Counter.steps

    Counter.steps = 0
    for i in range(100):
        assert f(floats(2)).tolist() == [2 * (i + 1)]
    assert Counter.steps == 100
    assert told(f, capsys).recordings == 2


def test_the_length_of_a_list_that_grows_is_an_input(capsys):
    log = []

    @kn.jit
    def f(x):
        log.append(x)
        return x + len(log)

    for i in range(100):
        assert f(floats(1)).tolist() == [i + 2]
    assert len(log) == 100
    assert told(f, capsys).recordings == 2


def test_each_thread_has_its_own_locals(capsys):
    local = threading.local()

    @kn.jit
    def f(x):
        local.calls = getattr(local, "calls", 0) + 1
        return x * local.calls

    def work(results):
        results += [f(floats(1)).item() for _ in range(10)]

    all_results = [[] for _ in range(4)]
    for results in all_results:  # one after the other: which thread records is then known
        thread = threading.Thread(target=work, args=(results,))
        thread.start()
        thread.join()
    assert all_results == [[float(i) for i in range(1, 11)]] * 4
    assert told(f, capsys).replays > 30


def test_functions_that_a_replay_makes_are_each_their_own(capsys):
    @kn.jit
    def f(x):
        total = x * 2

        def add(y):
            nonlocal total
            total = total + y
            return total

        return add, lambda: total

    made = [f(floats(1)) for _ in range(6)]
    for i, (add, _) in enumerate(made):
        add(floats(i))
    assert [get().item() for _, get in made] == [2.0 + i for i in range(6)]
    assert told(f, capsys).replays == 4


def test_sorting_by_values_checks_the_order_alone(capsys):
    @kn.jit
    def f(x):
        return [i for _, i in sorted((float(v), i) for i, v in enumerate(x))]

    for i in range(50):
        assert f(floats(3 + i, 1 + i, 2 + i)) == [1, 2, 0]
    assert f(floats(0, 1, 2)) == [0, 1, 2]
    assert told(f, capsys).recordings == 2


def test_a_generator_that_has_more_to_do_when_it_is_dropped_is_left_to_python(capsys):
    log = []

    def values(x):
        try:
            yield x
        finally:
            log.append("end")

    f = kn.jit(lambda x: next(values(x)) * 2)
    for i in range(5):
        assert f(floats(1)).tolist() == [2]
        assert len(log) == i + 1
    assert any("left in the middle" in reason for reason in told(f, capsys).fallbacks)


def test_a_parameter_costs_three_checks(capsys):
    class Net(kn.nn.Module):
        def __init__(self, count):
            super().__init__()
            for i in range(count):
                setattr(self, f"p{i}", kn.nn.Parameter(floats(i)))

        def forward(self, x):
            for i in range(len(self._parameters)):
                x = x + getattr(self, f"p{i}")
            return x

    def checks(count):
        net = Net(count)
        f = kn.jit(lambda x: net(x))
        with kn.no_grad():
            for _ in range(3):
                assert f(floats(0)).item() == sum(range(count))
        return len(told(f, capsys).guards)

    assert checks(12) - checks(2) <= 3 * 10  # it hides nothing, is there, and is a Parameter


def test_a_function_that_was_given_up_is_recorded_after_cache_clear(capsys):
    @kn.jit
    def f(x, name):
        return x + len(name)

    for i in range(200):
        f(floats(0), "n" * i)
    f.cache_clear()
    for _ in range(5):
        assert f(floats(0), "abc").tolist() == [3]
    e = told(f, capsys)
    assert e.recordings == 1 and e.replays >= 3


@pytest.mark.parametrize("name", ["captured_records", "clear_captured", "replay_instructions", "stop_recording"])
def test_functions_of_captured_ones_refuse_others(name):
    with pytest.raises(TypeError, match=r"what kiln\.jit makes is wanted here, not int"):
        getattr(_core, name)(5)


def test_operators_that_wait_keep_the_default_dtype_of_their_call():
    def f(n):
        before = kn.mean(n)
        kn.set_default_dtype(kn.float64)
        try:
            return before, kn.mean(n), n / 3
        finally:
            kn.set_default_dtype(kn.float32)

    n = kn.asarray([1, 2, 4])
    expected = f(n)
    for mode in ("segments", "auto"):
        g = kn.jit(f, mode=mode)
        for _ in range(4):
            for made, wanted in zip(g(n), expected, strict=True):
                assert made.dtype is wanted.dtype and made.tolist() == wanted.tolist()


def test_calls_that_raise_do_not_keep_others_from_replaying(capsys):
    @kn.jit
    def f(x, n):
        if n < 0:
            raise ValueError("negative")
        return x * 2

    for n in (-1, -1, -1, -1, 1, 1, 1):
        if n < 0:
            with pytest.raises(ValueError, match="negative"):
                f(floats(1), n)
        else:
            assert f(floats(1), n).tolist() == [2]
    assert told(f, capsys).replays == 2
