"""Dtypes: the standard's functions about them, numbers at their bounds, exchange with NumPy."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

import kiln as kn

ALL = [t for t in vars(kn).values() if isinstance(t, kn.dtype)]
INTEGERS = [t for t in ALL if t.kind in "iu"]


def test_every_dtype_of_the_standard_has_its_kinds():
    names = {t.name for t in ALL}
    assert {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"} <= names
    for t in ALL:
        assert kn.isdtype(t, t) and kn.isdtype(t, (kn.bool, t))
        assert kn.isdtype(t, "integral") == (t.kind in "iu") == (kn.isdtype(t, "signed integer") or kn.isdtype(t, "unsigned integer"))
        assert kn.isdtype(t, "numeric") == (t is not kn.bool) and kn.isdtype(t, "real floating") == t.is_floating_point
        assert kn.isdtype(t, "complex floating") == t.is_complex == (t in (kn.complex64, kn.complex128))
    with pytest.raises(ValueError, match="no kind is called 'whole'; there is bool, signed integer"):
        kn.isdtype(kn.int8, "whole")


@pytest.mark.parametrize("a", INTEGERS, ids=str)
def test_integers_promote_as_in_numpy_but_for_its_floats(a):
    for b in INTEGERS:
        wanted = np.result_type(np.dtype(a.name), np.dtype(b.name))
        if wanted.kind == "f":  # uint64 with a signed integer
            with pytest.raises(TypeError, match=r"have no common dtype.*convert one of them, for example with astype\("):
                kn.result_type(a, b)
            assert not kn.can_cast(a, b)
            continue
        assert kn.result_type(a, b).name == wanted.name
        assert (kn.ones(2, dtype=a) * kn.ones(2, dtype=b)).dtype is kn.result_type(a, b)
        assert kn.can_cast(a, b) == (kn.result_type(a, b) is b)


def test_numbers_are_weak_beside_every_dtype():
    for t in INTEGERS:
        assert kn.result_type(t, 1) is t and kn.result_type(True, t) is t and kn.result_type(t, 0.5) is kn.float32
        assert (kn.ones(2, dtype=t) + 1).dtype is t
    assert kn.result_type(1, 2.5) is kn.float32 and kn.result_type(kn.ones(1), kn.int8, 3) is kn.float32
    with pytest.raises(ValueError, match="at least one"):
        kn.result_type()


@pytest.mark.parametrize("t", INTEGERS, ids=str)
def test_bounds_survive_numpy_lists_items_and_text(t):
    limits = kn.iinfo(t)
    assert (limits.min, limits.max) == (np.iinfo(t.name).min, np.iinfo(t.name).max) and limits.dtype is t
    a = np.array([limits.min, 0, limits.max], t.name)
    x = kn.asarray(a, copy=False)
    assert x.dtype is t and np.shares_memory(x.numpy(), a)
    assert x.tolist() == [limits.min, 0, limits.max] and x[2].item() == limits.max and int(x[0]) == limits.min
    assert str(limits.max) in repr(x)
    assert np.asarray(memoryview(x)).dtype == t.name and np.from_dlpack(x).tolist() == x.tolist()
    assert kn.asarray([limits.min, limits.max], dtype=t).tolist() == [limits.min, limits.max]
    assert (x[2] + 1).item() == limits.min  # wraps
    assert kn.jit(lambda x: x * 2 - x)(x).tolist() == x.tolist()


def test_big_numbers_of_python_need_uint64():
    assert kn.asarray([2**63]).dtype is kn.uint64
    assert (kn.asarray([2**64 - 1]) // 10).tolist() == [(2**64 - 1) // 10]
    assert kn.sum(kn.asarray([255, 255], dtype=kn.uint8)).dtype is kn.uint64


def test_matrices_of_integers_multiply_and_wrap():
    for t in INTEGERS:
        a = np.arange(6).reshape(2, 3).astype(t.name)
        with np.errstate(over="ignore"):
            assert np.array_equal((kn.asarray(a) @ kn.asarray(a.T) * 50).numpy(), (a @ a.T) * np.array(50, t.name))


HALVES = [(kn.float16, np.float16), (kn.bfloat16, ml_dtypes.bfloat16)]


@pytest.mark.parametrize("t, numpy", HALVES, ids=["float16", "bfloat16"])
def test_all_halves_are_exchanged_bit_for_bit(t, numpy):
    a = np.arange(2**16, dtype=np.uint16).view(numpy)
    x = kn.asarray(a, copy=False)
    assert x.dtype is t and x.itemsize == 2
    assert np.array_equal(x.numpy().view(np.uint16), a.view(np.uint16)) and np.shares_memory(x.numpy(), a)
    wide = x.astype(kn.float32).numpy()
    assert np.array_equal(wide, a.astype(np.float32), equal_nan=True)
    back = kn.asarray(wide).astype(t).numpy()
    numbers = ~np.isnan(wide)
    assert np.array_equal(back[numbers].view(np.uint16), a[numbers].view(np.uint16))
    assert np.array_equal(x.astype(kn.int32).numpy()[np.abs(wide) < 2**31], a.astype(np.float32)[np.abs(wide) < 2**31].astype(np.int32))


@pytest.mark.parametrize("t, numpy", HALVES, ids=["float16", "bfloat16"])
def test_arithmetic_on_halves_is_that_of_f32_rounded(t, numpy):
    random = np.random.default_rng(1)
    a, b = (random.standard_normal(1000).astype(numpy) for _ in range(2))
    x, y = kn.asarray(a), kn.asarray(b)
    for f in (lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x / y, lambda x, y: x * y + x):
        assert np.array_equal(f(x, y).numpy(), f(a, b)) and f(x, y).dtype is t
        kn.testing.assert_same_bits(kn.jit(f)(x, y).astype(kn.float32), f(x, y).astype(kn.float32))
    assert kn.result_type(t, kn.int64) is t and kn.result_type(t, 0.5) is t and kn.result_type(kn.float16, kn.bfloat16) is kn.float32
    assert kn.sum(kn.ones(4096, dtype=t)).item() == 4096
    assert (x.reshape(20, 50) @ y.reshape(50, 20)).dtype is t


@pytest.mark.parametrize("t, numpy", HALVES, ids=["float16", "bfloat16"])
def test_halves_are_printed_copied_pickled_and_have_limits(t, numpy):
    x = kn.asarray([1.5, -0.25, 3.140625], dtype=t)
    assert x.tolist() == [1.5, -0.25, 3.140625] and x[0].item() == 1.5
    assert "1.5" in repr(x) and repr(x).endswith(f"dtype={t.name})")
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.dtype is t and y.tolist() == x.tolist()
    limits, known = kn.finfo(t), ml_dtypes.finfo(numpy)
    assert (limits.bits, limits.eps, limits.max, limits.min) == (16, float(known.eps), float(known.max), float(known.min))
    assert limits.smallest_normal == float(known.smallest_normal) and limits.dtype is t
    assert kn.asarray([1e30], dtype=kn.float32).astype(kn.float16).item() == np.inf


def test_gradients_through_halves():
    x = kn.asarray([1.0, 2.0], dtype=kn.bfloat16).requires_grad_()
    (x * x).sum().backward()
    assert x.grad.dtype is kn.bfloat16 and x.grad.tolist() == [2, 4]


def test_a_bfloat16_that_files_and_buffers_cannot_hold_says_so(tmp_path):
    x = kn.ones(2, dtype=kn.bfloat16)
    with pytest.raises(TypeError, match=r"'w' is bfloat16.*astype"):
        kn.save({"w": x}, tmp_path / "w.npz")
    with pytest.raises(BufferError, match="no bfloat16"):
        memoryview(x)
    assert memoryview(x.astype(kn.float16)).format == "e"
