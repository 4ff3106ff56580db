"""kn.auto(): hot undecorated code runs fused, and nothing else changes. (tests/capture runs every program under it, too.)"""

import gc
import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import kiln as kn
from kiln import _core

HOT = 400  # rounds, after which a loop has been found


def launches():
    return sum(kn.kernel_counters()["launches"].values())


def step(y, x):
    return kn.tanh(y + x * 0.01) * 1.5 - y * 0.5


def loop(rounds, x):
    y = x * 0
    for _ in range(rounds):
        y = step(y, x)
    return y


@pytest.fixture(autouse=True)
def timed_loops_pay(monkeypatch):
    """Whether a loop gains is measured, and tests are not to hang on the machine's mood: all is deferred, unless a test says otherwise."""
    before, kn.config.auto_rounds = kn.config.auto_rounds, 0
    yield
    assert not _core.auto_is_on()
    kn.config.auto_rounds = before


def test_rounds_of_a_hot_loop_are_one_kernel_each():
    x = kn.asarray(np.linspace(-1, 1, 5000, dtype=np.float32))
    expected = loop(HOT, x).numpy()
    kn.config.auto_rounds = 8
    used = []
    while len(used) < 5 and min(used, default=5 * HOT) >= 2.5 * HOT:  # on a busy machine it may look as if nothing were gained
        anew = types.FunctionType(loop.__code__, {**globals(), "step": types.FunctionType(step.__code__.replace(), globals())})
        with kn.auto():
            anew(HOT, x).numpy()
            before = launches()
            got = anew(HOT, x).numpy()
            used.append(launches() - before)
        kn.testing.assert_same_bits(got, expected)
    assert min(used) < 2.5 * HOT  # of 5 operators a round


def test_on_for_a_while_and_from_here_on():
    assert not _core.auto_is_on()
    with kn.auto() as scope:
        assert _core.auto_is_on() and "on" in repr(scope)
        with kn.auto(False):
            assert not _core.auto_is_on()
        assert _core.auto_is_on()
    assert not _core.auto_is_on()
    kn.auto()
    assert _core.auto_is_on() and kn.config.auto == 1
    kn.auto(False)
    assert not _core.auto_is_on() and kn.config.auto == 0
    kn.config.auto = 1
    assert _core.auto_is_on()
    kn.config.auto = 0
    with pytest.raises(TypeError, match=r"use kn\.jit"):
        kn.auto(loop)


def test_the_environment_turns_it_on():
    program = "import kiln as kn; print(kn._core.auto_is_on())"
    for value, expected in (("1", "True"), ("0", "False")):
        run = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "KILN_AUTO": value}, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == expected


def test_nothing_stays_pending_after_it():
    x = kn.ones((4,))
    with kn.auto():
        y = x + 1
        pending = launches()
    assert launches() > pending
    assert y.tolist() == [2, 2, 2, 2]


def test_it_does_not_look_as_if_a_captured_function_ran():
    seen = []
    with kn.auto():
        x = kn.ones((4,)) + 1
        seen.append(kn.is_tracing())
        kn.jit(lambda: seen.append(kn.is_tracing()), mode="segments")()
        x + 1
        seen.append(kn.is_tracing())
    assert seen == [False, True, False]


def test_captured_functions_are_captured_as_ever():
    f = kn.jit(lambda x: kn.exp(x) * 2 + 1)
    x = kn.asarray([0.5, -0.5])
    expected = (kn.exp(x * 3) * 2 + 1).tolist()
    with kn.auto():
        for _ in range(10):
            y = x * 3
            got = f(y)
    assert got.tolist() == expected
    assert f.explain().replays == 8


def test_disabled_functions_run_at_once():
    @kn.disable
    def f(x):
        before = launches()
        y = x + 1
        assert launches() > before
        return y

    with kn.auto():
        x = kn.ones((3,)) * 2
        assert f(x).tolist() == [3, 3, 3]
        before = launches()
        y = x + 5
        assert launches() == before
        assert y.tolist() == [7, 7, 7]


