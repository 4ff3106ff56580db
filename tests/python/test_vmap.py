"""kn.vmap against the loop over samples: every operator on its samples, nesting, gradients, what is refused."""

import numpy as np
import pytest

import kiln as kn
from calls import Call, calls
from kiln import _batching


def loop(f, *args):
    """What vmap(f) is to give."""
    results = [f(*[x[i] for x in args]) for i in range(args[0].shape[0])]
    if isinstance(results[0], kn.Tensor):
        return kn.stack(results)
    return tuple(kn.stack(list(parts)) for parts in zip(*results, strict=True))


def close(actual, expected):
    if not isinstance(actual, kn.Tensor):
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            close(a, b)
        return
    assert actual.dtype is expected.dtype and actual.shape == expected.shape
    exact = not (actual.dtype.is_floating_point or actual.dtype.is_complex)
    np.testing.assert_allclose(actual.detach().numpy(), expected.detach().numpy(), rtol=0 if exact else 2e-5, atol=0 if exact else 1e-5)


# ---- every operator -------------------------------------------------------------------------------------------------------


def _arrays(call: Call) -> list[str]:
    return [name for name, value in call.arguments.items() if isinstance(value, (np.ndarray, list))]


def _refused(call: Call) -> bool:
    return call.op.is_random or call.op.__name__ in ("bernoulli", "dropout", "randint", "empty", "empty_like")


def _arguments(call: Call, given: dict):
    return {name: given.get(name, value) for name, value in call.arguments.items()}


def _samples(call: Call, name: str, batched: tuple[bool, ...]):
    """Three samples of an argument (the call's own, rolled), or one for all."""

    def several(a):
        return kn.asarray(np.stack([np.roll(a, i) if a.ndim else a for i in range(3)]))

    value = call.arguments[name]
    if isinstance(value, list):
        return [several(np.asarray(a)) for a in value]
    return several(value) if batched[_arrays(call).index(name)] else kn.asarray(value)


CALLS = [c for c in calls(("float64", "int64", "bool")) if _arrays(c) and not _refused(c)]


@pytest.mark.parametrize("call", CALLS, ids=lambda c: c.name)
def test_every_operator_is_its_loop(call: Call):
    names = _arrays(call)
    whole = (True,) * len(names)
    ways = [whole]
    if len(names) > 1 and not any(isinstance(v, list) for v in call.arguments.values()):
        ways += [tuple(i == k for i in range(len(names))) for k in range(len(names))]
    for batched in ways:
        given = [_samples(call, name, batched) for name in names]

        def f(*xs):
            return tuple_of(call.op(**_arguments(call, dict(zip(names, xs, strict=True)))))

        axes = tuple(0 if b else None for b in batched)
        try:
            actual = kn.vmap(f, axes)(*given)
        except RuntimeError as error:
            assert "shape depends on data" in str(error), error
            return
        expected = [f(*[_sample(x, i, b) for x, b in zip(given, batched, strict=True)]) for i in range(3)]
        for a, parts in zip(actual, zip(*expected, strict=True), strict=True):
            close(a, kn.stack(list(parts)))


def _sample(x, i, batched):
    if isinstance(x, list):
        return [a[i] for a in x]
    return x[i] if batched else x


def tuple_of(result):
    return (result,) if isinstance(result, kn.Tensor) else tuple(result)


def test_most_operators_run_once_for_all_samples():
    without = {c.op for c in CALLS if c.op.__name__ not in _batching.RULES and not c.op.is_elementwise and c.op.family != "composition"}
    assert sorted(op.__name__ for op in without) == ["conv2d_weights", "full", "search"]


# ---- the function as a whole ----------------------------------------------------------------------------------------------

X = kn.asarray(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
W = kn.asarray(np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32))


