"""Dtypes: the standard's functions about them, numbers at their bounds, exchange with NumPy."""

import numpy as np
import pytest

import kiln as kn

ALL = [t for t in vars(kn).values() if isinstance(t, kn.dtype)]
INTEGERS = [t for t in ALL if t.kind in "iu"]


def test_every_dtype_of_the_standard_has_its_kinds():
    names = {t.name for t in ALL}
    assert {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"} <= names
    for t in ALL:
        assert kn.isdtype(t, t) and kn.isdtype(t, (kn.bool, t))
        assert kn.isdtype(t, "integral") == (t.kind in "iu") == (kn.isdtype(t, "signed integer") or kn.isdtype(t, "unsigned integer"))
        assert kn.isdtype(t, "numeric") == (t is not kn.bool) and kn.isdtype(t, "real floating") == t.is_floating_point
        assert not kn.isdtype(t, "complex floating")
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