def test_what_a_thread_leaves_pending_runs_at_its_end():
    kept = []

    def work():
        x = kn.full((8,), float(threading.get_ident() % 7))
        kept.append((x, x * 2 + 1))

    with kn.auto():
        threads = [threading.Thread(target=work) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        before = launches()
        gc.collect()
        for x, y in kept:
            kn.testing.assert_same_bits(y.numpy(), x.numpy() * 2 + 1)
        assert launches() == before


def test_a_thread_that_was_running_takes_part_and_stops():
    ready, go, done = threading.Event(), threading.Event(), threading.Event()
    results = {}

    def work():
        x = kn.ones((3,))
        ready.set()
        go.wait()
        results["pending"] = x + 1
        done.set()
        stop.wait()
        results["after"] = results["pending"] * 2

    stop = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    with kn.auto():
        go.set()
        done.wait()
        assert results["pending"].tolist() == [2, 2, 2]  # another thread's
    stop.set()
    thread.join()
    assert results["after"].tolist() == [4, 4, 4]


def test_nothing_is_deferred_under_settrace():
    x = kn.ones((4,))
    with kn.auto():
        x + 1
        sys.settrace(lambda *_: None)
        try:
            before = launches()
            x + 2
            assert launches() > before
        finally:
            sys.settrace(None)


def test_fork_has_values():
    with kn.auto():
        x = kn.ones((4,)) * 3
        pid = os.fork()
        if pid == 0:
            os._exit(0 if (x + 1).tolist() == [4, 4, 4, 4] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert (x + 2).tolist() == [5, 5, 5, 5]


def test_an_export_inside_is_written_down():
    x = kn.ones((2, 3))
    with kn.auto():
        y = x * 2
        program = kn.export(lambda a: kn.exp(a) + y, x)
        got = program(x)
    kn.testing.assert_same_bits(got, kn.exp(x) + x * 2)


def test_a_large_program_keeps_its_memory_bounded():
    x = kn.ones((1 << 20,))
    with kn.auto():
        kn.reset_peak_memory()
        before = kn.memory_stats()["in_use"]
        kept = [x + i for i in range(200)]  # 800 MB that nobody reads
        assert kn.memory_stats()["in_use"] - before > 400 << 20  # has run, in parts
        assert kept[-1][0].item() == 200


TOLD = """
import kiln as kn
with kn.auto():
    x = kn.ones((3,)) + 1
    x.tolist()
told = kn.auto.explain()
assert told.name == "kn.auto" and told.traces
assert any("<string>:5" in flush["where"] for flush in told.flushes), told.flushes
"""


def test_explain_tells_programs_and_ends():
    environment = os.environ | {"KILN_AUTO_ROUNDS": "0"}  # all is deferred; in a process of its own, for it keeps so many programs
    run = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    assert "1 traces" in run.stdout


def test_without_gain_the_loop_is_left_alone():
    """Each round reads a value of each operator: there is nothing to fuse."""
    kn.config.auto_rounds = 8
    x = kn.asarray(1.0)
    with kn.auto():
        runs = sum(t.runs for t in kn.auto.explain().traces) + kn.auto.explain().untold_runs
        for _ in range(4000):
            x = x * 0.5 + 1
            float(x)
        later = sum(t.runs for t in kn.auto.explain().traces) + kn.auto.explain().untold_runs
    assert later - runs < 4000 + 500
    assert float(x) == pytest.approx(2.0)


@pytest.mark.parametrize("way", ["kn.jit", "kn.auto"])
def test_globals_need_no_builtins(way):
    """Those of a function that was given globals of its own have none; what it calls first, in a process, must not ask for them."""
    program = f"""
import types
import kiln as kn
code = (lambda x: (kn.tanh(x) * 2 + 1).astype(kn.float64).tolist()).__code__
x, f = kn.ones((4,)), types.FunctionType(code, {{"kn": kn}})
if "{way}" == "kn.jit":
    made = kn.jit(f)(x)
else:
    with kn.auto():
        made = f(x)
assert made == types.FunctionType(code, globals())(x)
"""
    environment = os.environ | {"KILN_AUTO_ROUNDS": "0"}
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
