"""x[...] and x[...] = v against NumPy's, for any index of integers, slices, None, Ellipsis, arrays and masks."""

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
        ([0, 2], IndexError, "index 2 is out of bounds for dimension 0 of length 2"),
        ((0, [0, -4]), IndexError, "index -4 is out of bounds for dimension 1 of length 3"),
        (([0], slice(None), [0]), IndexError, "too many indices: 3"),
        (np.array([True, False, True]), IndexError, r"mask of shape \(3,\) does not fit dimension 0 of a tensor of shape \(2, 3\)"),
        (np.ones((2, 3, 1), bool), IndexError, "too many indices: 3"),
        ([0.5], IndexError, "integers or bools, not float32"),
        (([0, 1], [0, 1, 2]), ValueError, "do not broadcast"),
    ],
)
def test_errors(index, error, message):
    x = kn.zeros((2, 3))
    with pytest.raises(error, match=message):
        x[index]
    with pytest.raises(error, match=message):
        x[index] = 1
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]


@st.composite
def arrays_and_positions(draw):
    """An array, and an index with at least one array or mask among whatever else may be there."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    together = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    kinds = draw(st.lists(st.sampled_from(["array", "integer", "slice"]), min_size=len(shape), max_size=len(shape)))
    kinds[draw(st.integers(0, len(kinds) - 1))] = "array"
    index = []
    given = draw(st.integers(kinds.index("array") + 1, len(kinds)))
    for kind, extent in zip(kinds[:given], shape, strict=False):
        if kind == "integer":
            index.append(draw(st.integers(-extent, extent - 1)))
        elif kind == "slice":
            index.append(draw(st.slices(extent)))
        else:
            own = tuple(draw(st.sampled_from([1, n])) for n in together)
            index.append(draw(hnp.arrays(np.int64, own, elements=st.integers(-extent, extent - 1))))
    other = draw(st.sampled_from([None, ...]))
    index.insert(len(index) if other is ... and given < len(kinds) else draw(st.integers(0, len(index))), other)
    return np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape), tuple(index)


@st.composite
def arrays_and_masks(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    first = draw(st.integers(0, len(shape) - 1))
    mask = draw(hnp.arrays(bool, shape[first : draw(st.integers(first, len(shape)))]))
    return np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape), (slice(None),) * first + (mask,)


@pytest.mark.parametrize("cases", [arrays_and_positions, arrays_and_masks])
def test_reading_at_positions(cases):
    @given(cases())
    def check(case):
        a, index = case
        expected = a[index]
        for x_at in (lambda x: x[index], kn.jit(lambda x: (x + 1)[index] - 1)):
            got = x_at(kn.asarray(a, copy=True))
            assert got.shape == expected.shape and np.array_equal(got.numpy(), expected)

    check()


@pytest.mark.parametrize("cases", [arrays_and_positions, arrays_and_masks])
def test_writing_at_positions(cases):
    @given(cases(), st.booleans())
    def check(case, whole):
        a, index = case
        x, a = kn.asarray(a, copy=True), a.copy()
        values = np.random.default_rng(0).normal(size=a[index].shape).astype(np.float32) if whole else np.float32(-1)
        a[index] = values  # where a position comes more than once the last value stays
        x[index] = kn.asarray(values)
        assert np.array_equal(x.numpy(), a)

    check()


def test_writing_at_positions_changes_dtypes_and_views_as_slices_do():
    x = kn.zeros((3, 4), dtype=kn.int32)
    view = x[1:]
    view[[0, 1], [2, 3]] = 7
    view[kn.asarray([True, False])] = kn.asarray([1, 2, 3, 4], dtype=kn.uint8)
    assert x.tolist() == [[0] * 4, [1, 2, 3, 4], [0, 0, 0, 7]]
    x[[0], 0] = 5.5
    x[x == 7] = kn.asarray([8.75], dtype=kn.float64)
    x[x == 3] = -1.5
    with pytest.raises(ValueError, match=r"\(3,\).*\(2, 4\)|\(2, 4\).*\(3,\)"):
        x[[0, 1]] = kn.zeros(3, dtype=kn.int32)
    assert x.tolist() == [[5, 0, 0, 0], [1, 2, -1, 4], [0, 0, 0, 8]]


def test_a_mask_with_one_value_keeps_a_captured_function_whole():
    @kn.jit(fullgraph=True)
    def relu(x):
        y = x * 2
        y[y < 0] = 0
        return y

    x = kn.asarray(np.float32([[1, -2], [-3, 4]]))
    for _ in range(3):
        assert relu(x).tolist() == [[2, 0], [0, 8]]


def test_embedding_in_a_captured_training_step():
    def loss(weight, ids):
        return kn.sum(kn.square(kn.take(weight, ids, axis=0)) * 0.5)

    weight, ids = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32), kn.asarray([3, 3, 0, -1])
    slopes = [f(kn.asarray(weight), ids) for f in (kn.grad(loss), kn.jit(kn.grad(loss), fullgraph=True))]
    expected = np.zeros_like(weight)
    np.add.at(expected, [3, 3, 0, 6], weight[[3, 3, 0, 6]])
    for slope in slopes:
        kn.testing.assert_close(slope, expected)
    kn.testing.assert_same_bits(*slopes)


def test_an_empty_ellipsis_keeps_positions_apart():
    a = np.arange(6, dtype=np.float32).reshape(2, 3, 1)
    index = (slice(None), 0, Ellipsis, [[0, 0]])
    assert kn.asarray(a, copy=True)[index].tolist() == a[index].tolist()


def test_an_embedding_fuses_with_what_uses_it():
    @kn.jit
    def embed(tokens, table, positions):
        x = table[tokens] + positions
        centred = x - kn.mean(x, axis=-1, keepdims=True)
        return centred / kn.sqrt(kn.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)

    random = np.random.default_rng(0)
    table, positions = (kn.asarray(random.normal(size=shape).astype(np.float32), copy=True) for shape in ((50, 33), (4, 33)))
    tokens = kn.asarray(random.integers(-50, 50, (3, 4)))
    kn.testing.assert_same_bits(embed(tokens, table, positions), embed.__wrapped__(tokens, table, positions))
    (trace,) = embed.explain().traces
    assert trace.kernels == 1 and trace.arena_bytes == 0
    assert "gather f32 " in trace.as_text("kernels") or "gather i32 " in trace.as_text("kernels")
    assert trace.moved_bytes < 4 * 50 * 33 + 2 * 4 * 12 * 33  # not the whole table and then its rows


def test_an_index_out_of_bounds_raises_where_it_was_taken():
    @kn.jit
    def f(x, at, log):
        log.append("before")
        y = x * 2
        x += 1
        z = y[at] + 1
        log.append("after")
        return z

    for function in (f, f.__wrapped__):
        x, log = kn.asarray([1.0, 2.0, 3.0], copy=True), []
        with pytest.raises(IndexError, match="3"):
            function(x, kn.asarray([0, 3]), log)
        assert log == ["before"] and x.tolist() == [2, 3, 4]
        assert function(x, kn.asarray([0, -1]), log).tolist() == [5, 9]


@pytest.mark.parametrize("index", [([2, 0, 2],), (slice(None), [1, 1]), ([0, 1], [2, 0]), ([0], slice(1), [1, -1])])
def test_gradients_at_positions(index):
    a = np.random.default_rng(1).normal(size=(3, 3, 2))
    x = kn.asarray(a, copy=True).requires_grad_()
    weights = np.random.default_rng(2).normal(size=a[index].shape)
    (x[index] * kn.asarray(weights)).sum().backward()
    expected = np.zeros_like(a)
    np.add.at(expected, index, weights)
    kn.testing.assert_close(x.grad, expected)


def test_gradients_of_what_was_written_at_positions():
    x, v = kn.asarray([1.0, 2.0, 3.0]).requires_grad_(), kn.asarray([5.0, 6.0, 7.0]).requires_grad_()
    y = x * 2
    y[[0, 2, 0]] = v
    (y * kn.asarray([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [0, 20, 0] and v.grad.tolist() == [0, 100, 1]  # the first 5 was overwritten


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
