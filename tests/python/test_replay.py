"""Replay: when calls run without Python, what explain() tells of it, and what happens around it: threads, fork, interrupts, errors."""

import collections
import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

import kiln as kn
from replays import floats, told
from threads import run_in_threads

SCALE = 2.0


def test_the_second_call_is_recorded_and_the_third_replayed(capsys):
    @kn.jit
    def f(x):
        return x * 3 + 1

    x = floats(1, 2)
    for _ in range(5):
        assert f(x).tolist() == [4, 7]
    e = told(f, capsys)
    assert (e.calls, e.replays, e.recordings) == (5, 3, 1)
    assert not e.fallbacks and not e.rerecordings
    assert "3 calls ran without Python" in str(e)


def test_one_recording_serves_any_length_and_dtype(capsys):
    @kn.jit
    def f(x):
        return kn.sum(x * 2, axis=-1)

    for n in range(1, 200):
        assert f(kn.ones((n,))).item() == 2 * n
    assert f(kn.ones((3, 4), dtype=kn.float64)).tolist() == [8.0] * 3
    assert told(f, capsys).recordings == 1


def test_lengths_that_python_reads_take_at_most_three_recordings(capsys):
    @kn.jit
    def f(x):
        rows, columns = x.shape
        return x.reshape(rows * columns) * columns

    for n in range(2, 200):
        assert f(kn.ones((n, 3))).shape == (3 * n,)
    assert told(f, capsys).recordings <= 3


def test_explain_names_what_changed_and_its_values(capsys):
    global SCALE

    @kn.jit
    def f(x):
        return x * SCALE

    try:
        for SCALE in (2.0, 2.0, 2.0, 5.0, 7.0, 9.0):
            assert f(floats(1)).tolist() == [SCALE]
        e = told(f, capsys)
        (again,) = e.rerecordings
        assert (again.path, again.before, again.now) == ("global SCALE", "2.0", "5.0")
        assert "global SCALE == 2.0" in e.guards
        assert e.replays == 3
    finally:
        SCALE = 2.0


def test_explain_says_once_why_python_runs_with_the_line(capsys):
    def f(x):
        print("here")
        return x + 1

    captured = kn.jit(f)
    for _ in range(6):
        captured(floats(1))
    e = told(captured, capsys)
    assert e.replays == 0
    (reason,) = e.fallbacks
    assert reason.endswith("it calls print, which is not known to do nothing but compute")
    assert f"test_replay.py:{f.__code__.co_firstlineno + 1}: " in reason


def test_modes_and_their_names(capsys):
    for mode, replays in (("auto", 2), ("replay", 2), ("segments", 0), ("eager", 0)):
        f = kn.jit(lambda x: x + 1, mode=mode)
        for _ in range(4):
            assert f(floats(1)).tolist() == [2]
        assert told(f, capsys).replays == replays
    with pytest.raises(ValueError, match="modes are 'auto', 'replay', 'segments', 'eager'"):
        kn.jit(lambda x: x, mode="fast")


def test_an_exception_shows_the_users_line_and_leaves_what_eager_leaves():
    state = []

    @kn.jit
    def f(x, y):
        state.append(1)
        z = x + 1
        return z + y  # the line

    x = floats(1, 2)
    for _ in range(4):
        f(x, x)
    assert len(state) == 4
    with pytest.raises(ValueError, match="do not broadcast") as caught:
        f(x, floats(1, 2, 3))
    assert len(state) == 5
    lines = [(t.name, t.lineno - f.__wrapped__.__code__.co_firstlineno) for t in caught.traceback]
    assert lines[-1][0] == "f" and lines[-1][1] + 1 == 4


def test_random_draws_are_those_of_eager():
    def f(x):
        return x + kn.random.uniform((2,)), kn.random.normal((2,))

    outcomes = []
    for g in (f, kn.jit(f)):
        kn.manual_seed(3)
        outcomes.append([tuple(t.tolist() for t in g(floats(0, 0))) for _ in range(5)] + [kn.random.get_state()])
    assert outcomes[0] == outcomes[1]


