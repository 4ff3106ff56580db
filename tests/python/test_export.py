"""kn.export: a program computes what its source computes, to the bit, at every shape that its specification allows."""

import collections
import concurrent.futures
import re
import sys

import numpy as np
import pytest

import kiln as kn
from kiln import nn


def array(*shape, dtype=np.float32, seed=0):
    return kn.asarray(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def small_network():
    kn.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 3, 10))


def training(momentum=0.9):
    model = small_network()
    optimizer = kn.optim.SGD(model.parameters(), lr=0.05, momentum=momentum)

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


# ---- the same results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [0, 1, 2, 7, 64])
def test_a_network_at_any_batch(batch):
    model = small_network()
    program = kn.export(lambda x: nn.functional.log_softmax(model(x), axis=1), kn.spec(("batch", 1, 8, 8)))
    program.check(array(batch, 1, 8, 8))
    assert program(array(batch, 1, 8, 8)).shape == (batch, 10)


def test_a_training_step_trains_the_program_as_it_trains_the_module():
    model, step = training()
    batches = [(array(9, 1, 8, 8, seed=i), kn.asarray(np.arange(9) % 10)) for i in range(6)]
    step(*batches[0])  # makes the momentum
    program = kn.export(step, kn.spec(("batch", 1, 8, 8)), kn.spec(("batch",), kn.int64))
    before = {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    losses = [program(*b) for b in batches]
    assert before == {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    expected = [step(*b) for b in batches]
    kn.testing.assert_same_bits(losses, [loss.detach() for loss in expected])
    for name, value in model.state_dict().items():
        kn.testing.assert_same_bits(program.state[f"model.{name}"], value)
    assert set(program["main"].writes) == set(program.state)


def test_entries_share_one_state():
    model, step = training(momentum=0)
    program = kn.export(
        {"train": (step, kn.spec(("batch", 1, 8, 8)), kn.spec(("batch",), kn.int64)), "predict": (model, kn.spec(("n", 1, 8, 8)))}
    )
    x, y = array(5, 1, 8, 8), kn.asarray(np.arange(5))
    first = program["predict"](x)
    program["train"](x, y)
    step(x, y)
    kn.testing.assert_same_bits(program["predict"](x), model(x).detach())
    assert not np.array_equal(first.numpy(), model(x).detach().numpy())
    assert len(program.state) == 4
    with pytest.raises(TypeError, match=r"several entries.*program\['train'\]"):
        program(x)


def shaped(name, function, *specs):
    return pytest.param(function, specs, id=name)


@pytest.mark.parametrize(
    ("function", "specs"),
    [
        shaped("numbers from shapes", lambda x: x / x.shape[0] + x.shape[1], ("n", "m")),
        shaped("a float from shapes", lambda x: x * (1.0 / x.shape[0]), ("n", 3)),
        shaped("flattened", lambda x: x.reshape((x.shape[0], -1)), ("n", 3, "m")),
        shaped("products", lambda x: x.reshape((x.shape[0] * x.shape[1],)), ("n", "m")),
        shaped("slices", lambda x: x[:, 1:] - x[:, :-1], (3, "n")),
        shaped("from the end", lambda x: x[-1] + x[x.shape[0] - 1], ("n", 4)),
        shaped("backwards", lambda x: x[::-1] * 2, ("n",)),
        shaped("concatenated", lambda x, y: kn.concat([x, y], axis=0).sum(axis=0), ("n", 3), ("m", 3)),
        shaped("a mean", lambda x: x.mean() + x.var(axis=0), ("n", 5)),
        shaped("created", lambda x: x + kn.arange(x.shape[0], dtype=kn.float32), ("n",)),
        shaped("half", lambda x: x[: x.shape[0] // 2], ("n",)),
        shaped("a view written to", lambda x: _write_first_row(x), ("n", 4)),
        shaped("two inputs of one extent", lambda x, y: x @ y, (3, "n"), ("n", 5)),
        shaped("pooled", lambda x: kn.max_pool2d(x, 2)[0], (1, 2, "h", "w")),
    ],
)
def test_numbers_follow_the_shapes(function, specs):
    program = kn.export(function, *(kn.spec(s) for s in specs))
    for extents in ({"n": 2, "m": 3, "h": 8, "w": 6}, {"n": 31, "m": 2, "h": 5, "w": 9}, {"n": 100, "m": 64, "h": 30, "w": 30}):
        program.check(*(array(*(extents.get(e, e) for e in s), seed=i) for i, s in enumerate(specs)))


def _write_first_row(x):
    y = x * 1
    y[0] = 7
    y[:, 1] += x[:, 2]
    return y


def test_random_draws_are_those_of_the_source():
    kn.manual_seed(5)
    program = kn.export(lambda x: x + kn.random.normal(shape=(3,)) + kn.random.normal(shape=(3,)), kn.spec(3))
    program.check(array(3))
    assert not np.array_equal(program(array(3)).numpy(), program(array(3)).numpy())


def test_inputs_written_in_place_are_written():
    def scale(x):
        x *= 2
        return x.sum()

    program = kn.export(scale, kn.spec(4))
    program.check(array(4))
    x = kn.ones(4)
    assert program(x).item() == 8
    assert x.tolist() == [2, 2, 2, 2]


def test_gradients_are_calls_like_any_other():
    program = kn.export(kn.value_and_grad(lambda x, w: kn.tanh(x @ w).mean(), argnums=1), kn.spec(("n", 4)), kn.spec((4, 2)))
    program.check(array(6, 4), array(4, 2, seed=1))
    assert "tanh" in str(program)


def test_trees_in_and_out():
    Pair = collections.namedtuple("Pair", "low high")

    def f(batch, scale=2.0, *, names):
        x, (y, z) = batch["x"], batch["rest"]
        return {"sum": x + y, "pair": Pair(z * scale, 3), "names": names, "nothing": None}

    program = kn.export(f, {"x": kn.spec("n"), "rest": (kn.spec("n"), kn.spec(2))}, names=["a", "b"])
    given = {"x": array(5), "rest": (array(5), array(2))}
    program.check(given, names=["a", "b"])
    result = program(given)  # constants are part of the program
    assert result["names"] == ["a", "b"]
    assert result["pair"][1] == 3
    assert [name for name, _, _ in program["main"].inputs] == ["batch.x", "batch.rest.0", "batch.rest.1"]
    with pytest.raises(ValueError, match=r"names.0 was 'a' when the program was exported"):
        program(given, names=["x", "b"])


def test_a_jitted_function_exports_as_the_function():
    kn.export(kn.jit(lambda x: kn.relu(x) * 2), kn.spec("n")).check(array(9))


def test_jitted_functions_inside_are_written_down_like_others():
    inner = kn.jit(lambda x: kn.tanh(x) * 2)
    ones = kn.jit(lambda: kn.ones(3))
    undeferred = kn.disable(lambda x: kn.exp(x))

    @kn.jit
    def nested(x):
        return inner(x) + ones()

    def f(x):
        return nested(x) + inner(x * 3) - undeferred(x)

    program = kn.export(f, kn.spec(("n", 3)))
    program.check(array(5, 3))
    assert [c["op"] for c in program["main"].calls].count("tanh") == 2
    assert not kn.is_tracing()
    kn.testing.assert_same_bits(kn.jit(f)(array(5, 3)), program(array(5, 3)))


def test_programs_inside_are_written_down_like_functions():
    model, step = training(momentum=0)
    inner = kn.export({"train": (step, kn.spec(("n", 1, 8, 8)), kn.spec("n", kn.int64)), "predict": (model, kn.spec(("n", 1, 8, 8)))})

    def f(x, y):
        loss = inner["train"](x, y)
        return loss, kn.softmax(inner["predict"](x), axis=1)

    program = kn.export(f, kn.spec(("m", 1, 8, 8)), kn.spec("m", kn.int64))
    program.check(array(6, 1, 8, 8), kn.asarray(np.arange(6)))
    assert len(program["main"].writes) == 4

    bounded = kn.export(lambda x: x * 2 if x.shape[0] > 3 else x, kn.spec("n"))
    kn.export(lambda x: bounded(x) + 1, kn.spec(5)).check(array(5))
    with pytest.raises(RuntimeError, match=r"the program called here checks that n > 3 \(entry 'main'\), which cannot be followed"):
        kn.export(lambda x: bounded(x) + 1, kn.spec("n"))


def test_gradients_through_a_program_are_refused_rather_than_zero():
    program = kn.export(lambda x: x * x, kn.spec("n"))
    x = array(3).requires_grad_()
    for call in (lambda: program(x), lambda: program(x * 2), lambda: kn.grad(lambda x: program(x).sum())(array(3))):
        with pytest.raises(RuntimeError, match=r"input 'x' requires grad.*off the tape: export the gradient.*no_grad\(\)"):
            call()
    assert not program(x.detach()).requires_grad
    with kn.no_grad():
        assert not program(x).requires_grad
    program.check(x)


def test_views_of_state_are_one_memory():
    table = array(4, 3)
    row = table[1]

    def f(x):
        table[...] = table + 1
        return row + x

    program = kn.export(f, kn.spec(3))
    program.check(array(3))
    assert len(program.state) == 1


# ---- constraints ----------------------------------------------------------------------------------------------------------------


def test_a_comparison_of_extents_becomes_a_constraint():
    def f(x):
        return x * 2 if x.shape[0] > 3 else x

    program = kn.export(f, kn.spec("n"))
    assert [c[0] for c in program["main"].constraints] == ["n > 3"]
    program.check(array(4))
    with pytest.raises(ValueError, match=r"break the constraint n > 3, which the source compared at test_export.py:\d+: n = 3"):
        program(array(3))


def test_an_extent_of_one_that_takes_other_calls_is_a_constraint():
    # At n = 1 nothing was broadcast, so the gradient of b is not a sum.
    f = kn.grad(lambda b, x: (b * x).sum(), argnums=0)
    program = kn.export(f, kn.spec((1, 3)), kn.spec(("n", 3)))
    program.check(array(1, 3), array(5, 3))
    assert [c[0] for c in program["main"].constraints] == ["n != 1"]
    with pytest.raises(ValueError, match="n != 1"):
        program(array(1, 3), array(1, 3))


def test_an_extent_that_must_be_one_number_is_an_error():
    def f(x):
        return x * 2 if x.shape[0] == 64 else x / x.shape[0]

    program = kn.export(f, kn.spec("n"))  # not 64
    with pytest.raises(ValueError, match="n != 64"):
        program(array(64))

    def g(x):
        if x.shape[0] != 64:
            raise ValueError("this needs 64")
        return x

    with pytest.raises(ValueError, match="this needs 64"):
        kn.export(g, kn.spec("n"))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: sum((x[i] for i in range(x.shape[0])), kn.zeros(())), "makes .* operator calls"),
        (lambda x: x * (2.0 if len(x) > 8 else 3.0), "len\\(\\) turns a number that depends on"),
        (lambda x: x * 1 if int(x.shape[0]) > 8 else x, "int\\(\\) turns a number"),
        (lambda x: x + kn.asarray(np.ones(x.shape[0], np.float32)), "made outside of Kiln's operators"),
        (lambda x: x * x.shape[0] ** 0.5, "no expression was found"),
    ],
    ids=["unrolled", "len", "int", "numpy", "root"],
)
def test_what_depends_on_shapes_out_of_sight_is_an_error_with_its_line(function, message):
    with pytest.raises(ValueError, match=message) as error:
        kn.export(function, kn.spec("n"))
    assert "numpy" in str(error.value).lower() or re.search(r"test_export.py:\d+", str(error.value)) or "made outside" in str(error.value)


def test_different_names_of_equal_dimensions_are_told():
    with pytest.raises(ValueError, match="dimensions that must be equal take the same name"):
        kn.export(lambda x, y: x + y, kn.spec("n"), kn.spec("m"))


# ---- what cannot be exported ------------------------------------------------------------------------------------------------------


def halved(x):
    while x.sum() > 1:
        x = x / 2
    return x


def positive_part(x):
    total = 0
    for i in range(x.shape[0]):
        if x[i] > 0:
            total = total + x[i]
    return total


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(lambda x: x * 2 if x.sum() > 0 else x, r"bool\(\) of a tensor.*kiln.where", id="if"),
        pytest.param(halved, r"bool\(\) of a tensor.*kiln.where", id="while"),
        pytest.param(positive_part, r"bool\(\) of a tensor.*kiln.where", id="if in a loop"),
        pytest.param(lambda x: x if x[0] > 0 and x[1] > 0 else -x, r"bool\(\) of a tensor.*kiln.where", id="and"),
        pytest.param(lambda x: max(x[0], x[1]), r"bool\(\) of a tensor.*kiln.where", id="max"),
        pytest.param(lambda x: x * x.sum().item(), r"item\(\) needs a value.*keep it a tensor", id="item"),
        pytest.param(lambda x: [x for _ in range(int(x[0]))], r"item\(\) needs a value.*keep it a tensor", id="range"),
        pytest.param(lambda x: [x, -x][x.argmax()], r"item\(\) needs a value.*keep it a tensor", id="index"),
        pytest.param(lambda x: kn.asarray(x.numpy() * 2), "NumPy", id="numpy"),
        pytest.param(lambda x: [print(x), x][1], "a tensor was printed", id="print"),
        pytest.param(lambda x: [f"{x}", x][1], "a tensor was printed", id="format"),
    ],
)
def test_needing_a_value_is_an_error_with_line_and_remedy(function, message):
    with pytest.raises(RuntimeError, match=rf"export: test_export.py:\d+: .*{message}"):
        kn.export(function, kn.spec(4))


