"""Tensors as Python objects: attributes, conversions, printing, copying, identity, numbers' protocol."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import kiln as kn


def test_attributes():
    x = kn.asarray(np.zeros((2, 3, 4), np.float32))
    assert (x.shape, x.ndim, x.dtype, x.strides, x.itemsize, x.nbytes, x.device) == ((2, 3, 4), 3, kn.float32, (48, 16, 4), 4, 96, "cpu")
    assert x.size == 24 and x.size() == (2, 3, 4) and x.size(1) == 3 and x.numel() == 24
    assert len(x) == 2 and x.mT.shape == (2, 4, 3)
    assert kn.asarray([[1, 2]]).T.shape == (2, 1)
    with pytest.raises(ValueError, match=r"x\.T is of matrices, not of shape \(2, 3, 4\)"):
        x.T  # noqa: B018


def test_dtypes():
    assert repr(kn.float32) == "kiln.float32" and kn.float32.name == "float32" and kn.float32.itemsize == 4
    assert np.dtype(kn.float32) == np.float32 and np.zeros(2, dtype=kn.int64).dtype == np.int64
    assert pickle.loads(pickle.dumps(kn.bool)) is kn.bool and copy.deepcopy(kn.uint8) is kn.uint8
    for spelling in (kn.int32, "int32", np.int32, np.dtype("int32")):
        assert kn.zeros(1, dtype=spelling).dtype is kn.int32
    assert (kn.zeros(1, dtype=float).dtype, kn.zeros(1, dtype=int).dtype, kn.zeros(1, dtype=bool).dtype) == (kn.float32, kn.int64, kn.bool)
    assert kn.finfo(kn.float32).eps == np.finfo(np.float32).eps and kn.iinfo(kn.int32).max == 2**31 - 1


def test_default_dtype():
    kn.set_default_dtype(kn.float64)
    assert kn.asarray([1.0]).dtype is kn.float64 and kn.zeros(1).dtype is kn.float64
    with pytest.raises(TypeError, match="float"):
        kn.set_default_dtype(kn.int32)


def test_one_element_conversions():
    assert kn.asarray(2.5).item() == 2.5 and isinstance(kn.asarray(True).item(), bool) and kn.asarray([[7]]).item() == 7
    assert float(kn.asarray(2)) == 2.0 and int(kn.asarray(-2.7)) == -2 and [10, 20][kn.asarray(1)] == 20
    assert bool(kn.asarray([0.5])) and not kn.asarray(0)
    with pytest.raises(ValueError, match=r"item\(\) needs a tensor of one element, not one of shape \(2, 3\)"):
        kn.zeros((2, 3)).item()
    with pytest.raises(ValueError, match=r"truth value of a tensor of shape \(2,\) is ambiguous"):
        bool(kn.zeros(2))
    with pytest.raises(TypeError, match=r"only an integer tensor of shape \(\)"):
        [1][kn.asarray(0.0)]
    with pytest.raises(TypeError, match=r"shape \(\) has no len"):
        len(kn.asarray(1))


def test_lists():
    a = np.arange(12).reshape(3, 4)[::-1, ::2]
    assert kn.asarray(a).tolist() == a.tolist() and kn.asarray(3).tolist() == 3 and kn.zeros((0, 2)).tolist() == []
    assert [row.tolist() for row in kn.asarray(a)] == a.tolist()


def test_repr():
    assert repr(kn.asarray([1.0, 2.5])) == "tensor([1. , 2.5], dtype=float32)"
    assert repr(kn.asarray([[1], [2]])) == "tensor([[1],\n        [2]], dtype=int64)"
    assert "requires_grad=True" in repr(kn.zeros(2).requires_grad_())
    assert "grad_fn=<multiply>" in repr(kn.zeros(2).requires_grad_() * 2)
    assert "..." in repr(kn.zeros(5000)) and len(repr(kn.zeros(5000))) < 200
    assert "shape=(0, 3)" in repr(kn.zeros((0, 3)))
    assert f"{kn.asarray(1.23456):.2f}" == "1.23"


def test_identity_and_lifetime():
    x = kn.zeros(3)
    assert hash(x) == hash(x) and x in {x} and x.requires_grad_() is x
    reference = weakref.ref(x)
    del x
    gc.collect()
    assert reference() is None
    x = kn.zeros(2).requires_grad_()
    (x * x).sum().backward()
    assert x.grad is x.grad


def test_many_tensors_leave_no_memory_behind():
    before = kn.memory_stats()["in_use"]
    for _ in range(100):
        x = kn.ones((100, 100)) * 2 + 1
        x += x
    del x
    gc.collect()
    assert kn.memory_stats()["in_use"] <= before


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint64", "int8", "int32", "int64", "float32", "float64"])
def test_copies(clone, dtype):
    x = kn.asarray(np.arange(6).reshape(2, 3).astype(dtype))[:, ::-1]
    y = clone(x)
    assert y is not x and y.dtype is x.dtype
    kn.testing.assert_same_bits(x, y)
    y[...] = 0
    assert x.tolist() != y.tolist()


def test_deepcopy_keeps_grad_and_sharing():
    x = kn.ones(2).requires_grad_()
    (x * 3).sum().backward()
    a, b = copy.deepcopy([x, x])
    assert a is b and a.requires_grad and a.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="only leaf tensors"):
        copy.deepcopy(x * 2)


INFIX = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@pytest.mark.parametrize("symbol", INFIX)
@pytest.mark.parametrize("other", ["tensor", "number", "array", "numpy scalar"])
def test_infix_operators_in_both_orders(symbol, other):
    f = INFIX[symbol]
    a = np.array([1.5, 2.0, 3.25], np.float32)
    b = {
        "tensor": np.array([2.0, 2.0, 1.0], np.float32),
        "number": 2.0,
        "array": np.array([2.0, 2.0, 1.0], np.float32),
        "numpy scalar": np.float32(2),
    }[other]
    x, y = kn.asarray(a), kn.asarray(b) if other == "tensor" else b
    for got, expected in ((f(x, y), f(a, b)), (f(y, x), f(b, a))):
        assert isinstance(got, kn.Tensor)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6)


def test_numbers_are_weak():
    i, f = kn.asarray([1, 2], dtype=kn.int32), kn.asarray([1.0], dtype=kn.float32)
    assert (i + 1).dtype is kn.int32 and (i + 1.5).dtype is kn.float32 and (f * 2).dtype is kn.float32 and (f + True).dtype is kn.float32
    assert (i / 2).dtype is kn.float32 and (i == 1).dtype is kn.bool
    with pytest.raises(OverflowError, match="int64"):
        i + 2**70


def test_infix_refuses_strangers():
    x = kn.ones(2)
    for other in ("a", None, [1.0, 2.0], object()):
        with pytest.raises(TypeError, match="unsupported operand"):
            x + other
    assert (x == None) is False and (x != "a") is True  # noqa: E711


def test_infix_errors_name_shapes():
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(4,\)"):
        kn.zeros((2, 3)) + kn.zeros(4)


def test_in_place_operators():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = kn.asarray(a, copy=True)
    same = view = x[0]
    x += 1
    x *= kn.asarray([1.0, 2.0, 3.0])
    x -= 0.5
    x /= 2
    expected = ((a + 1) * np.array([1, 2, 3], np.float32) - np.float32(0.5)) / 2
    np.testing.assert_array_equal(x.numpy(), expected)
    assert view is same
    np.testing.assert_array_equal(view.numpy(), expected[0])
    with pytest.raises(ValueError, match=r"\(3,\)"):
        view += kn.zeros((2, 3))
    with pytest.raises(TypeError):
        i = kn.asarray([1, 2])
        i += 0.5
    np.testing.assert_array_equal(x.numpy(), expected)


def test_in_place_with_overlapping_memory():
    for write in (
        lambda x: x[1:].__iadd__(x[:-1]),
        lambda x: x.__setitem__(slice(1, None), x[:-1]),
        lambda x: x.__setitem__(slice(None), x[::-1]),
    ):
        a = np.arange(8.0)
        x = kn.asarray(a, copy=True)
        write(a)
        write(x)
        np.testing.assert_array_equal(x.numpy(), a)


def test_missing_names_say_what_to_use():
    with pytest.raises(AttributeError, match=r"kiln has no attribute 'from_numpy'; use kiln\.asarray"):
        kn.from_numpy  # noqa: B018
    with pytest.raises(AttributeError, match=r"Tensor has no attribute 'transpose'; use kiln\.permute_dims"):
        kn.zeros(2).transpose  # noqa: B018
    with pytest.raises(AttributeError):
        kn.no_such_thing  # noqa: B018
    assert not hasattr(kn.zeros(2), "no_such_thing")


def test_tensor_type_is_not_called():
    with pytest.raises(TypeError, match=r"kiln\.asarray"):
        kn.Tensor([1, 2])


def test_array_namespace():
    assert kn.zeros(1).__array_namespace__() is kn
