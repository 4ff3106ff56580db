"""NumPy in and out: what is shared, what is copied, what is refused."""

import ctypes
import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import kiln as kn

DTYPES = [t.name for t in vars(kn).values() if isinstance(t, kn.dtype) and t is not kn.bfloat16]  # see test_dtypes


@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_is_shared_both_ways(dtype):
    a = np.zeros((2, 3), dtype)
    x = kn.asarray(a, copy=False)
    a[0, 1] = 1
    assert x.tolist()[0][1] == 1
    x[1, 2] = 1
    assert a[1, 2] == 1
    b = x.numpy()
    assert np.shares_memory(a, b) and b.dtype == dtype
    b[0, 0] = 1
    assert a[0, 0] == 1


@given(hnp.arrays("int64", hnp.array_shapes(max_dims=4, max_side=4)), st.data())
def test_any_strides_are_shared(a, data):
    index = data.draw(hnp.basic_indices(a.shape, allow_newaxis=True))
    view = np.asarray(a[index]).T
    x = kn.asarray(view, copy=False)
    assert x.shape == view.shape and np.array_equal(x.numpy(), view)
    assert not view.size or np.shares_memory(x.numpy(), a) or not np.shares_memory(view, a)
    assert np.array_equal((x + 0).numpy(), view)


def test_arrays_outlive_each_other():
    a = np.arange(5.0)
    x = kn.asarray(a)
    del a
    gc.collect()
    b = x.numpy()
    del x
    gc.collect()
    assert b.tolist() == [0, 1, 2, 3, 4]
    assert kn.asarray(b).numpy().tolist() == b.tolist()


def test_read_only_arrays_give_read_only_tensors():
    a = np.arange(3.0)
    a.flags.writeable = False
    x = kn.asarray(a)
    for write in (lambda: x.__setitem__(0, 1), lambda: x.__iadd__(1), lambda: x[1:].__setitem__(..., 2)):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert a.tolist() == [0, 1, 2] and not x.numpy().flags.writeable
    assert (x + 1).numpy().flags.writeable


def test_copies_where_memory_cannot_be_shared():
    swapped = np.arange(3, dtype=">f4")
    unaligned = np.frombuffer(b"\0" + np.arange(3, dtype="f4").tobytes(), dtype="f4", offset=1)
    odd = np.zeros(3, dtype=[("a", "i4"), ("b", "u1")])["a"]
    for a in (swapped, unaligned, odd):
        assert kn.asarray(a).tolist() == a.tolist()
        with pytest.raises(ValueError, match=r"copy=False\): the array must be copied"):
            kn.asarray(a, copy=False)
    for thing in ([1.0], 2, (3,)):
        with pytest.raises(ValueError, match="no memory to share"):
            kn.asarray(thing, copy=False)
    with pytest.raises(ValueError, match="float64 must be copied to become float32"):
        kn.asarray(np.zeros(2), dtype=kn.float32, copy=False)


def test_copy_is_a_copy():
    a = np.zeros(2)
    x = kn.asarray(a, copy=True)
    y = kn.asarray(x, copy=True)
    a[0] = 1
    x[1] = 1
    assert x.tolist() == [0, 1] and y.tolist() == [0, 0] and kn.asarray(x) is x


@pytest.mark.parametrize("a", [np.arange(100_000, dtype=np.float32), np.arange(24, dtype=">i4").reshape(4, 6)[::2, ::-1], np.zeros((0, 3))])
def test_copies_begin_at_a_cache_line(a):
    x = kn.asarray(a, copy=True)
    assert x.numpy().ctypes.data % 64 == 0 and x.shape == a.shape
    assert np.array_equal(x.numpy(), a) and x.numpy().flags.c_contiguous and x.numpy().flags.writeable


def test_copies_keep_the_bits_of_nans():
    bits = np.array([0x7FC00001, 0xFFC00000, 0x3F800000], np.uint32)
    assert np.array_equal(kn.asarray(bits.view(np.float32), copy=True).numpy().view(np.uint32), bits)