def test_a_training_step_replays_with_the_bits_of_eager(capsys):
    def weights(wrap):
        kn.manual_seed(0)
        model = kn.nn.Sequential(kn.nn.Linear(4, 8), kn.nn.ReLU(), kn.nn.Linear(8, 3))
        optimizer = kn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        @wrap
        def step(x, t):
            optimizer.zero_grad()
            loss = kn.nn.functional.cross_entropy(model(x), t)
            loss.backward()
            optimizer.step()
            return loss.detach()

        losses = [step(kn.random.normal((5, 4)), kn.asarray([0, 1, 2, 0, 1])).item() for _ in range(8)]
        return step, losses, [p.detach().numpy().tobytes() for p in model.parameters()]

    _, losses, plain = weights(lambda f: f)
    step, captured_losses, captured = weights(kn.jit)
    assert captured_losses == losses and captured == plain
    assert told(step, capsys).replays >= 4


def test_an_inplace_write_is_seen_through_every_view(capsys):
    @kn.jit
    def f(x):
        x += 1
        return x[0]

    x = floats(0, 10)
    view = x[1:]
    for i in range(1, 6):
        assert f(x).item() == i
    assert view.tolist() == [15]
    assert told(f, capsys).replays == 3


def test_two_arguments_that_become_one(capsys):
    @kn.jit
    def f(x, y):
        x += 1
        return x + y

    @kn.jit
    def g(x, y):  # the check comes behind what was computed already
        x += 1
        y *= 2
        return x + y, x is y

    def is_right(x, y, of_f, of_g):
        assert f(x, y).tolist() == [of_f]
        total, is_one = g(x, y)
        assert (total.tolist(), is_one) == ([of_g], x is y)

    for n in range(24):
        x = floats(1)
        is_right(x, floats(10), 12, 23)
        if n > 4:
            is_right(x, x, 8, 20)
    assert told(f, capsys).recordings == 1
    e = told(g, capsys)
    assert e.recordings == 2 and e.replays == e.calls - 3
    assert "argument 0 is argument 1 was False, is True" in str(e)


def test_memory_that_numpy_sees_is_read_at_every_call():
    @kn.jit
    def f(x):
        return x * 2

    a = np.ones(4, np.float32)
    x = kn.asarray(a, copy=False)
    for i in range(6):
        a[:] = i
        assert f(x).tolist() == [2.0 * i] * 4


def test_threads_share_one_recording():
    @kn.jit
    def f(x):
        return (x * SCALE + 1).sum()

    inputs = [kn.full((64,), i, dtype=kn.float32) for i in range(4)]
    expected = [64 * (2.0 * i + 1) for i in range(4)]
    wrong = []

    def work(i):
        for _ in range(300):
            if f(inputs[i]).item() != expected[i]:
                wrong.append(i)

    run_in_threads(work, 4)
    assert not wrong


def test_a_child_process_replays():
    f = kn.jit(lambda x: x * 2)
    for _ in range(4):
        f(floats(1))
    child = os.fork()
    if child == 0:
        os._exit(0 if f(floats(4)).tolist() == [8] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_interrupt_leaves_a_state_that_eager_could_leave():
    """Whenever it comes, also while a call is being recorded: either nothing of the call has happened, or what comes first has."""

    class Counter:
        def __init__(self):
            self.first = self.second = 0

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    draw = random.Random(0)
    try:
        for _ in range(300):
            counter = Counter()

            @kn.jit
            def f(x, counter=counter):
                counter.first += 1
                for _ in range(5):
                    x = x * 1.5
                counter.second += 1
                return x

            f(floats(1))
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-5, 1e-3))
                    f(floats(1))
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                pass
            assert (counter.first, counter.second) in ((1, 1), (2, 1), (2, 2))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_function_that_is_never_the_same_is_left_to_python(capsys):
    @kn.jit
    def f(x, name):
        return x + len(name)

    for i in range(200):
        assert f(floats(0), "n" * i).tolist() == [i]
    e = told(f, capsys)
    assert e.recordings <= 12
    assert any("recordings were made" in reason for reason in e.fallbacks)


