"""Values of tensors that decide what a call does, or whether it fails, are looked at in every call, however it is run."""

import numpy as np
import pytest

import kiln as kn
from kiln.nn import functional as F
from replays import bits

CALLS = 40  # far beyond those in which a replay becomes one program


def outcome(function, arguments):
    try:
        result = function(*arguments)
    except Exception as e:
        return type(e), str(e)
    return bits(result)


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


# i: one integer that each call brings anew; t, x and N: what it is used on.
EXPRESSIONS = [
    "kn.take(t,i)",
    "kn.roll(t,i)",
    "kn.roll(t,int(i))",
    "kn.full((int(i),),2.)",
    "kn.full((i,),2.)",
    "kn.arange(i)",
    "kn.arange(int(i))",
    "kn.repeat(t,i)",
    "kn.repeat(t[:2],kn.stack([i,i]))",
    "x.sum(axis=int(i)%2)",
    "kn.sum(x,axis=i%2)",
    "t[i,None]",
    "t[[i,0]]",
    "t[(i,)]",
    "t[kn.stack([i,i])]",
    "kn.eye(int(i)+1)",
    "kn.tile(t,(int(i)+1,))",
    "kn.tile(t,i+1)",
    "t**i",
    "i**i",
    "(i+1)<<i",
    "kn.tril(x,k=int(i))",
    "kn.tril(x,k=i)",
    "kn.zeros((i,2))",
    "kn.linspace(0,1,i+2)",
    "kn.clip(t,i,9)",
    "x[:,i]",
    "x[i][i]",
    "N[i]+t",
    "N[int(i)]*t",
    '"abcd"[i]',
    "{0:t,1:x,2:t+1,3:x+1}[int(i)]",
    "list(range(i))",
    "[t*k for k in range(i)]",
    'f"{i}"',
    "t if i else x",
    "i and t",
    "max(i,2)+t",
    "sum([i,1])*t",
    "t[-i]",
    "t[::i+1]",
    "kn.topk(t,i+1)",
    "kn.topk(t,int(i)+1)",
    "t[i>1]",
    "t[t>i]",
    "x[i>1]",
    "x[x[:,0]>i]",
    "kn.where(t>i,t,0)",
    "x[i,t.sum(dtype=kn.int64)%4]",
    "x[:,kn.stack([i,i])]",
    "x[i:,i]",
    "x[i:i+1,...,i]",
    "kn.flatnonzero(t>i)",
    "kn.nonzero(x>i)",
    "kn.unique_values(t>i)",
    "kn.reshape(t,(int(i)+1,-1)) if 12%(int(i)+1)==0 else t",
    "kn.expand_dims(t,axis=int(i)%2)",
    "kn.flip(x,axis=int(i)%2)",
    "kn.concat([x,x],axis=int(i)%2)",
    "kn.permute_dims(x,(int(i)%2,1-int(i)%2))",
    "t*int(i)",
    "t*i.item()",
    "t+i.tolist()",
    "len(range(i))",
    "kn.cumulative_sum(x,axis=int(i)%2)",
    "kn.take_along_axis(x,kn.full((4,1),int(i),dtype=kn.int64))",
    "kn.matmul(x[i:],x)",
    "kn.sort(t[i:],descending=bool(i>1))",
    "kn.nn.functional.cross_entropy(x,kn.stack([i,i,i,i]))",
    "kn.asarray([i,i])*t[:2]",
    "kn.asarray(int(i))*t",
    "kn.stack([x[int(i)],x[0]])",
    "slice(i,None) and t[slice(i,None)]",
    "t[..., i:]",
    "t[None,i:]",
    "abs(-i)*t",
    "t[~i]",
    "hash((int(i),))",
    "str(int(i))",
    "isinstance(i, kn.Tensor)",
    "i.shape",
    "i in [0,2]",
    "i == 2 or i == 3",
    "min(t[i], t[2])",
    "sorted([t[i], t[2], t[0]], key=float)[0]",
    "any([i>1, i<0])",
    "kn.any(t>i) and t",
    "[a for a in x[i:]]",
    "list(zip(t[i:], t))",
    "(i, int(i))",
    "complex(float(i), 1)",
    "int(i) // 2",
    "-int(i)",
    "float(i) ** 2 * t",
    "t / (int(i)+1)",
    "int(i) % 3 == 0",
    '"x" * int(i)',
    "[1,2,3,4][int(i):]",
    "(1,2,3,4)[:int(i)]",
    "[1,2,3,4][i:]",
    "bytes([int(i)])",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_an_integer_of_data_decides(expression):
    known = {"kn": kn, "x": kn.reshape(kn.arange(16.0), (4, 4)), "t": kn.arange(1.0, 13.0), "N": [10, 20, 30, 40, 50]}
    plain = eval("lambda i: " + expression, known)  # a function of one line, as a user would write it
    captured = kn.jit(plain)

    def result(f, i):
        try:
            return bits(f(kn.asarray(i)))
        except Exception as e:
            return type(e), str(e)

    for i in [n * 7 // 3 % 4 for n in range(22)] + [3, 2, 9, -9]:
        assert result(captured, i) == result(plain, i), i