def test_dtypes_of_literals():
    assert kn.asarray([1.0]).dtype is kn.float32 and kn.asarray([1]).dtype is kn.int64 and kn.asarray([True]).dtype is kn.bool
    assert kn.asarray([1, 2], dtype=kn.uint8).dtype is kn.uint8 and kn.asarray(np.float64(1)).dtype is kn.float64
    assert kn.asarray([kn.asarray(1.0), kn.asarray(2.0)]).tolist() == [1, 2]
    assert kn.asarray(np.float16(1), dtype=kn.float32).dtype is kn.float32


@pytest.mark.parametrize("value", [np.zeros(2, np.clongdouble), np.array(["a"]), np.array([None]), np.zeros(2, np.longdouble)])
def test_foreign_dtypes_are_refused_by_name(value):
    with pytest.raises(TypeError, match=rf"Kiln has no dtype {value.dtype}"):
        kn.asarray(value)


@pytest.mark.parametrize("value", ["abc", None, object(), {1: 2}, b"abc"])
def test_strangers_are_refused(value):
    with pytest.raises(TypeError, match=type(value).__name__):
        kn.asarray(value)


def test_bad_arguments():
    with pytest.raises(TypeError, match="dtype must be one of bool, uint8"):
        kn.asarray(1, dtype="float128")
    with pytest.raises(ValueError, match="cpu"):
        kn.asarray(1, device="tpu")
    with pytest.raises(ValueError, match="at most 8 dimensions"):
        kn.asarray(np.zeros((1,) * 9))


def test_tensors_that_require_grad_stay_with_kiln():
    x = kn.ones(2).requires_grad_()
    for convert in (lambda: x.numpy(), lambda: np.asarray(x), lambda: (x * 2).numpy()):
        with pytest.raises(RuntimeError, match="detach"):
            convert()
    with pytest.raises(BufferError, match="detach"):
        memoryview(x)
    assert x.detach().numpy().tolist() == [1, 1]


def test_numpy_functions_take_tensors():
    x = kn.asarray([[1.0, 4.0]])
    assert np.sqrt(x).tolist() == [[1, 2]] and np.asarray(x, dtype="f8").dtype == np.float64
    assert isinstance(np.ones(2) * x, kn.Tensor)


def test_buffer_protocol():
    x = kn.asarray(np.arange(6, dtype=np.int32).reshape(2, 3))
    view = memoryview(x)
    assert (view.shape, view.strides, view.format, view.readonly, view.nbytes) == ((2, 3), (12, 4), "i", False, 24)
    assert view.tolist() == [[0, 1, 2], [3, 4, 5]] and bytes(view) == x.numpy().tobytes()
    assert memoryview(x[:, ::2]).tolist() == [[0, 2], [3, 5]]
    assert bytes(x[:, ::2]) == x[:, ::2].numpy().tobytes()


def test_dlpack_round_trips():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2]
    x = kn.from_dlpack(a)
    a[0, 0] = 9
    assert x.tolist() == a.tolist()
    b = np.from_dlpack(x)
    x[1, 1] = -1
    assert b.tolist() == x.tolist() and x.__dlpack_device__() == (1, 0)
    del a, b
    gc.collect()
    assert kn.from_dlpack(x.__dlpack__()).tolist() == x.tolist()
    capsule = x.__dlpack__(max_version=(1, 0))
    del capsule
    for dtype in DTYPES:
        assert np.from_dlpack(kn.zeros(2, dtype=dtype)).dtype == dtype
    with pytest.raises(TypeError, match="__dlpack__"):
        kn.from_dlpack([1, 2])
    with pytest.raises(BufferError, match="detach"):
        kn.ones(1).requires_grad_().__dlpack__()
    capsule = kn.zeros(2).__dlpack__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    ctypes.c_uint8.from_address(pointer(capsule, b"dltensor") + 20).value = 3  # the code of the element's type, behind data, device, ndim
    with pytest.raises(TypeError, match="no dtype of DLPack code 3"):
        kn.from_dlpack(capsule)


def test_zero_sizes():
    for shape in ((0,), (2, 0), (0, 3, 1)):
        x = kn.asarray(np.zeros(shape, np.float32))
        assert x.shape == shape and x.numpy().shape == shape and (x + 1).numpy().shape == shape and memoryview(x).shape == shape
