"""What the array API standard (2024.12) has: the names of it that Kiln means to have are there; functions that are no operators work."""

import numpy as np
import pytest

import kiln as kn

ELEMENTWISE = """
abs add bitwise_and bitwise_left_shift bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign
divide equal exp expm1 floor floor_divide greater greater_equal imag isfinite isinf isnan less less_equal log log1p
logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow
real reciprocal remainder round sign signbit sqrt square subtract tanh trunc
"""
OTHER = """
all any argmax argmin argsort arange asarray astype broadcast_arrays broadcast_to concat count_nonzero cumulative_prod
cumulative_sum diff empty empty_like expand_dims eye flip from_dlpack full full_like linspace matmul matrix_transpose
max mean meshgrid min moveaxis nonzero ones ones_like permute_dims prod repeat reshape roll searchsorted sort squeeze
stack std sum take take_along_axis tile tril triu unique_all unique_counts unique_inverse unique_values unstack var
where zeros zeros_like
"""


@pytest.mark.parametrize("name", (ELEMENTWISE + " " + OTHER).split())
def test_it_is_there(name):
    assert callable(getattr(kn, name))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_unstack(axis):
    a = np.arange(24).reshape(2, 3, 4)
    parts = kn.unstack(kn.asarray(a), axis=axis)
    assert [p.tolist() for p in parts] == [p.tolist() for p in np.unstack(a, axis=axis)]
    assert [p.tolist() for p in kn.asarray(a).unstack(axis)] == [p.tolist() for p in parts]
    with pytest.raises(IndexError, match=r"axis 3.*\(2, 3, 4\)"):
        kn.unstack(kn.asarray(a), axis=3)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_meshgrid(indexing, count):
    arrays = [np.arange(n, dtype=np.float32) for n in (2, 3, 4)][:count]
    got, wanted = kn.meshgrid(*map(kn.asarray, arrays), indexing=indexing), np.meshgrid(*arrays, indexing=indexing)
    assert [g.tolist() for g in got] == [w.tolist() for w in wanted]
    with pytest.raises(ValueError, match="'yx'"):
        kn.meshgrid(indexing="yx")


def test_broadcasting():
    a, b = kn.broadcast_arrays(kn.zeros((3, 1)), kn.ones((2, 1, 4)))
    assert a.shape == b.shape == (2, 3, 4) == kn.broadcast_shapes((3, 1), (2, 1, 4))
    assert kn.broadcast_shapes((0,), (1,)) == (0,) and kn.broadcast_shapes() == ()
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        kn.broadcast_shapes((2,), (3,))


def test_nonzero_and_unravel_index():
    a = np.random.default_rng(0).integers(0, 2, (3, 4, 2))
    for got in (kn.nonzero(kn.asarray(a)), kn.asarray(a).nonzero()):
        assert [g.tolist() for g in got] == [w.tolist() for w in np.nonzero(a)]
    flat = kn.flatnonzero(a)
    assert [g.tolist() for g in kn.unravel_index(flat, a.shape)] == [w.tolist() for w in np.nonzero(a)]
    with pytest.raises(ValueError, match="flatnonzero"):
        kn.nonzero(kn.asarray(1))
    with pytest.raises(IndexError, match="index 24 is out of bounds"):
        kn.unravel_index(kn.asarray([24]), a.shape)


@pytest.mark.parametrize(
    "call",
    [kn.argwhere, kn.unique_values, lambda m: m[m > 0], lambda m: kn.repeat(m, m)],
)
def test_shapes_from_data_are_not_exported(call):
    known = kn.asarray([0, 1, 2])
    for function in (call, lambda x: call(known)):
        with pytest.raises(RuntimeError, match=r"test_array_api\.py:\d+: a result's shape depends on data"):
            kn.export(function, kn.asarray([0, 1, 2]))


def test_results_have_the_standards_names():
    u = kn.unique_all(kn.asarray([2, 1, 2]))
    assert u._fields == ("values", "indices", "inverse_indices", "counts")
    assert (u.values.tolist(), u.indices.tolist(), u.inverse_indices.tolist(), u.counts.tolist()) == ([1, 2], [1, 0], [1, 0, 1], [1, 2])
    assert kn.topk(kn.asarray([3, 9, 5]), 2).indices.tolist() == [1, 2]


