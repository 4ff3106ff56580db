"""kiln.jit: a decorated function cannot be told from the plain one but by speed."""

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import warnings

import numpy as np
import pytest

import kiln as kn
from interrupts import deliver_interrupts
from threads import run_in_threads


def same(a, b) -> None:
    kn.testing.assert_same_bits(a, b)


def array(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def tensor(shape, seed=0):
    return kn.asarray(array(shape, seed), copy=True)


BACKENDS = ["interpreter", "asmjit", "llvm"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fused_function_gives_eager_bits(backend):
    def f(x, w):
        h = kn.tanh(x * w + 0.5)
        return kn.sum(h * h, axis=1), kn.exp(h) / kn.sum(kn.exp(h), axis=1, keepdims=True)

    x, w = tensor((33, 70)), tensor((70,), 1)
    for got, expected in zip(kn.jit(f, backend=backend)(x, w), f(x, w), strict=True):
        same(got, expected)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_training_steps_leave_the_same_weights(backend, threads):
    kn.set_num_threads(threads)

    def train(wrap):
        kn.manual_seed(3)
        net = kn.nn.Sequential(kn.nn.Conv2d(1, 16, 3), kn.nn.ReLU(), kn.nn.MaxPool2d(2), kn.nn.Flatten(), kn.nn.Linear(144, 10))
        optimizer = kn.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)

        def step(x, y):
            optimizer.zero_grad()
            loss = kn.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        labels = np.arange(8) % 10
        losses = [step(tensor((8, 1, 8, 8), i), kn.asarray(labels)).item() for i in range(6)]
        return losses, [p.detach().numpy().tobytes() for p in net.parameters()], step

    losses, weights, _ = train(lambda f: f)
    jit_losses, jit_weights, step = train(lambda f: kn.jit(f, backend=backend))
    assert losses == jit_losses and weights == jit_weights
    explanation = step.explain()
    assert not explanation.flushes and not explanation.fallbacks
    assert len(explanation.traces) == 2  # the first step makes the momentum buffers


def test_the_forced_back_end_runs_the_kernels():
    x = tensor((100,))
    before = kn.kernel_counters()["launches"]
    kn.jit(lambda x: kn.exp(x) * 2, backend="llvm")(x).numpy()
    after = kn.kernel_counters()["launches"]
    assert after["llvm"] == before["llvm"] + 1 and after["asmjit"] == before["asmjit"]


@pytest.mark.parametrize("backend", ["interpreter", "asmjit", "llvm"])
def test_the_forced_back_end_runs_every_kernel_of_a_training_step(backend):
    model = kn.nn.Sequential(
        kn.nn.Conv2d(1, 8, 3), kn.nn.ReLU(), kn.nn.Conv2d(8, 16, 3), kn.nn.ReLU(), kn.nn.MaxPool2d(2), kn.nn.Flatten(), kn.nn.Linear(64, 10)
    )
    optimizer = kn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    @kn.jit(backend=backend)
    def step(x, y):
        optimizer.zero_grad()
        loss = kn.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = tensor((4, 1, 8, 8)), kn.asarray(np.arange(4))
    step(x, y)  # makes the momentum
    before = kn.kernel_counters()["launches"]
    for _ in range(3):
        step(x, y)
    after = kn.kernel_counters()["launches"]
    launched = {name: after[name] - before[name] for name in after}
    trace = step.explain().traces[-1]
    assert trace.runs == 3 and len(trace.flushes) == 1, "one graph, no flush in it"
    of_libraries = sum(not line.startswith("kernel") for line in trace.steps)  # contractions and reorders between their layouts
    assert launched.pop(backend) == 3 * (trace.launches - of_libraries) > 0
    assert set(launched.values()) == {0}, f"others ran kernels: {launched}"


def test_without_onednn_a_deferred_convolution_fails_at_its_line():
    code = """
import kiln as kn
log = []
@kn.jit
def f(x, w):
    log.append("before")
    y = kn.conv2d(x, w)
    log.append("after")
    return y
for call in (f, f.__wrapped__):
    try:
        call(kn.ones((1, 1, 5, 5)), kn.ones((1, 1, 3, 3)))
    except RuntimeError as error:
        print(log, "need oneDNN" in str(error))
    log.clear()
print(f(kn.ones((0, 1, 5, 5)), kn.ones((1, 1, 3, 3))).shape)
"""
    environment = {**os.environ, "KILN_DNNL": "/nowhere/libdnnl.so"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["['before'] True", "['before'] True", "(0, 1, 3, 3)"]


@pytest.mark.parametrize("shape", [(3, 3), (64, 64), (4, 4, 4), (1, 1)], ids=str)
def test_results_of_rows_beside_square_operands(shape):
    functions = [
        lambda x: x + x.sum(axis=1),
        lambda x: x - x.max(axis=0),
        lambda x: kn.exp(x) / kn.exp(x).sum(axis=1) + x.max(axis=1, keepdims=True),
        lambda x: (x + x.mean(axis=1)).sum(axis=1),
        lambda x: x.sum(axis=1, keepdims=True) + x.sum(axis=1),
    ]
    for f in functions:
        same(kn.jit(f)(tensor(shape)), f(tensor(shape)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_kernel_writes_in_another_order_it_does_not_read(backend):
    """The gradient of x[::-1] is written backwards, beside one that the same kernel could compute."""
    w, x = tensor((64,)), tensor((64,), seed=1).requires_grad_()

    def slope(w):
        x.grad = None
        y = x[::-1] * 0.5 + x * 3
        kn.sum(y * w).backward()
        return x.grad

    same(kn.jit(slope, backend=backend, mode="segments")(w), slope(w))


def test_an_unknown_back_end_is_an_error():
    with pytest.raises(ValueError, match="backend must be auto"):
        kn.jit(lambda x: x, backend="gpu")


def test_decorating_keeps_names_and_methods():
    class Model:
        def __init__(self):
            self.w = tensor((3,))

        @kn.jit
        def forward(self, x):
            "Scales."
            return x * self.w

    m = Model()
    assert Model.forward.__name__ == "forward" and Model.forward.__doc__ == "Scales."
    same(m.forward(tensor((3,), 1)), tensor((3,), 1) * m.w)


def scaled(x, k=2.0):
    return x * k


scaled = kn.jit(scaled)


def test_a_captured_function_is_pickled_by_its_name_and_keeps_its_options():
    assert pickle.loads(pickle.dumps(scaled)) is scaled
    net = kn.jit(kn.nn.Linear(4, 2), backend="asmjit")
    twin = pickle.loads(pickle.dumps(net))
    same(twin(tensor((3, 4))), net(tensor((3, 4))))
    assert twin.__reduce__()[0].keywords == net.__reduce__()[0].keywords


def test_modules_and_partials_and_options_can_be_captured():
    net = kn.nn.Linear(4, 2)
    same(kn.jit(net)(tensor((3, 4))), net(tensor((3, 4))))

    @kn.jit(backend="asmjit")
    def f(x, *, k=2):
        return x * k

    same(f(tensor((3,)), k=5), tensor((3,)) * 5)


def test_python_state_is_never_stale():
    scale = [1.0]
    f = kn.jit(lambda x: x * scale[0])
    x = tensor((5,))
    for s in (1.0, 3.0, -0.0):
        scale[0] = s
        same(f(x), x * s)


def test_reading_a_value_runs_what_is_pending():
    @kn.jit
    def f(x):
        y = x * 2
        return y + 1 if y[0].item() > 0 else y - 1

    for first in (1.0, -1.0):
        x = kn.asarray([first, 2.0])
        same(f(x), x * 2 + (1 if first > 0 else -1))
    flush = f.explain().flushes[0]
    assert "test_jit.py" in flush["where"] and flush["reason"]


def test_fullgraph_refuses_to_end_early_and_names_the_line():
    @kn.jit(fullgraph=True)
    def f(x):
        return float(kn.sum(x * 2)) + 1

    with pytest.raises(RuntimeError, match=r"fullgraph=True.*test_jit\.py:\d+"):
        f(tensor((3,)))


def test_fullgraph_replays_and_still_refuses():
    limit = 1.0

    @kn.jit(fullgraph=True)
    def f(x):
        y = kn.tanh(x) * limit
        return y * float(kn.sum(y)) if limit > 5 else y

    x = tensor((3,))
    for _ in range(200):
        same(f(x), kn.tanh(x))
    assert f.explain().replays > 100 and f.explain().way != "eager"
    limit = 6.0
    for _ in range(20):
        with pytest.raises(RuntimeError, match=r"fullgraph=True.*test_jit\.py:\d+"):
            f(x)
    limit = 1.0
    same(f(x), kn.tanh(x))


def test_fullgraph_goes_round_a_loop_of_numbers():
    def run(x, n):
        for _ in range(n):
            x = x * 0.5 + 1
        return x

    f = kn.jit(run, fullgraph=True)
    for n in (3, 3, 3, 5, 9, 2, 40, 0, 7, 7):
        same(f(tensor((3,)), n), run(tensor((3,)), n))


def test_random_draws_are_eagers():
    def f(x):
        return x + kn.random.normal((4,)), kn.random.uniform((3,))

    kn.manual_seed(7)
    expected = [f(tensor((4,))) for _ in range(3)]
    kn.manual_seed(7)
    g = kn.jit(f)
    for pair in expected:
        for a, b in zip(g(tensor((4,))), pair, strict=True):
            same(a, b)


def test_an_exception_leaves_what_eager_would_leave():
    def f(x, log):
        x += 1
        log.append(1)
        x *= 2
        if len(log) < 5:
            raise ValueError("stop")
        x += 100

    for wrap in (lambda f: f, kn.jit):
        x, log = kn.asarray([1.0, 2.0]), []
        with pytest.raises(ValueError, match="stop"):
            wrap(f)(x, log)
        same(x, kn.asarray([4.0, 6.0]))
        assert log == [1]


def bad_calls():
    leaf = tensor((3,)).requires_grad_()
    read_only = array((3,))
    read_only.flags.writeable = False
    frozen = kn.asarray(read_only, copy=False)
    return {
        "shapes": (lambda: tensor((2, 3)) + tensor((4,)), ValueError, r"\(2, 3\).*\(4,?\)"),
        "matmul": (lambda: tensor((2, 3)) @ tensor((4, 5)), ValueError, r"\(2, 3\).*\(4, 5\)"),
        "dtype": (lambda: kn.bitwise_and(tensor((3,)), 1), TypeError, "float32"),
        "arguments": (lambda: kn.exp(), TypeError, "exp"),
        "axis": (lambda: kn.sum(tensor((2, 3)), axis=5), IndexError, "axis"),
        "leaf": (lambda: leaf.__iadd__(1), RuntimeError, "requires grad"),
        "read-only": (lambda: frozen.__iadd__(1), ValueError, "read-only"),
        "target": (lambda: kn.nn.functional.cross_entropy(tensor((2, 3)), kn.asarray([0, 3])), IndexError, "target 3"),
    }


@pytest.mark.parametrize("wrap", [lambda f: f, kn.jit], ids=["eager", "compiled"])
@pytest.mark.parametrize("case", list(bad_calls()))
def test_bad_input_is_an_error_that_changes_nothing(case, wrap):
    call, exception, message = bad_calls()[case]
    x = tensor((3,))

    def f():
        y = x * 2
        try:
            call()
        finally:
            x.__imul__(3)
        return y

    with pytest.raises(exception, match=message):
        wrap(f)()
    same(x, tensor((3,)) * 3)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)])
def test_empty_tensors_work(shape):
    def f(x):
        return kn.exp(x) + 1, kn.sum(x, axis=0), kn.sum(x), kn.reshape(x, (-1, 1)) if x.size(0) else x

    x = tensor(shape)
    for a, b in zip(kn.jit(f)(x), f(x), strict=True):
        same(a, b)


def test_a_numpy_array_written_after_the_call_does_not_change_the_result():
    a = array((4,))
    expected = a * 2
    t = kn.asarray(a, copy=False)
    y = kn.jit(lambda t: t * 2)(t)
    a[0] = 9
    assert (y.numpy() == expected).all()


def test_a_numpy_array_written_between_use_and_return():
    def f(t, a):
        y = t * 2
        a[0] = 9
        return y, t * 3

    for wrap in (lambda f: f, kn.jit):
        a = np.ones(4, np.float32)
        y, z = wrap(f)(kn.asarray(a, copy=False), a)
        assert y.numpy().tolist() == [2, 2, 2, 2] and z.numpy().tolist() == [27, 3, 3, 3]


def test_a_view_taken_inside_and_written_before_the_end():
    def f(x):
        y = x * 2
        view = x.numpy()  # x is read by what is pending
        view[0] = 100
        return y, x + 1

    for wrap in (lambda f: f, kn.jit):
        y, z = wrap(f)(kn.asarray([1.0, 2.0], copy=True))
        assert y.tolist() == [2, 4] and z.tolist() == [101, 3]


def test_writes_to_shared_memory_are_seen_at_once():
    def f(t, a):
        t += 1
        first = float(a[0])
        t *= 2
        return first

    for wrap in (lambda f: f, kn.jit):
        a = np.zeros(3, np.float32)
        t = kn.asarray(a, copy=False)
        assert wrap(f)(t, a) == 1.0
        assert a.tolist() == [2, 2, 2]


def test_large_shared_arrays_are_read_at_the_call():
    a = np.ones(1 << 19, np.float32)  # 2 MB

    def f(t):
        y = t + 1
        a[0] = 5
        return y * 2

    same(kn.jit(f)(kn.asarray(a, copy=False))[:2], kn.asarray([4.0, 4.0], dtype=kn.float32))


def test_aliases_and_views_written_in_place():
    def f(x):
        head, tail = x[:3], x[1:]
        head += 10
        tail[...] = head
        x[::2] *= -1
        y = x + 0
        x[0] = 99
        return y, tail * 2, kn.sum(head)

    a, b = tensor((4,)), tensor((4,))
    for p, q in zip(kn.jit(f)(a), f(b), strict=True):
        same(p, q)
    same(a, b)


def test_two_arguments_that_are_one():
    def f(x, y):
        x += 1
        return x * y

    g = kn.jit(f)
    for alias in (False, True, False):
        a, b = tensor((3,)), tensor((3,))
        x, y = (a, a) if alias else (a, tensor((3,), 5))
        u, v = (b, b) if alias else (b, tensor((3,), 5))
        same(g(x, y), f(u, v))


def test_results_dropped_inside_are_not_computed_for_nothing():
    @kn.jit
    def f(x):
        kn.exp(x)
        return x + 1

    f(tensor((4,)))
    assert f.explain().traces[0].kernels == 1


def test_gradients_of_captured_functions():
    f = kn.jit(lambda x: kn.sum(kn.tanh(x) * x))
    x, y = tensor((6,)).requires_grad_(), tensor((6,)).requires_grad_()
    f(x).backward()
    kn.sum(kn.tanh(y) * y).backward()
    same(x.grad, y.grad)
    same(kn.jit(kn.grad(f))(tensor((6,))), kn.grad(f)(tensor((6,))))


def test_nested_captures_and_disabled_functions():
    inner = kn.jit(lambda x: x * 2)
    seen = []

    @kn.disable
    def outside(x):
        seen.append(kn.is_tracing())
        return x + 1

    f = kn.jit(lambda x: outside(inner(x)) * 3)
    same(f(tensor((3,))), (tensor((3,)) * 2 + 1) * 3)
    assert seen == [False]


def test_generators_run_eagerly():
    @kn.jit
    def f(x):
        for i in range(3):
            yield x * i

    for i, y in enumerate(f(tensor((2,)))):
        same(y, tensor((2,)) * i)


def test_a_tensor_kept_outside_has_its_value():
    kept = []

    @kn.jit
    def f(x):
        kept.append(x * 2)
        return x + 1

    f(tensor((3,)))
    gc.collect()
    same(kept[0], tensor((3,)) * 2)


def test_one_program_serves_all_calls():
    f = kn.jit(lambda x, k: x * k + k)
    for k in range(10):
        f(tensor((5,)), k)
    assert len(f.explain().traces) == 1 and f.explain().recompiles == 0


def test_explain_and_lower_tell_what_ran():
    f = kn.jit(lambda x: kn.sum(kn.exp(x) * 2))
    text = f.lower(tensor((50,))).as_text("graph")
    assert "exp" in text and "sum" in text
    assert "reduce" in f.lower(tensor((50,))).as_text("kernels")
    assert "vaddps" in f.lower(tensor((50,))).as_text("asm")
    assert "define" in f.lower(tensor((50,))).as_text("llvm")
    assert "1 kernels" in str(f.explain())
    with pytest.raises(ValueError, match="kernels"):
        f.lower(tensor((50,))).as_text("fortran")


def test_threads_share_one_function():
    f = kn.jit(lambda x: kn.sum(kn.tanh(x) * 3, axis=1))
    inputs = [tensor((40, 50), i) for i in range(8)]
    expected = [(kn.sum(kn.tanh(x) * 3, axis=1)).numpy().tobytes() for x in inputs]
    wrong = []

    def work(i):
        for _ in range(50):
            if f(inputs[i]).numpy().tobytes() != expected[i]:
                wrong.append(i)

    run_in_threads(work, 8)
    assert not wrong


def test_another_thread_reads_a_pending_value():
    box, ready, done = [], threading.Event(), threading.Event()

    def reader():
        ready.wait()
        box.append(box[0].tolist())
        done.set()

    @kn.jit
    def f(x):
        box.append(x * 2)
        ready.set()
        done.wait()
        return x + 1

    t = threading.Thread(target=reader)
    t.start()
    f(kn.asarray([1.0, 2.0]))
    t.join()
    assert box[1] == [2.0, 4.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fork_after_use():
    f = kn.jit(lambda x: kn.exp(x) * 2)
    x = tensor((100_000,))
    expected = f(x).numpy().tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 3.12 warns of threads at fork
        pid = os.fork()
    if pid == 0:
        os._exit(0 if f(x).numpy().tobytes() == expected else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_ctrl_c_in_a_long_loop():
    program = """
        import kiln as kn
        f = kn.jit(lambda x: kn.tanh(x) * 1.5)
        x = kn.ones((300_000,))
        try:
            print("ready", flush=True)
            while True:
                x = f(x)
        except KeyboardInterrupt:
            print("sum", float(kn.sum(f(x))) >= 0, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=deliver_interrupts) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        try:
            assert process.communicate(timeout=60)[0] == "sum True\n"
        finally:
            process.kill()


@contextlib.contextmanager
def tracer():
    before = sys.gettrace()
    sys.settrace(lambda *a: None)
    try:
        yield
    finally:
        sys.settrace(before)


@contextlib.contextmanager
def monitoring(place):
    sys.monitoring.use_tool_id(place, "onlooker")
    try:
        yield
    finally:
        sys.monitoring.free_tool_id(place)


# Each with whether what is captured runs as written under it.
ONLOOKERS = {"settrace": (tracer, True)}
if sys.version_info >= (3, 12):
    ONLOOKERS |= {
        "a debugger": (lambda: monitoring(sys.monitoring.DEBUGGER_ID), True),
        "coverage": (lambda: monitoring(sys.monitoring.COVERAGE_ID), True),
        "another tool": (lambda: monitoring(4), True),
        "a profiler": (lambda: monitoring(sys.monitoring.PROFILER_ID), False),
    }


@pytest.mark.parametrize("onlooker", ONLOOKERS)
def test_nothing_is_deferred_and_nothing_replayed_while_somebody_looks_on(onlooker):
    seen = []

    @kn.jit
    def deferred(x):
        seen.append(kn.is_tracing())
        return x + 1

    @kn.jit
    def replayed(x):
        return x + 1

    look, as_written = ONLOOKERS[onlooker]
    for _ in range(4):
        replayed(tensor((2,)))
    replays = kn._core.captured_records(replayed)["replays"]
    assert replays == 2
    with look():
        deferred(tensor((2,)))
        replayed(tensor((2,)))
    assert seen == [not as_written]
    assert kn._core.captured_records(replayed)["replays"] - replays == (not as_written)
    replayed(tensor((2,)))
    assert kn._core.captured_records(replayed)["replays"] > replays


def test_jit_can_be_switched_off():
    program = "import kiln as kn; f = kn.jit(lambda x: (kn.is_tracing(), x)); print(f(kn.ones((2,)))[0])"
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ, "KILN_JIT": "0"}, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_threads_over_the_same_weights_share_one_program():
    w = tensor((60, 60))
    f = kn.jit(lambda x: kn.tanh(x @ w) * kn.sum(w))
    inputs = [tensor((40, 60), i) for i in range(4)]
    expected = [(kn.tanh(x @ w) * kn.sum(w)).numpy().tobytes() for x in inputs]
    wrong = []

    def work(i):
        for _ in range(100):
            if f(inputs[i]).numpy().tobytes() != expected[i]:
                wrong.append(i)

    run_in_threads(work, 4)
    assert not wrong
    assert len(f.explain().traces) == 1


def test_ever_new_shapes_are_right_and_told_in_bounds():
    f = kn.jit(lambda x: kn.sum(x * 2))
    for n in range(150):
        assert f(kn.ones((n,))).item() == 2 * n
    explanation = f.explain()
    assert len(explanation.traces) <= 128 and explanation.untold_runs > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fork_inside_a_captured_call():
    @kn.jit
    def f(x):
        y = kn.exp(x) * 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid == 0:
            os._exit(0 if y.tolist() == [2.0, 2.0] else 1)
        assert os.waitpid(pid, 0)[1] == 0
        return y + 1

    assert f(kn.zeros((2,))).tolist() == [3.0, 3.0]