def test_a_swallowed_error_is_still_one():
    def f(x):
        try:
            return x if x.sum() > 0 else -x
        except RuntimeError:
            return x

    with pytest.raises(RuntimeError, match="bool"):
        kn.export(f, kn.spec(4))


def test_python_state_is_an_error_and_put_back():
    calls = {"count": 3}
    log = []

    def counts(x):
        calls["count"] += 1
        return x

    def logs(x):
        log.append(x * 2)
        return x

    with pytest.raises(RuntimeError, match=r"changes calls\.count from 3 to 4"):
        kn.export(counts, kn.spec(2))
    with pytest.raises(RuntimeError, match=r"adds log.0, a Tensor"):
        kn.export(logs, kn.spec(2))
    assert calls == {"count": 3}
    assert log == []


def test_a_first_step_that_makes_its_state_is_an_error():
    model, step = training()
    with pytest.raises(RuntimeError, match="call the function once before exporting it"):
        kn.export(step, kn.spec((2, 1, 8, 8)), kn.spec(2, kn.int64))
    assert all(p.grad is None for p in model.parameters())


def test_gradients_left_behind_must_be_cleared():
    w = array(3).requires_grad_()

    def f(x):
        (w * x).sum().backward()
        return w.grad * 1

    with pytest.raises(RuntimeError, match="zero_grad"):
        kn.export(f, kn.spec(3))
    assert w.grad is None


