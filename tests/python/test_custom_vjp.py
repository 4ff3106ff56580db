"""kn.custom_vjp: eagerly, deferred and replayed; trees; second derivatives; what it says of a wrong bwd."""

import pytest

import kiln as kn

X = kn.asarray([0.5, -1.0, 2.0], dtype=kn.float64)


def scaled(factor):
    """x * x with a gradient that is `factor` times the true one."""

    @kn.custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, g: (g * x * 2 * factor,))
    return square


def test_its_gradient_is_what_bwd_says():
    f = scaled(10)
    assert kn.grad(lambda x: f(x).sum())(X).tolist() == (20 * X).tolist()
    x = X.detach().requires_grad_()
    (f(x) + x).sum().backward()
    assert x.grad.tolist() == (20 * X + 1).tolist()
    assert f(x).grad_fn == "custom_vjp" and f.__name__ == "square"


def test_without_gradients_the_function_itself_runs():
    calls = []

    @kn.custom_vjp
    def f(x):
        calls.append("f")
        return x * 1

    f.defvjp(lambda x: (calls.append("fwd") or x * 1, None), lambda r, g: (g,))
    x = X.detach().requires_grad_()
    f(X)
    with kn.no_grad():
        f(x)
    f(x)
    assert calls == ["f", "f", "fwd"]


def test_second_derivatives_go_through_bwd_and_the_residuals():
    f = scaled(10)
    assert kn.grad(lambda x: kn.grad(lambda x: f(x).sum())(x).sum())(X).tolist() == [20, 20, 20]

    @kn.custom_vjp
    def cubed(x):
        return x**3

    cubed.defvjp(lambda x: (x**3, 3 * x * x), lambda slope, g: (g * slope,))
    second = kn.grad(lambda x: kn.grad(lambda x: cubed(x).sum())(x).sum())(X)
    assert second.tolist() == (6 * X).tolist()
    assert kn.jvp(cubed, (X,), (kn.ones_like(X),))[1].tolist() == (3 * X * X).tolist()


def test_trees_and_no_gradients():
    @kn.custom_vjp
    def f(p, k, n):
        return {"y": p["w"] * p["b"][0] * k, "z": p["w"] + 0}

    def bwd(residuals, g):
        p, k = residuals["p"], residuals["k"]
        return {"b": [None], "w": g["y"] * p["b"][0] * k + g["z"]}, None, None

    f.defvjp(lambda p, k, n: (f(p, k, n), {"p": p, "k": k}), bwd)
    p = {"w": X, "b": [X + 1]}
    g = kn.grad(lambda p: f(p, 3.0, 2)["y"].sum())(p)  # no gradient comes for z: zeros do
    assert g["w"].tolist() == (3 * (X + 1)).tolist() and g["b"][0].tolist() == [0, 0, 0]


def test_nondiff_argnums_and_keywords():
    @kn.custom_vjp
    def plain(x, y=2.0):
        return x * y

    plain.defvjp(lambda x, y: (x * y, y), lambda y, g: (g * y * 5, None))
    assert kn.grad(lambda x: plain(x=x).sum())(X).tolist() == [10, 10, 10]

    def power(n, x):
        return x**n

    f = kn.custom_vjp(power, nondiff_argnums=(0,))
    f.defvjp(lambda n, x: (x**n, x), lambda n, x, g: (g * n * 100,))
    assert kn.grad(lambda x: f(3, x).sum())(X).tolist() == [300, 300, 300]


def test_backward_twice_needs_the_graph():
    f = scaled(1)
    x = X.detach().requires_grad_()
    y = f(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == (4 * X).tolist()
    with pytest.raises(RuntimeError, match="custom_vjp had saved was freed"):
        y.backward()


def wrong(bwd, fwd=lambda w, x: (x * 1, None)):
    @kn.custom_vjp
    def f(w, x):
        return x * 1

    f.defvjp(fwd, bwd)
    return kn.grad(lambda x: f({"w": X}, x).sum())(X)


@pytest.mark.parametrize(
    ("bwd", "error", "said"),
    [
        (lambda r, g: g, TypeError, "the bwd of f must give a tuple of 2 gradients, one for each argument, not a Tensor"),
        (lambda r, g: (g,), TypeError, "a tuple of 2 gradients, one for each argument, not 1 of them"),
        (lambda r, g: (g, g), ValueError, r"gradient for argument 'w' of f must be a dict of 1, not a Tensor"),
        (lambda r, g: ({"v": g}, g), ValueError, r"gradient for argument 'w' of f must have the keys \['w'\], not \['v'\]"),
        (lambda r, g: (None, g.sum()), ValueError, r"gradient for argument 'x' of f must be like it, float64\(3,\), not float64\(\)"),
        (lambda r, g: (None, kn.ones(3)), TypeError, r"argument 'x' of f must be like it, float64\(3,\), not float32\(3,\)"),
        (lambda r, g: ({"w": g[:2]}, g), ValueError, r"argument 'w' of f\['w'\] must be like it"),
        (lambda r, g: (None, 1.0), TypeError, "argument 'x' of f must be a tensor or None, not a float"),
    ],
)
def test_a_wrong_bwd_is_told_what_is_wrong(bwd, error, said):
    with pytest.raises(error, match=said):
        wrong(bwd)


def test_a_wrong_fwd_and_a_missing_one():
    with pytest.raises(TypeError, match=r"fwd of f must give a pair \(value, residuals\), not a Tensor"):
        wrong(lambda r, g: (None, g), fwd=lambda w, x: x)
    with pytest.raises(TypeError, match="must give tensors as its value, and trees of them, not a int"):
        wrong(lambda r, g: (None, g), fwd=lambda w, x: (3, None))
    with pytest.raises(TypeError, match=r"has no gradient yet: call its defvjp"):
        kn.custom_vjp(lambda x: x)(X)
    with pytest.raises(TypeError, match="fwd must be a function, not a int"):
        kn.custom_vjp(lambda x: x).defvjp(1, 2)
    with pytest.raises(TypeError, match="takes a function, not a float"):
        kn.custom_vjp(1.0)


def test_errors_of_bwd_leave_gradients_alone():
    f = kn.custom_vjp(lambda x: x * 1)
    f.defvjp(lambda x: (x * 1, None), lambda r, g: 1 / 0)
    x = X.detach().requires_grad_()
    with pytest.raises(ZeroDivisionError):
        (f(x) + x).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("mode", ["segments", "auto"])
def test_captured(mode):
    f = scaled(10)
    w = X.detach().requires_grad_()

    @kn.jit(mode=mode)
    def step(x):
        loss = f(w * x).sum()
        loss.backward()
        return loss.detach()

    expected = None
    for i in range(5):
        w.grad = None
        loss = step(X + i)
        expected = 20 * w.detach() * (X + i) * (X + i)
        assert loss.item() == (w.detach() * (X + i)).square().sum().item()
        kn.testing.assert_close(w.grad, expected)
    if mode == "auto":
        assert step.explain().replays >= 3