def test_axes_in_and_out():
    f = kn.vmap(lambda x, w: (x @ w, w.sum()), in_axes=(1, None), out_axes=(1, None))
    y, s = f(X.T, W)
    close(y, (X @ W).T)
    close(s, W.sum())
    close(kn.vmap(lambda x: x * 2, in_axes=-1, out_axes=-1)(X), X * 2)
    tree = kn.vmap(lambda d, k: {"a": d["x"] + k, "b": [d["y"]]}, in_axes=({"x": 0, "y": None}, None), out_axes={"a": 0, "b": 0})
    given = tree({"x": X, "y": W}, 1.0)
    close(given["a"], X + 1)
    assert given["b"][0].shape == (4, 3, 3)


def test_what_is_the_same_for_all_is_spread():
    close(kn.vmap(lambda x: W)(X), kn.stack([W] * 4))
    assert kn.vmap(lambda x: 3)(X).tolist() == [3] * 4
    assert kn.vmap(lambda x, *, k: x * k)(X, k=2.0).tolist() == (X * 2.0).tolist()


def test_nested():
    f = kn.vmap(kn.vmap(lambda a, b: kn.exp(a) * b.sum(), in_axes=(0, None)), in_axes=(None, 0))
    a, b = X[0], X
    close(f(a, b), kn.stack([kn.exp(a) * row.sum() for row in b]))


def test_per_sample_gradients_of_a_module():
    net = kn.nn.Sequential(kn.nn.Linear(3, 5), kn.nn.Tanh(), kn.nn.Linear(5, 2))
    parameters = [p.detach() for p in net.parameters()]
    targets = kn.asarray([0, 1, 1, 0])

    def loss(parameters, x, target):
        w, b, v, c = parameters
        logits = kn.linear(kn.tanh(kn.linear(x[None], w, b)), v, c)
        return kn.cross_entropy(logits, target[None])

    given = kn.vmap(kn.grad(loss), in_axes=(None, 0, 0))(parameters, X, targets)
    for i, g in enumerate(given):
        close(g, kn.stack([kn.grad(loss)(parameters, X[k], targets[k])[i] for k in range(4)]))


def test_per_sample_gradients_of_images():
    x = kn.asarray(np.random.default_rng(2).normal(size=(3, 1, 1, 8, 8)))
    w = kn.asarray(np.random.default_rng(3).normal(size=(2, 1, 3, 3)))

    def loss(w, x):
        return (kn.nn.functional.max_pool2d(kn.conv2d(x, w, None), 2) ** 2).sum()

    close(kn.vmap(kn.grad(loss), in_axes=(None, 0))(w, x), kn.stack([kn.grad(loss)(w, x[i]) for i in range(3)]))


def test_gradient_of_a_batch():
    def total(w):
        return kn.vmap(lambda x: kn.sin(x @ w).sum())(X).sum()

    close(kn.grad(total)(W), kn.grad(lambda w: kn.sin(X @ w).sum())(W))
    w = W.detach().requires_grad_()
    kn.vmap(lambda x: (x @ w).detach() * x.sum() + (w * x).sum())(X).sum().backward()
    expected = W.detach().requires_grad_()
    sum(((x @ expected).detach() * x.sum() + (expected * x).sum()).sum() for x in X).backward()
    close(w.grad, expected.grad)


def test_what_is_off_the_tape_stays_off_it():
    def f(x):
        with kn.no_grad():
            scale = x * x
        return (scale * x).sum()

    x = X.detach().requires_grad_()
    kn.vmap(f)(x).sum().backward()
    close(x.grad, X * X)


def test_hessian_by_jvp_of_grad_over_a_basis():
    def f(x):
        return (x**3).sum() + x[0] * x[1]

    x = X[0]
    hessian = kn.vmap(lambda v: kn.jvp(kn.grad(f), (x,), (v,))[1])(kn.eye(3))
    rows = [kn.grad(lambda x, i=i: kn.grad(f)(x)[i])(x) for i in range(3)]
    close(hessian, kn.stack(rows))


