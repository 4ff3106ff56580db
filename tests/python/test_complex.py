"""complex64 and complex128: in and out of Kiln, promotion, operators against NumPy, captured functions, files and gradients."""

import copy
import pickle
import warnings

import numpy as np
import pytest

import kiln as kn
import kiln.onnx
from calls import COMPLEX_DTYPES, calls

PAIRS = [(kn.complex64, np.complex64, kn.float32), (kn.complex128, np.complex128, kn.float64)]
each_dtype = pytest.mark.parametrize("t, numpy, part", PAIRS, ids=COMPLEX_DTYPES)


def numbers(shape, dtype, seed=0):
    random = np.random.default_rng(seed)
    return (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(dtype)


@each_dtype
def test_values_are_exchanged_without_copies(t, numpy, part):
    a = numbers((3, 4), numpy)
    x = kn.asarray(a, copy=False)
    assert x.dtype is t and x.itemsize == 2 * part.itemsize and x.dtype.kind == "c" and x.dtype.is_complex
    assert np.shares_memory(x.numpy(), a) and np.array_equal(x.numpy(), a)
    assert np.shares_memory(np.from_dlpack(x), a) and np.array_equal(kn.from_dlpack(a).numpy(), a)
    assert np.array_equal(np.asarray(memoryview(x)), a)
    assert np.array_equal(kn.asarray(a[::-1, ::2]).numpy(), a[::-1, ::2])
    assert x[1, 2].item() == a[1, 2] and x.tolist() == a.tolist() and complex(x[0, 0]) == complex(a[0, 0])
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.dtype is t and np.array_equal(y.numpy(), a)
    assert repr(kn.asarray([1 + 2j, -0.5j], dtype=t)) == f"tensor([ 1.+2.j , -0.-0.5j], dtype={t.name})"
    with pytest.raises(TypeError):
        float(x[0, 0])


def test_python_numbers_and_creation():
    assert kn.asarray(1 + 2j).dtype is kn.complex64 and kn.asarray([1, 2.5, 3j]).dtype is kn.complex64
    assert kn.asarray(0.1 + 0.2j, dtype=kn.complex128).item() == 0.1 + 0.2j
    assert kn.zeros(3, dtype=kn.complex64).tolist() == [0j] * 3 and kn.ones(2, dtype=complex).dtype is kn.complex64
    assert kn.full((2,), 1 - 2j).tolist() == [1 - 2j] * 2 and kn.full((2,), 1 - 2j).dtype is kn.complex64
    assert kn.full((), 0.1j, dtype=kn.complex128).item() == 0.1j
    assert kn.eye(2, dtype=kn.complex64).tolist() == [[1, 0], [0, 1]]
    x = kn.zeros(3, dtype=kn.complex128)
    x[1] = 0.1 + 0.2j
    x[2:] += 3
    assert x.tolist() == [0, 0.1 + 0.2j, 3]
    for make in (
        lambda: kn.arange(4, dtype=kn.complex64),
        lambda: kn.full((2,), 1j, dtype=kn.float32),
        lambda: kn.zeros(2).__setitem__(0, 1j),
    ):
        with pytest.raises(TypeError, match="complex"):
            make()


def test_promotion_is_the_standards():
    c64, c128, f16, f32, f64 = kn.complex64, kn.complex128, kn.float16, kn.float32, kn.float64
    table = {(c64, c64): c64, (c64, c128): c128, (f32, c64): c64, (f64, c64): c128, (f32, c128): c128, (f16, c64): c64, (kn.bool, c64): c64}
    table |= {(kn.int32, c64): c64, (kn.uint64, c64): c64, (kn.int64, c128): c128, (kn.bfloat16, c128): c128}
    for (a, b), wanted in table.items():
        assert kn.result_type(a, b) is wanted and kn.result_type(b, a) is wanted
        assert (kn.ones(2, dtype=a) * kn.ones(2, dtype=b)).dtype is wanted
    for t, wanted in {f32: c64, f64: c128, f16: c64, c64: c64, c128: c128, kn.int32: c64, kn.bool: c64}.items():
        assert kn.result_type(t, 1j) is wanted and (kn.ones(2, dtype=t) * 1j).dtype is wanted and (1j + kn.ones(2, dtype=t)).dtype is wanted
    assert (kn.ones(2, dtype=c64) * 2.5).dtype is c64 and (kn.ones(2, dtype=c128) + 1).dtype is c128
    assert (kn.ones(2, dtype=f64) * 0.1j).numpy()[0] == 0.1j
    assert kn.isdtype(c64, "complex floating") and kn.isdtype(c128, "numeric") and not kn.isdtype(c64, "real floating")
    assert kn.can_cast(f32, c64) and not kn.can_cast(f64, c64) and not kn.can_cast(c64, f32)
    assert kn.finfo(c64).bits == 32 and kn.finfo(c128).eps == np.finfo(np.float64).eps and kn.finfo(c64).dtype is f32


@pytest.mark.parametrize(
    "call",
    [
        lambda z: z < z, lambda z: z // 2, lambda z: z % 2, lambda z: z & 1, kn.floor, kn.round, kn.max, kn.argmin, kn.sort, kn.argsort,
        lambda z: kn.maximum(z, 1), lambda z: kn.clip(z, 0, 1), kn.relu, kn.softmax, kn.unique_values, kn.cumulative_max, kn.erf,
        lambda z: kn.atan2(z, z), lambda z: kn.hypot(z, z), kn.signbit, lambda z: kn.astype(z, kn.float32),
        lambda z: kn.astype(z, kn.int64), lambda z: kn.sum(z, dtype=kn.float32), kn.logsumexp, kn.ceil,
    ],
)  # fmt: skip
def test_what_has_no_complex_form_says_so(call):
    with pytest.raises(TypeError, match="complex64"):
        call(kn.asarray([1 + 2j, 3j]))


@pytest.mark.parametrize("dtype", COMPLEX_DTYPES)
def test_operators_compute_what_their_references_do(dtype):
    tested = set()
    for call in calls((dtype,)):
        arrays = [a for v in call.arguments.values() for a in (v if isinstance(v, list) else [v]) if isinstance(a, np.ndarray)]
        taken = [a for a in arrays if a.dtype == dtype]
        ordinary = all(np.all(np.isfinite(a)) and np.all((np.abs(a) < 1e4) & ((a == 0) | (np.abs(a) > 1e-4))) for a in taken)
        real_cast = any(isinstance(v, kn.dtype) and not v.is_complex and v is not kn.bool for v in call.arguments.values())
        extreme = call.arguments.get("combine") in ("max", "min")
        if not call.op.reference or not taken or not ordinary or real_cast or extreme:
            continue
        with warnings.catch_warnings(action="ignore"):
            got, wanted = call.kiln(), call.numpy()
        if not all(np.all(np.isfinite(y)) for y in (wanted if isinstance(got, tuple) else (wanted,))):
            continue  # what infinities become is tests/cpp/math/complex_test.cpp's to say
        for y, expected in zip(got if isinstance(got, tuple) else (got,), wanted if isinstance(got, tuple) else (wanted,), strict=True):
            tolerance = 3e-5 if dtype == "complex64" else 1e-12
            np.testing.assert_allclose(y.numpy(), expected, rtol=tolerance, atol=tolerance, err_msg=call.name)
            assert y.dtype.kind == np.asarray(expected).dtype.kind, call.name
        tested.add(call.op.__name__)
    wanted = {
        "add",
        "divide",
        "abs",
        "sqrt",
        "exp",
        "log1p",
        "atanh",
        "sum",
        "prod",
        "mean",
        "var",
        "std",
        "cumulative_sum",
        "cumulative_prod",
        "matmul",
    }
    assert wanted <= tested and len(tested) > 80, sorted(tested)


def chain(x, y, r):
    z = kn.exp(x * 0.25j) * y + r
    w = kn.where(kn.abs(z) > 1, z / (y + 3), kn.conj(z))
    return w, kn.real(w) + kn.imag(z), kn.sum(w, axis=-1), kn.mean(kn.abs(w)), (w * 2 == z).any(), w - kn.sum(w, axis=-1, keepdims=True)


@pytest.mark.parametrize("backend", ["interpreter", "asmjit", "llvm"])
@each_dtype
def test_captured_functions_give_eager_bits(t, numpy, part, backend):
    f = kn.jit(chain, backend=backend)
    for shape in ((7, 33), (2, 5000), (0, 3), (1, 1)):
        x, y = kn.asarray(numbers(shape, numpy, 1)), kn.asarray(numbers(shape, numpy, 2))
        r = kn.asarray(np.random.default_rng(3).standard_normal(shape[-1]), dtype=part)
        for a, b in ((x, y), (kn.asarray(np.asfortranarray(x.numpy())), kn.flip(y)), (x[:, ::-1], y)):
            wanted = chain(a, b, r)
            for threads in (1, 2):
                kn.set_num_threads(threads)
                kn.testing.assert_same_bits(f(a, b, r), wanted)


@each_dtype
def test_writes_in_place(t, numpy, part):
    def step(z, u):
        z *= 1j
        z[1:] += u[:-1]
        z[..., 0] = 2
        z[...] = kn.conj(z)
        return z[::2] * u[::2]

    a, b = numbers((6, 5), numpy), numbers((6, 5), numpy, 1)
    e, f = kn.asarray(a.copy()), kn.asarray(a.copy())
    kn.testing.assert_same_bits(kn.jit(step)(f, kn.asarray(b)), step(e, kn.asarray(b)))
    kn.testing.assert_same_bits(e, f)
    n = a * 1j
    n[1:] += b[:-1]
    n[..., 0] = 2
    np.testing.assert_allclose(e.numpy(), n.conj(), rtol=1e-6)


@each_dtype
def test_moving_and_indexing(t, numpy, part):
    a = numbers((5, 6), numpy)
    x = kn.asarray(a)
    at = np.array([4, 0, 2, 2])
    for got, wanted in [
        (x[a.real > 0], a[a.real > 0]),
        (x[kn.asarray(at)], a[at]),
        (kn.take(x, kn.asarray(at), axis=1), a[:, at]),
        (kn.concat([x, x * 2], axis=1), np.concatenate([a, a * 2], 1)),
        (kn.stack([x, x]), np.stack([a, a])),
        (kn.roll(x, 2, axis=1), np.roll(a, 2, 1)),
        (kn.flip(x, axis=0), np.flip(a, 0)),
        (kn.tile(x, (2, 1)), np.tile(a, (2, 1))),
        (kn.pad(x, (1, 0), (0, 2)), np.pad(a, ((1, 0), (0, 2)))),
        (x.mT @ x, a.T @ a),
        (kn.matmul(x, kn.real(x.mT)), a @ a.T.real),
        (kn.count_nonzero(x), np.count_nonzero(a)),
    ]:
        np.testing.assert_allclose(got.numpy() if isinstance(got, kn.Tensor) else got, wanted, rtol=1e-5 if t is kn.complex64 else 1e-13)
    added = kn.index_add(kn.zeros((5, 6), dtype=t), kn.asarray(at), x[:4], axis=0)
    wanted = np.zeros((5, 6), numpy)
    np.add.at(wanted, at, a[:4])
    np.testing.assert_allclose(added.numpy(), wanted, rtol=1e-6)


def test_large_sums_and_products_have_one_order():
    a = numbers((3, 100_000), np.complex64)
    x = kn.asarray(a)
    for f in (kn.sum, kn.prod):
        wanted = f(x / kn.abs(x), axis=1)
        kn.testing.assert_same_bits(kn.jit(lambda z, f=f: f(z / kn.abs(z), axis=1))(x), wanted)
    np.testing.assert_allclose(kn.sum(x, axis=1).numpy(), a.astype(np.complex128).sum(1), rtol=1e-4)
    np.testing.assert_allclose(kn.abs(kn.prod(x / kn.abs(x), axis=1)).numpy(), 1, rtol=1e-3)


@each_dtype
def test_programs_in_files(t, numpy, part, tmp_path):
    w = kn.asarray(numbers((4,), numpy, 5))
    program = kn.export(lambda z: kn.exp(z) * w + 2j, kn.spec((3, 4), t))
    program.save(tmp_path / "f.kiln")
    z = kn.asarray(numbers((3, 4), numpy))
    kn.testing.assert_same_bits(kn.load(tmp_path / "f.kiln")(z), kn.exp(z) * w + 2j)
    kn.save({"w": w}, tmp_path / "w.npz")
    kn.testing.assert_same_bits(kn.load(tmp_path / "w.npz")["w"], w)
    with pytest.raises(NotImplementedError, match=rf"the input 'z' is {t.name}: ONNX"):
        kiln.onnx.to_onnx(program, tmp_path / "f.onnx")


def test_gradients_are_pytorchs():
    z = kn.asarray([3 + 4j, 1 - 2j], dtype=kn.complex128).requires_grad_()
    kn.sum(kn.abs(z) ** 2).backward()
    assert np.allclose(z.grad.numpy(), 2 * z.detach().numpy())  # d|z|^2 = 2 z, as PyTorch has it
    z.grad = None
    kn.sum(kn.real(z * (1 + 2j))).backward()
    assert z.grad.tolist() == [1 - 2j] * 2
    x = kn.asarray([1.0, 2.0]).requires_grad_()
    kn.sum(kn.imag(x * kn.asarray([1 + 2j, 3 - 1j]))).backward()
    assert x.grad.dtype is kn.float32 and x.grad.tolist() == [2, -1]
    with pytest.raises(RuntimeError, match="complex tensor needs a gradient to start from"):
        kn.sum(z * 2).backward()
    (z * 2j).backward(kn.asarray([1, 1j], dtype=kn.complex128))
    z.grad = None
    kn.var(z, correction=1).backward()  # |z - mean|^2 summed over n - 1: 2 (z - mean) / (n - 1)
    assert z.grad.tolist() == [2 + 6j, -2 - 6j]
    z.grad = None
    kn.std(z).backward()  # of both, half their distance
    np.testing.assert_allclose(z.grad.numpy(), np.array([1 + 3j, -1 - 3j]) / (2 * np.sqrt(10)), rtol=1e-15)
    step = kn.jit(lambda z: kn.grad(lambda z: kn.sum(kn.abs(kn.exp(z) * z)))(z))
    plain = z.detach()
    kn.testing.assert_same_bits(step(plain), kn.grad(lambda z: kn.sum(kn.abs(kn.exp(z) * z)))(plain))
