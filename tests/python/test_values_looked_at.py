"""Values of tensors that decide what a call does, or whether it fails, are looked at in every call, however it is run."""

import numpy as np
import pytest

import kiln as kn
from kiln.nn import functional as F

CALLS = 40  # far beyond those in which a replay becomes one program


def outcome(function, arguments):
    try:
        result = function(*arguments)
    except Exception as e:
        return type(e), str(e)
    return result.shape, str(result.dtype), result.numpy().tobytes()


def same_in_all(function, arguments_of):
    captured = kn.jit(function)
    for n in range(CALLS):
        assert outcome(captured, arguments_of(n)) == outcome(function, arguments_of(n)), n


TABLE = np.arange(12, dtype=np.float32) ** 2


@pytest.mark.parametrize(
    "key", [lambda i: i, lambda i: (i,), lambda i: slice(i, i + 2), lambda i: (slice(None, i + 1),), lambda i: (..., i)]
)
def test_an_index_of_one_element(key):
    same_in_all(lambda t, i: t[key(i)] * 2.0 + 1.0, lambda n: (kn.asarray(TABLE), kn.asarray(n % 7)))
    same_in_all(lambda t, i: t[key(i)] * 2.0 + 1.0, lambda n: (kn.asarray(TABLE), kn.asarray(30 if n == 35 else 3)))


def test_indices():
    for last in (11, -12, 12, -13):
        same_in_all(lambda t, i: t[i] * 2.0, lambda n, last=last: (kn.asarray(TABLE), kn.asarray([1, 5, last if n > 30 else 2])))
        same_in_all(
            lambda t, i: kn.take_along_axis(t, i) + 1.0, lambda n, last=last: (kn.asarray(TABLE), kn.asarray([1, 5, last if n > 30 else 2]))
        )
    pairs = kn.asarray(TABLE.reshape(3, 4))
    same_in_all(lambda t, i, j: t[i, j] * 2.0, lambda n: (pairs, kn.asarray([0, 2]), kn.asarray([1, 4 if n > 30 else n % 4])))


def test_masks_decide_a_shape():
    same_in_all(lambda x, m: x[m] * 2.0, lambda n: (kn.asarray(TABLE), kn.asarray(10 * (n % 9) < TABLE)))
    same_in_all(lambda x: kn.flatnonzero(x) * 2, lambda n: (kn.asarray(TABLE * (n < TABLE)),))


def test_classes_and_exponents():
    rows = kn.asarray(np.log(np.full((3, 4), 0.25, np.float32)))
    same_in_all(lambda x, y: F.nll_loss(x, y) * 2.0, lambda n: (rows, kn.asarray([0, 3, 4 if n > 30 else n % 4])))
    same_in_all(lambda x, y: F.cross_entropy(x, y), lambda n: (rows, kn.asarray([0, 3, -1 if n > 30 else n % 4], dtype=kn.int32)))
    same_in_all(lambda x, y: x**y + 1, lambda n: (kn.asarray([2, 3]), kn.asarray([n % 5, -1 if n == 33 else 2])))


def test_a_step_that_trains_sees_a_wrong_label():
    weight = kn.asarray(np.zeros((4, 3), np.float32)).requires_grad_()

    def step(x, y):
        weight.grad = None
        F.cross_entropy(x @ weight, y).backward()
        with kn.no_grad():
            weight[...] = weight - weight.grad * 0.1

    captured, x = kn.jit(step), kn.asarray(np.ones((2, 4), np.float32))
    for n in range(CALLS):
        captured(x, kn.asarray([0, n % 3]))
    before = weight.detach().numpy().tobytes()
    with pytest.raises(IndexError, match="target 3 is out of range for 3 classes"):
        captured(x, kn.asarray([0, 3]))
    assert weight.detach().numpy().tobytes() == before
