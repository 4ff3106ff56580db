"""The tape from Python: backward, grad modes, kn.grad and value_and_grad."""

import threading

import numpy as np
import pytest

import kiln as kn


def test_backward_accumulates_into_leaves():
    x, y = kn.asarray([1.0, 2.0]).requires_grad_(), kn.asarray([3.0, 4.0]).requires_grad_()
    (x * y).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [5, 8] and y.grad.tolist() == [1, 2]
    x.grad = None
    assert x.grad is None and x.is_leaf and not (x * 2).is_leaf and (x * 2).grad_fn == "multiply"


def test_backward_with_a_gradient_and_twice():
    x = kn.ones(3).requires_grad_()
    y = x * x
    y.backward(kn.asarray([1.0, 2.0, 3.0]), retain_graph=True)
    y.backward(gradient=kn.ones(3))
    assert x.grad.tolist() == [4, 6, 8]
    with pytest.raises(RuntimeError):
        y.backward(kn.ones(3))
    with pytest.raises(RuntimeError):
        (x * 2).backward()
    with pytest.raises(RuntimeError):
        kn.ones(()).backward()


def test_broadcasting_is_summed_away():
    x, b = kn.ones((2, 3)).requires_grad_(), kn.ones((3,)).requires_grad_()
    ((x + b) * 2).sum().backward()
    assert b.grad.tolist() == [4, 4, 4] and x.grad.shape == (2, 3)


def test_no_grad_and_enable_grad():
    x = kn.ones(2).requires_grad_()
    with kn.no_grad():
        assert not (x * 2).requires_grad
        with kn.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad

    @kn.no_grad()
    def f(x):
        return x * 2

    @kn.no_grad
    def g(x):
        """doc"""
        return x * 2

    assert not f(x).requires_grad and not g(x).requires_grad and g.__doc__ == "doc"
    with pytest.raises(KeyError), kn.no_grad():
        raise KeyError
    assert kn.is_grad_enabled()


def test_grad_mode_belongs_to_a_thread():
    seen = []
    with kn.no_grad():
        thread = threading.Thread(target=lambda: seen.append(kn.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_leaves_that_require_grad_are_not_written():
    x = kn.ones(2).requires_grad_()
    for write in (lambda: x.__iadd__(1), lambda: x.__setitem__(0, 5.0), lambda: x[0].__imul__(2)):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    assert x.tolist() == [1, 1]
    with kn.no_grad():
        x += 1
    assert x.tolist() == [2, 2] and x.requires_grad


def test_writes_after_use_are_noticed():
    x = kn.ones(2).requires_grad_()
    y = x * 1
    z = y * y
    y += 1
    with pytest.raises(RuntimeError):
        z.sum().backward()


def test_in_place_operators_are_differentiated():
    x = kn.asarray([1.0, 2.0]).requires_grad_()
    y = x * 3
    y *= 2
    y[0] = 0
    y.sum().backward()
    assert x.grad.tolist() == [0, 6]


def test_what_cannot_require_grad():
    with pytest.raises(RuntimeError, match="only floating and complex tensors can require grad, not int64"):
        kn.asarray([1]).requires_grad_()
    x = kn.ones(2).requires_grad_()
    with pytest.raises(RuntimeError, match="detach"):
        (x * 2).requires_grad = False
    with pytest.raises(ValueError, match=r"float32\(2,\).*float32\(3,\)"):
        x.grad = kn.ones(3)
    with pytest.raises(TypeError, match="int"):
        x.grad = 1
    x.requires_grad = False
    assert not x.requires_grad


def test_detach_shares_memory():
    x = kn.ones(2).requires_grad_()
    y = x.detach()
    y[0] = 5
    assert x.tolist() == [5, 1] and not y.requires_grad


def test_grad_of_functions():
    f = kn.grad(lambda x: kn.sum(x * x * x))
    assert f(kn.asarray([1.0, 2.0])).tolist() == [3, 12]
    value, (da, db) = kn.value_and_grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(kn.asarray([2.0]), kn.asarray([5.0]))
    assert (value.item(), da.tolist(), db.tolist()) == (10, [5], [2]) and not value.requires_grad


def test_grad_of_nested_arguments_and_unused_ones():
    def loss(parameters, x):
        return ((parameters["w"] * x + parameters["b"][0]) ** 2).sum()

    parameters = {"w": kn.asarray([2.0]), "b": [kn.asarray([1.0]), kn.asarray([7.0])]}
    gradient = kn.grad(loss)(parameters, kn.asarray([3.0]))
    assert gradient["w"].tolist() == [42] and [g.tolist() for g in gradient["b"]] == [[14], [0]]
    assert not parameters["w"].requires_grad


def test_grad_of_grad():
    def f(x):
        return (x**4).sum()

    x = kn.asarray([2.0], dtype=kn.float64)
    assert kn.grad(lambda x: kn.grad(f)(x).sum())(x).tolist() == [48]
    assert kn.grad(lambda x: kn.grad(lambda x: kn.grad(f)(x).sum())(x).sum())(x).tolist() == [48]


def test_grad_says_what_is_wrong():
    with pytest.raises(TypeError, match=r"one floating number.*float32\(2,\)"):
        kn.grad(lambda x: x * 2)(kn.ones(2))
    with pytest.raises(TypeError, match=r"floating and complex tensors, not int64\(1,\)"):
        kn.grad(lambda x: x.sum())(kn.asarray([1]))
    with pytest.raises(TypeError, match="argnums 1"):
        kn.grad(lambda x: x.sum(), argnums=1)(kn.ones(1))


def test_long_chains_do_not_overflow_the_stack():
    x = kn.ones(1).requires_grad_()
    y = x
    for _ in range(20_000):
        y = y + 0.0
    y.backward()
    assert x.grad.tolist() == [1]
    del y


def test_gradient_order_is_deterministic(random):
    def gradient():
        x = kn.asarray(a).requires_grad_()
        sum((x * float(i)).exp() for i in range(1, 6)).sum().backward()
        return x.grad

    a = random.normal(size=1000).astype(np.float32)
    kn.testing.assert_same_bits(gradient(), gradient())