def test_writes_of_a_sample():
    def f(x):
        y = x * 1
        y += 1
        y[0] = 5.0
        return y * x

    close(kn.vmap(f)(X), loop(f, X))
    with pytest.raises(RuntimeError, match="written in place"):
        kn.vmap(lambda x: W.__iadd__(x))(X)

    def g(x):
        y = kn.zeros(3)
        y[0] = x[0]
        return y

    with pytest.raises(RuntimeError, match=r"test_vmap.py:\d+: what differs from sample to sample.*shape \(\)"):
        kn.vmap(g)(X)


def test_custom_gradients_hold_in_batches():
    @kn.custom_vjp
    def clipped(x, w):
        return x * w

    clipped.defvjp(lambda x, w: (x * w, (x, w)), lambda r, g: (kn.clip(g * r[1], -1, 1), g * r[0]))
    per_sample = kn.vmap(kn.grad(lambda x: (clipped(x, W[0]) * 10).sum()))(X)
    close(per_sample, kn.stack([kn.grad(lambda x: (clipped(x, W[0]) * 10).sum())(x) for x in X]))

    def total(args):
        return (kn.vmap(clipped, in_axes=(0, None))(*args) * 10).sum()

    of_batch = kn.grad(total)([X, W[0]])
    expected = kn.grad(lambda args: sum((clipped(x, args[1]) * 10).sum() for x in args[0]))([X, W[0]])
    close(of_batch[0], expected[0])
    close(of_batch[1], expected[1])


def test_in_captured_functions():
    f = kn.jit(lambda x, w: kn.vmap(lambda row: kn.tanh(row @ w).sum())(x))
    for _ in range(3):
        close(f(X, W), kn.tanh(X @ W).sum(1))


def test_random_numbers_are_refused_and_not_drawn():
    state = kn.random.get_state()
    with pytest.raises(RuntimeError, match="draws random numbers"):
        kn.vmap(lambda x: x + kn.random.uniform(3))(X)
    assert kn.random.get_state() == state


def test_what_needs_values_is_refused():
    with pytest.raises(RuntimeError, match=r"vmap: test_vmap.py:\d+: bool\(\) of a tensor needs a value.*kn.where|kiln.where"):
        kn.vmap(lambda x: x if x.sum() > 0 else -x)(X)
    with pytest.raises(RuntimeError, match="shape depends on data"):
        kn.vmap(lambda x: x[x > 0])(X)
    leaf = W.detach().requires_grad_()
    with pytest.raises(RuntimeError, match=r"use kiln\.grad inside"):
        kn.vmap(lambda x: (x @ leaf).sum().backward())(X)
    assert leaf.grad is None
    with pytest.raises(RuntimeError, match="cannot register hooks"):
        kn.vmap(lambda x: (x @ leaf).register_hook(print))(X)


def test_errors_of_arguments():
    with pytest.raises(ValueError, match="one extent, not 4, 3"):
        kn.vmap(lambda x, w: x)(X, W)
    with pytest.raises(ValueError, match=r"shape \(4, 3\) has no axis 2"):
        kn.vmap(lambda x: x, in_axes=2)(X)
    with pytest.raises(ValueError, match="float has no axis 0"):
        kn.vmap(lambda x, k: x)(X, 2.0)
    with pytest.raises(ValueError, match="no argument has an axis"):
        kn.vmap(lambda x: x, in_axes=None)(X)
    with pytest.raises(ValueError, match=r"in_axes must be a list of 1"):
        kn.vmap(lambda x: x, in_axes=(0, 0))(X)
    with pytest.raises(ValueError, match="same for all samples"):
        kn.vmap(lambda x: x, out_axes=None)(X)
    with pytest.raises(TypeError, match="ints and None, not str"):
        kn.vmap(lambda x: x, in_axes="0")
    with pytest.raises(TypeError, match="a function, not a int"):
        kn.vmap(3)


def test_no_samples():
    assert kn.vmap(lambda x: kn.exp(x).sum())(X[:0]).shape == (0,)
    with pytest.raises(ValueError, match="there is none"):
        kn.vmap(lambda x: kn.searchsorted(kn.asarray([1.0, 2.0]), x))(X[:0])
