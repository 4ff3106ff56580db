"""f.explain() says why each step is one, and why what it reads was not computed in it."""

import numpy as np
import pytest

import kiln as kn


def softmax(x):
    e = kn.exp(x - kn.max(x, axis=-1, keepdims=True))
    return e / kn.sum(e, axis=-1, keepdims=True)


def reasons(f, *args):
    jitted = kn.jit(f)
    jitted(*args)
    trace = jitted.explain().traces[-1]
    assert len(trace.reasons) == len(trace.steps)
    return trace.reasons


def test_operators_of_one_shape_are_one_kernel():
    (reason,) = reasons(lambda x: kn.relu(x * 2 + 1), kn.ones((7, 9)))
    assert reason == "3 operators in one kernel over (7, 9); 2 values are never in memory"


def test_rows_stay_in_the_cache():
    (reason,) = reasons(softmax, kn.ones((4, 8)))
    assert reason.startswith("5 operators in one kernel over (4, 8), a row at a time, which stays in the cache")


def test_a_reduction_of_what_nobody_reads_again():
    (reason,) = reasons(lambda x: kn.sum(x * x), kn.ones((4, 8)))
    assert reason == "2 operators in one kernel over (4, 8), reduced as it is computed; 1 value is never in memory"


APART = {
    "a library call": (lambda x: kn.relu(x @ x), (64, 64), "it is a step of its own"),
    "a view": (lambda x: (x * 2).T + 1, (8, 16), "it is read through a view, which looks at memory"),
    "long rows": (softmax, (64, 20000), "its rows are too long to stay in the cache"),
    "columns": (
        lambda x: x / kn.sum(x * 2, axis=0),
        (8, 16),
        "it reduces an axis that is not the last, so there is no row to keep in the cache",
    ),
    "few rows": (softmax, (1, 200000), "the reduction is cut over threads, into two kernels"),
    "another space": (lambda x: kn.exp(x[:, :4] * 2).sum(axis=0) * kn.sum(x * 2), (8, 4), "its iteration space is another one"),
}


@pytest.mark.parametrize("case", APART)
def test_what_keeps_values_apart(case):
    f, shape, why = APART[case]
    assert any(reason.endswith(f" from memory: {why}") or f" from memory: {why};" in reason for reason in reasons(f, kn.ones(shape)))


def test_a_routine_is_a_step_between_kernels():
    before, routine, after = reasons(lambda x: kn.sqrt(kn.cumulative_sum(x * 2 + 1, axis=1) + 1), kn.ones((4, 8)))
    assert routine == "a library routine: runs as in eager mode"
    assert "2 operators in one kernel" in before and "2 operators in one kernel" in after


def test_the_text_has_the_reasons(capsys):
    reasons(softmax, kn.ones((4, 8)))
    assert "5 operators in one kernel over (4, 8)" in capsys.readouterr().out


def test_steps_are_timed_on_request(capsys):
    f = kn.jit(lambda x: kn.relu(x @ x) + 1)
    x = kn.ones((64, 64))
    f(x)
    assert f.explain().traces[0].times == []
    try:
        kn.config.profile = 1
        f(x)
    finally:
        kn.config.profile = 0
    (trace,) = f.explain().traces
    assert len(trace.times) == len(trace.costs) == len(trace.steps) == 2 and all(t > 0 for t in trace.times)
    assert " us\n" in capsys.readouterr().out
    f(x)
    assert f.explain().traces[0].times == trace.times


def test_bytes_of_memory_and_of_traffic():
    f = kn.jit(lambda x: kn.exp(kn.relu(x @ x)) @ x)
    f(kn.ones((64, 64)))
    (trace,) = f.explain().traces
    one = 64 * 64 * 4
    assert [c for _, c in trace.costs] == [True, False, True]
    assert trace.moved_bytes == trace.least_bytes == trace.costs[1][0] == 2 * one
    assert trace.live_bytes == trace.arena_bytes == one  # exp's result is where the product was


def test_an_input_that_ends_lends_its_memory():
    state = {"momentum": kn.zeros((200, 50))}

    @kn.jit
    def step(gradient):
        state["momentum"] = state["momentum"] * 0.9 + gradient

    gradient = kn.ones((200, 50))
    for _ in range(3):
        step(gradient)
    kn.testing.assert_close(state["momentum"], np.full((200, 50), 1 + 0.9 * (1 + 0.9), np.float32))
    (trace,) = step.explain().traces
    assert trace.lent_bytes == 4 * 200 * 50
    assert "0.04 MB in the memory of inputs that end here" in str(step.explain())


def test_each_step_knows_the_lines_that_it_computes():
    def f(x, w):
        h = x @ w
        y = kn.exp(h) + 1
        return kn.sum(y)

    first = f.__code__.co_firstlineno
    for mode in ("segments", "auto"):
        jitted = kn.jit(f, mode=mode)
        for _ in range(4):
            jitted(kn.ones((4, 8)), kn.ones((8, 8)))
        trace = jitted.explain().traces[0]
        assert [int(line.rpartition(":")[2]) - first for line in trace.lines] == [1, 2, 2, 3]
        assert all("test_explain.py" in line for line in trace.lines)
        assert trace.calls == [[0], [1, 2, 3]]


def test_lines_of_a_program_that_came_later_are_told_too():
    f = kn.jit(lambda x: kn.exp(x) * 2, mode="segments")
    for n in (3, 3, 4, 4, 5, 5):
        f(kn.ones((n,)))
    assert all(len(trace.lines) == 2 for trace in f.explain().traces)


def test_steps_that_passes_add_belong_to_the_call_that_they_are_for():
    f = kn.jit(lambda x: kn.sum(x, axis=(0, 2)) + 1, mode="segments")  # a reduction over scattered axes becomes two
    f(kn.ones((3, 4, 5)))
    trace = f.explain().traces[0]
    assert len(trace.steps) > 1
    assert sorted({call for calls in trace.calls for call in calls}) == [0, 1]
    assert all(trace.calls)