def test_exporting_changes_nothing():
    model, step = training(momentum=0)
    before = {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    state = kn._core.random_state()
    kn.export(step, kn.spec(("batch", 1, 8, 8)), kn.spec(("batch",), kn.int64))
    assert before == {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    assert kn._core.random_state() == state
    assert all(p.grad is None for p in model.parameters())
    assert not kn.is_tracing()


# ---- inputs ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_inputs():
    return kn.export(lambda image, weight: image @ weight, kn.spec(("n", 4)), kn.spec((4, "m")))


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "message"),
    [
        ((array(2, 4, dtype=np.float64), array(4, 4)), {}, TypeError, "input 'image': expected float32.n, 4., got float64"),
        ((array(2, 5), array(4, 4)), {}, ValueError, "input 'image'.*dimension 1 differs"),
        ((array(2, 4, 1), array(4, 4)), {}, ValueError, "input 'image': expected float32.n, 4."),
        ((array(2, 4),), {}, TypeError, "misses the argument weight"),
        ((array(2, 4), array(4, 4), array(1)), {}, TypeError, "takes 2 arguments"),
        ((array(2, 4),), {"wieght": array(4, 4)}, TypeError, "no argument 'wieght'; it has image, weight"),
        ((array(2, 4), "text"), {}, TypeError, "argument weight must be a tensor or an array, not str"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(two_inputs, args, kwargs, error, message):
    with pytest.raises(error, match=message):
        two_inputs(*args, **kwargs)


def test_one_name_is_one_extent():
    program = kn.export(lambda x, y: x + y, kn.spec("n"), kn.spec("n"))
    with pytest.raises(ValueError, match=r"input 'y'.*n is 3 in input 'x'"):
        program(array(3), array(4))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: kn.spec(("1n",)), ValueError),
        (lambda: kn.spec((-1,)), ValueError),
        (lambda: kn.spec((1.5,)), TypeError),
        (lambda: kn.export(3), TypeError),
        (lambda: kn.export({}), ValueError),
        (lambda: kn.export({"a": lambda x: x}), TypeError),
        (lambda: kn.export(lambda x: x), TypeError),
        (lambda: kn.export(lambda x: object(), kn.spec(1)), TypeError),
        (lambda: kn.export(lambda x: {1: x}, kn.spec(1)), TypeError),
    ],
)
def test_bad_arguments(make, error):
    with pytest.raises(error):
        make()


def test_threads_export_beside_each_other():
    def f(x):
        return (x * 2 if x.shape[0] > 3 else x).reshape((x.shape[0] * x.shape[1],)) / x.shape[0]

    def work(m):
        for _ in range(60):
            program = kn.export(f, kn.spec(("n", "m")))
            assert [c[0] for c in program["main"].constraints] == ["n > 3"]
            program.check(array(5, m))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(1, 5)))
    finally:
        sys.setswitchinterval(interval)


def test_it_prints_what_it_does():
    model = small_network()
    text = str(kn.export(model, kn.spec(("batch", 1, 8, 8), name="image")))
    for expected in ("image: float32(batch, 1, 8, 8)", "4.weight: float32(10, 36)", "conv2d(%0, %1, %2)", "results %10"):
        assert expected in text, text
