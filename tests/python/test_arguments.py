"""How arguments reach operators, and what is said when they do not fit."""

import pickle

import numpy as np
import pytest

import kiln as kn


def test_positions_keywords_and_aliases_mean_the_same():
    x = kn.asarray(np.arange(6.0).reshape(2, 3))
    expected = [[3.0], [12.0]]
    for got in (
        kn.sum(x, 1, keepdims=True),
        kn.sum(x, axis=1, keepdims=True),
        x.sum(axis=1, keepdims=True),
        x.sum(dim=1, keepdim=True),
        kn.sum(x=x, axis=(1,), keepdims=np.bool_(True)),
        kn.sum(x, axis=np.int64(1), keepdims=True),
        kn.sum(x, axis=[-1], keepdims=True),
    ):
        assert got.tolist() == expected


def test_shapes_come_whole_or_in_parts():
    x = kn.zeros(6)
    assert x.reshape(2, 3).shape == x.reshape((2, 3)).shape == x.reshape([2, -1]).shape == kn.reshape(x, (2, 3)).shape == (2, 3)
    assert kn.zeros(2, 3).shape == kn.zeros((2, 3)).shape and kn.zeros(4).shape == (4,)
    assert kn.zeros((2, 3, 4)).permute(2, 0, 1).shape == (4, 2, 3)


def test_tensors_may_be_arrays_numbers_and_lists():
    assert kn.add(np.ones(2), [1, 2]).tolist() == [2, 3]
    assert kn.maximum(kn.zeros(2), 1).tolist() == [1, 1]
    assert kn.exp(0).item() == 1
    assert kn.concat([kn.zeros(1), np.ones(1, np.float32), [2.0]]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kn.sum(), r"kiln\.sum needs the argument 'x'; it takes \(x, "),
        (lambda: kn.add(1, 2, 3), r"kiln\.add takes 2 arguments, \(x1, x2\), but 3 were given"),
        (lambda: kn.exp(kn.zeros(1), foo=1), r"kiln\.exp has no parameter 'foo'; it takes \(x\)"),
        (lambda: kn.sum(kn.zeros(1), 0, axis=0), r"kiln\.sum got two values for the argument that 'axis' names"),
        (lambda: kn.sum(kn.zeros(1), axis="a"), r"kiln\.sum: argument 'axis' must be an int, a tuple of ints or None, not str"),
        (lambda: kn.sum(kn.zeros(1), axis=(0, 1.5)), r"argument 'axis' must be an int, a tuple of ints or None, not tuple"),
        (lambda: kn.sum(kn.zeros(1), keepdims=1), r"argument 'keepdims' must be a bool, not int"),
        (lambda: kn.exp("a"), r"kiln\.exp: argument 'x' must be a tensor, an array or a number, not str"),
        (lambda: kn.exp(None), r"kiln\.exp: argument 'x' must be .* not None"),
        (lambda: kn.zeros(2, dtype="float8"), r"kiln\.zeros: argument 'dtype' must be a dtype \(bool, uint8, .*\), not 'float8'"),
        (lambda: kn.zeros("a"), r"kiln\.zeros: argument 'shape' must be an int or a tuple of ints, not str"),
        (lambda: kn.concat(kn.zeros(2)), r"kiln\.concat: argument '\w+' must be a list or tuple of tensors, not kiln\.Tensor"),
        (lambda: kn.zeros(2).reshape(True), r"argument 'shape' must be an int or a tuple of ints, not bool"),
    ],
)
def test_type_errors_name_operator_argument_expected_and_given(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_values_that_do_not_fit():
    with pytest.raises(IndexError, match="axis 2"):
        kn.sum(kn.zeros((2, 3)), axis=2)
    with pytest.raises(ValueError, match="twice"):
        kn.sum(kn.zeros((2, 3)), axis=(0, 0))
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(4, 5\)"):
        kn.matmul(kn.zeros((2, 3)), kn.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        kn.zeros((2, 3)).reshape(4, 2)
    with pytest.raises(OverflowError, match="int64"):
        kn.add(kn.zeros(1), 2**64)
    with pytest.raises(ValueError, match="negative"):
        kn.zeros((2, -1))


def test_operators_are_objects():
    assert kn.add.__name__ == "add" and kn.add.__module__ == "kiln" and repr(kn.add) == "<kiln operator add(x1, x2)>"
    assert pickle.loads(pickle.dumps(kn.add)) is kn.add
    assert kn.zeros(2).exp().tolist() == [1, 1] and kn.Tensor.exp(kn.zeros(1)).tolist() == [1]
    bound = kn.ones(2).sum
    assert bound().item() == 2
    with pytest.raises(TypeError):
        type(kn.add)()
