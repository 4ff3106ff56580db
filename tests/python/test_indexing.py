"""x[...] and x[...] = v against NumPy's, for any index of integers, slices, None and Ellipsis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import kiln as kn


@st.composite
def arrays_and_indices(draw):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    index = draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=6)) if 0 not in shape else draw(st.just(...))
    return np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape), index


@given(arrays_and_indices())
def test_reading(case):
    a, index = case
    x = kn.asarray(a, copy=True)
    expected = a[index]
    got = x[index]
    assert got.shape == np.shape(expected) and np.array_equal(got.numpy(), expected)


@given(arrays_and_indices())
def test_writing_through_an_index(case):
    a, index = case
    x = kn.asarray(a, copy=True)
    a = a.copy()
    a[index] = -1
    x[index] = -1
    assert np.array_equal(x.numpy(), a)


@given(arrays_and_indices(), st.data())
def test_views_see_writes(case, data):
    a, index = case
    x, a = kn.asarray(a, copy=True), a.copy()
    view, expected = x[index], a[index if isinstance(index, tuple) else (index,)]
    x += 100
    a += 100
    assert np.array_equal(view.numpy(), a[index])
    if np.ndim(expected):
        values = np.float32(data.draw(st.integers(-5, 5)))
        view *= values
        a[index] *= values
        assert np.array_equal(x.numpy(), a)


def test_writing_broadcasts_and_casts():
    x = kn.zeros((2, 3))
    x[:, 1] = kn.asarray([1, 2])
    x[0] = [7, 8, 9]
    x[1, ::2] = np.array(5)
    assert x.tolist() == [[7, 8, 9], [5, 2, 5]]
    i = kn.zeros(2, dtype=kn.int32)
    i[0] = True
    assert i.tolist() == [1, 0]


def test_gradient_flows_through_indices():
    x = kn.asarray(np.arange(6.0).reshape(2, 3)).requires_grad_()
    (x[1, ::-2] * kn.asarray([1.0, 10.0], dtype=kn.float64)).sum().backward()
    assert x.grad.tolist() == [[0, 0, 0], [10, 0, 1]]


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (2, IndexError, "index 2 is out of bounds for dimension 0 of length 2"),
        ((0, -4), IndexError, "index -4 is out of bounds for dimension 1 of length 3"),
        ((0, 0, 0), IndexError, r"too many indices: 3 for a tensor of shape \(2, 3\)"),
        ((..., 0, ...), IndexError, "at most one ellipsis"),
        ("a", IndexError, "not str"),
        (1.0, IndexError, "not float"),
        (slice(None, None, 0), ValueError, "zero"),
        ([0, 1], NotImplementedError, r"kiln\.where"),
        (np.array([True, False]), NotImplementedError, r"kiln\.where"),
        (True, NotImplementedError, r"kiln\.where"),
    ],
)
def test_errors(index, error, message):
    x = kn.zeros((2, 3))
    with pytest.raises(error, match=message):
        x[index]
    with pytest.raises(error, match=message):
        x[index] = 1
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_errors_of_values():
    x = kn.zeros((2, 3))
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)|\(3,\).*\(2,\)"):
        x[0] = kn.zeros(2)
    with pytest.raises(TypeError, match="str"):
        x[0] = "a"
    with pytest.raises(TypeError, match="deleted"):
        del x[0]
    with pytest.raises(TypeError, match="iterated"):
        iter(kn.asarray(1)).__next__()