def test_sorting_is_stable_and_puts_nan_last():
    x = kn.asarray(np.float32([np.nan, 0.0, -0.0, -1, np.inf, 0.0, np.nan]))
    assert kn.argsort(x).tolist() == [3, 1, 2, 5, 4, 0, 6]
    assert kn.argsort(x, descending=True).tolist() == [0, 6, 4, 1, 2, 5, 3]
    assert np.signbit(kn.sort(x).numpy()[:4]).tolist() == [True, False, True, False]


def test_linear_recurrence():
    random = np.random.default_rng(0)
    for axis in (0, 1):
        for reverse in (False, True):
            a, b = random.normal(size=(2, 7, 5))
            y, last = np.zeros((7, 5)), 0
            steps = range(a.shape[axis])
            for i in reversed(steps) if reverse else steps:
                at = (slice(None),) * axis + (i,)
                y[at] = last = a[at] * last + b[at]
            kn.testing.assert_close(kn.linear_recurrence(a, b, axis, reverse), y, rtol=1e-14, atol=0)


def test_a_product_with_zeros_has_a_gradient():
    for values in ([2.0, 0.0, 3.0, 4.0], [0.0, 0.0, 5.0, 1.0]):
        x = kn.asarray(np.float64(values)).requires_grad_()
        kn.cumulative_prod(x).sum().backward()
        expected = [sum(np.prod(np.delete(values[: k + 1], i)) for k in range(i, 4)) for i in range(4)]
        assert x.grad.tolist() == expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: kn.cumulative_sum(x), ValueError, r"cumulative_sum: axis must be given.*\(2, 3\)"),
        (lambda x: kn.sort(x, axis=2), IndexError, "axis 2"),
        (lambda x: kn.topk(x, 4), ValueError, r"k is 4, axis 1 of shape \(2, 3\) has 3 elements"),
        (lambda x: kn.take(x, [2], axis=0), IndexError, "index 2 is out of bounds for dimension 0 of length 2"),
        (lambda x: kn.take(x, [0.5], axis=0), TypeError, "indices are integers, not float32"),
        (lambda x: kn.take_along_axis(x, [0]), ValueError, r"indices of shape \(1,\).*\(2, 3\)"),
        (lambda x: kn.index_add(x, [0], kn.zeros(2)), ValueError, r"\(2,\).*\(1, 3\)"),
        (lambda x: kn.index_copy(kn.astype(x, kn.int32), [0], 0.5), TypeError, "float.* do not fit into int32"),
        (lambda x: kn.searchsorted(x, 1.0), ValueError, r"one dimension, not shape \(2, 3\)"),
        (lambda x: kn.searchsorted(x[0], 1.0, side="middle"), ValueError, "'middle'"),
        (lambda x: kn.roll(x, (1, 2), 0), ValueError, "not equally many"),
        (lambda x: kn.repeat(x, -1), ValueError, "not negative"),
        (lambda x: kn.repeat(x, kn.asarray([1, 2]), 1), ValueError, r"repeats of shape \(2,\)"),
        (lambda x: kn.tril(x[0]), ValueError, r"at least 2 dimensions.*\(3,\)"),
        (lambda x: kn.masked_select(x, [True]), IndexError, r"mask of shape \(1,\).*\(2, 3\)"),
        (lambda x: kn.moveaxis(x, (0, 0), (0, 1)), ValueError, "twice"),
        (lambda x: kn.linear_recurrence(x, x[0]), ValueError, r"\(2, 3\).*\(3,\)"),
        (lambda x: x.gather(0, [0]), AttributeError, "take_along_axis"),
        (lambda x: x.repeat(2), AttributeError, "kiln.tile"),
    ],
)
def test_errors_name_what_is_wrong(call, error, message):
    x = kn.zeros((2, 3))
    with pytest.raises(error, match=message):
        call(x)
    with pytest.raises(error, match=message):
        kn.jit(lambda x: call(x + 1))(x)