def test_recordings_die_with_their_function():
    import gc
    import weakref

    class Holder:
        pass

    holder = Holder()
    holder.k = 2.0

    def make(holder):
        @kn.jit
        def f(x):
            return x * holder.k

        for _ in range(4):
            f(floats(1))
        return weakref.ref(f)

    gone = make(holder)
    alive = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None and alive() is None


def test_cache_clear_records_anew(capsys):
    f = kn.jit(lambda x: x + 1)
    for _ in range(4):
        f(floats(1))
    f.cache_clear()
    for _ in range(3):
        assert f(floats(1)).tolist() == [2]
    assert told(f, capsys).recordings == 1


def test_the_log_says_it_in_one_line_once():
    program = """
import kiln as kn
@kn.jit
def f(x):
    print("hello")
    return x
for _ in range(5): f(kn.ones(2))
"""
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ, "KILN_LOG": "1"}, capture_output=True, text=True, check=True)
    assert run.stderr.count("kiln: f runs in Python: ") == 1 and "<string>:5: it calls print" in run.stderr


def _pop_and_put_back(d):
    d["k"] = d.pop("k") + 1


def _clear(d):
    k = d["k"]
    d.clear()
    d["k"] = k + 1


CHANGES = {
    "item": lambda d: d.__setitem__("k", d["k"] + 1),
    "update": lambda d: d.update(k=d["k"] + 1),
    "union": lambda d: d.__ior__({"k": d["k"] + 1}),
    "pop": _pop_and_put_back,
    "clear": _clear,
    "delete and set default": lambda d: (d.update(old=d.pop("k")), d.setdefault("k", d["old"] + 1)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_found_is_looked_for_again_where_a_dict_has_changed(change):
    table, box, other = {"k": 1}, type("Box", (), {})(), type("Box", (), {})()
    box.k, other.k = 1, 50

    @kn.jit
    def f(x, which):
        return x * table["k"] + which.k * 10

    x = floats(1)
    for _ in range(5):  # the same instruction looks at two objects in turns
        assert f(x, box).item() == 11
        assert f(x, other).item() == 501
    for n in range(2, 8):
        change(table)
        change(vars(box))
        assert f(x, box).item() == 11 * n
        assert f(x, other).item() == 500 + n


def test_the_order_of_an_ordered_dict_changes_without_its_items():
    table = collections.OrderedDict(a=1, b=2)

    @kn.jit
    def f(x):
        return x * next(iter(table.values()))

    x = floats(1)
    assert [f(x).item() for _ in range(5)] == [1] * 5
    table.move_to_end("a")
    assert [f(x).item() for _ in range(3)] == [2] * 3


def test_a_slot_that_is_filled_later_and_a_class_that_gets_an_attribute_are_seen():
    class Slotted:
        __slots__ = ("__dict__", "late")

    thing = Slotted()
    thing.early = 1

    @kn.jit
    def f(x):
        late = getattr(thing, "late", 0)
        return x + late + thing.early + getattr(thing, "of_class", 0)

    x = floats(0)
    assert [f(x).item() for _ in range(5)] == [1] * 5
    thing.late = 10
    assert [f(x).item() for _ in range(3)] == [11] * 3
    Slotted.of_class = 100
    assert [f(x).item() for _ in range(3)] == [111] * 3
    thing.of_class = 200
    assert [f(x).item() for _ in range(3)] == [211] * 3
    del thing.of_class, Slotted.of_class, thing.late
    assert [f(x).item() for _ in range(3)] == [1] * 3


def test_recordings_part_where_they_asked_something_else(capsys):
    """The first check that another recording makes in its place holds in both: a replay goes on with whichever fits to the end."""

    class Falling:
        def __getattr__(self, name):
            return 5.0

    state = Falling()

    @kn.jit
    def f(x):
        return x * state.scale

    for scale in (2.0, 5.0) * 5:
        vars(state).update({"scale": 2.0} if scale == 2.0 else {})
        for _ in range(4):
            assert f(floats(1)).tolist() == [scale]
        vars(state).clear()
    assert told(f, capsys).recordings <= 4
