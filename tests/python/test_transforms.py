"""kn.vjp, kn.jvp, and how derivatives nest and compose with the tape outside; trees of registered classes."""

import collections
import copy
import dataclasses
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import kiln as kn
from kiln import _tree

X = kn.asarray([0.5, -1.0, 2.0], dtype=kn.float64)


def close(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


# ---- vjp ------------------------------------------------------------------------------------------------------------------


def test_vjp_gives_the_value_and_a_pullback():
    value, pull = kn.vjp(lambda x, y: {"a": x * y, "b": [x.sum()]}, X, X + 1)
    close(value["a"], X * (X + 1))
    assert not value["a"].requires_grad
    for _ in range(2):  # as often as one likes
        gx, gy = pull({"a": kn.ones_like(X), "b": [kn.asarray(2.0, dtype=kn.float64)]})
        close(gx, X + 1 + 2)
        close(gy, X)
    gx, gy = pull({"b": [None], "a": X})
    close(gx, (X + 1) * X)
    assert not gx.requires_grad


def test_vjp_of_what_does_not_depend():
    _, pull = kn.vjp(lambda x: kn.ones(2), X)
    assert pull(kn.ones(2))[0].tolist() == [0, 0, 0]


def test_vjp_with_aux_and_with_its_errors():
    _, pull, aux = kn.vjp(lambda x: (x * 2, "aside"), X, has_aux=True)
    assert aux == "aside" and pull(X)[0].tolist() == (X * 2).tolist()
    with pytest.raises(ValueError, match=r"cotangent 0 must be of the value's shape \(3,\), not \(2,\)"):
        pull(kn.ones(2))
    with pytest.raises(ValueError, match="cotangent must be a leaf, not a tuple"):
        pull((X,))
    with pytest.raises(TypeError, match="must give tensors, and trees of them, not a int"):
        kn.vjp(lambda x: 3, X)
    with pytest.raises(TypeError, match=r"a pair \(value, anything\), not a Tensor"):
        kn.vjp(lambda x: x, X, has_aux=True)
    with pytest.raises(TypeError, match="vjp takes a function"):
        kn.vjp(X, X)


# ---- jvp ------------------------------------------------------------------------------------------------------------------


def test_jvp_is_the_directional_derivative():
    v = kn.asarray([1.0, 2.0, -1.0], dtype=kn.float64)
    value, d = kn.jvp(lambda x: (kn.sin(x), x.sum(), kn.ones(1)), (X,), (v,))
    close(value[0], kn.sin(X))
    close(d[0], kn.cos(X) * v)
    close(d[1], v.sum())
    assert d[2].tolist() == [0] and not d[0].requires_grad and not value[0].requires_grad


def test_jvp_of_the_identity_and_of_many_arguments():
    _, d = kn.jvp(lambda x, y: x, (X, X), (X * 2, X))
    close(d, X * 2)
    _, d = kn.jvp(lambda p: p["w"] * p["b"][0], ({"w": X, "b": [X + 1]},), ({"b": [kn.ones_like(X)], "w": X},))
    close(d, X * (X + 1) + X)


def test_jvp_against_differences_through_matrices():
    a = kn.asarray(np.random.default_rng(0).normal(size=(3, 3)))

    def f(x):
        return kn.softmax(kn.tanh(a @ x)) * x.max()

    step = 1e-6
    _, d = kn.jvp(f, (X,), (kn.ones_like(X),))
    np.testing.assert_allclose(d.numpy(), ((f(X + step) - f(X - step)) / (2 * step)).numpy(), rtol=1e-7)


def test_hessian_vector_products_both_ways():
    def f(x):
        return (x**3).sum() * x[0]

    v = kn.asarray([1.0, -1.0, 0.5], dtype=kn.float64)
    forward_over_reverse = kn.jvp(kn.grad(f), (X,), (v,))[1]
    reverse_over_forward = kn.grad(lambda x: kn.jvp(f, (x,), (v,))[1])(X)
    reverse_over_reverse = kn.vjp(kn.grad(f), X)[1](v)[0]
    close(forward_over_reverse, reverse_over_forward)
    close(forward_over_reverse, reverse_over_reverse)


def test_jvp_errors():
    with pytest.raises(TypeError, match=r"tangent 0 must be like its primal, float64\(3,\), not float32\(3,\)"):
        kn.jvp(kn.sin, (X,), (kn.ones(3),))
    with pytest.raises(ValueError, match="tangents must be a list of 1, not of 2"):
        kn.jvp(kn.sin, (X,), (X, X))
    with pytest.raises(TypeError, match="as tuples or lists"):
        kn.jvp(kn.sin, X, X)


# ---- beside the tape ------------------------------------------------------------------------------------------------------


def test_gradients_reach_what_the_function_closes_over():
    w = kn.asarray([2.0, 3.0, 4.0], dtype=kn.float64).requires_grad_()
    slope = kn.grad(lambda x: (w * x * x).sum())(X)
    assert slope.requires_grad
    slope.sum().backward()
    close(w.grad, 2 * X)
    with kn.no_grad():
        assert not kn.grad(lambda x: (w * x * x).sum())(X).requires_grad
    assert not kn.grad(lambda x: (w.detach() * x).sum())(X).requires_grad


def test_inner_derivatives_of_other_variables():
    mixed = kn.grad(lambda x: kn.grad(lambda y: (x * y * y).sum())(X).sum())(X)
    close(mixed, 2 * X)


def test_derivatives_are_functions_like_their_own():
    def cube(x):
        """Cubes."""
        return (x**3).sum()

    f = kn.grad(cube)
    assert f.__name__ == "cube" and f.__wrapped__ is cube and "grad of" in repr(f)

    class Model:
        scale = 2.0

        @kn.value_and_grad
        def bad(self, x):
            return x

        @kn.jit
        def loss(self, x):
            return (x * self.scale).sum()

        slope = kn.grad(loss, argnums=1)

    assert Model().slope(X).tolist() == [2, 2, 2]
    assert copy.copy(f).__name__ == "cube"
    assert pickle.loads(pickle.dumps(kn.grad(kn.sum)))(X).tolist() == [1, 1, 1]
    with pytest.raises(AttributeError):
        _ = f.nothing


def test_grad_with_aux():
    value, gradient = kn.value_and_grad(lambda x: (x.sum(), x * 2), has_aux=True)(X)
    assert value[0].item() == 1.5 and value[1].requires_grad and gradient.tolist() == [1, 1, 1]
    gradient, aux = kn.grad(lambda x: (x.sum(), "aside"), has_aux=True)(X)
    assert gradient.tolist() == [1, 1, 1] and aux == "aside"


# ---- trees ----------------------------------------------------------------------------------------------------------------


class Pair:
    def __init__(self, first, second, name="pair"):
        self.first, self.second, self.name = first, second, name


kn.register_pytree(Pair, lambda p: ((p.first, p.second), p.name), lambda name, parts: Pair(*parts, name))


@kn.register_pytree
@dataclasses.dataclass
class Layer:
    w: kn.Tensor
    b: kn.Tensor


Point = collections.namedtuple("Point", "x y")


def test_gradients_of_registered_classes():
    g = kn.grad(lambda p: (p.first * p.second.w).sum() + p.second.b.sum())(Pair(X, Layer(X + 1, X), "mine"))
    assert type(g) is Pair and g.name == "mine" and type(g.second) is Layer
    close(g.first, X + 1)
    close(g.second.b, kn.ones_like(X))


def test_registered_classes_everywhere():
    p = Pair(X, Point(X, [X]))
    value, pull = kn.vjp(lambda p: Pair(p.first * 2, p.second.x, "given"), p)
    assert value.name == "given"
    close(pull(Pair(X, X, "given"))[0].first, 2 * X)
    with pytest.raises(ValueError, match="with 'given' beside its children, not 'other'"):
        pull(Pair(X, X, "other"))
    d = kn.jvp(lambda p: p.first * p.second.y[0], (p,), (p,))[1]
    close(d, 2 * X * X)
    mapped = kn.vmap(lambda p: Pair(p.first.sum(), p.second))(Pair(kn.ones((2, 3)), kn.ones(2)))
    assert mapped.first.tolist() == [3, 3]
    f = kn.jit(kn.value_and_grad(lambda p: (p.first * p.second.x).sum()))
    for _ in range(4):
        close(f(p)[1].first, X)
    kn.testing.assert_close(Pair(X, X), Pair(X, X + 0))
    with pytest.raises(AssertionError):
        kn.testing.assert_close(Pair(X, X), Pair(X, X + 1))


def test_trees_of_dicts_keep_their_class_and_order():
    tree = collections.OrderedDict(b=1, a=(2, [3]))
    assert _tree.map_leaves(lambda v: v + 1, tree) == collections.OrderedDict(b=2, a=(3, [4]))
    counted = collections.defaultdict(list, k=1)
    made = _tree.map_leaves(str, counted)
    assert made == {"k": "1"} and made["new"] == []
    leaves, structure = _tree.split({"a": Point(1, 2), "b": None})
    assert leaves == [1, 2, None] and [_tree.path_of(structure, i) for i in range(3)] == ["['a'][0]", "['a'][1]", "['b']"]


def test_registering_says_what_is_wrong():
    class Wrong:
        pass

    with pytest.raises(TypeError, match="takes a class, not a int"):
        kn.register_pytree(3)
    with pytest.raises(TypeError, match="Wrong needs a function flatten"):
        kn.register_pytree(Wrong)
    with pytest.raises(ValueError, match="Pair is a node of trees already"):
        kn.register_pytree(Pair, id, id)
    with pytest.raises(ValueError, match="Point is a node of trees already"):
        kn.register_pytree(Point, id, id)
    for answer, said in (((1, 2, 3), "children, rest"), (("ab", None), "as a str"), (([1], []), "hashable rest")):

        class Odd:
            answer = None

        kn.register_pytree(Odd, lambda o, answer=answer: answer, lambda rest, parts: Odd())
        with pytest.raises(TypeError, match=said):
            kn.grad(lambda o: o)(Odd())
    with pytest.raises(ValueError, match="2 leaves cannot be built of 1"):
        _tree.flatten([1, 2])[1]([3])


# ---- the page -------------------------------------------------------------------------------------------------------------


def plain(value):
    if isinstance(value, kn.Tensor):
        return value.tolist()
    return tuple(plain(v) for v in value) if isinstance(value, tuple) else value


def test_the_examples_of_the_page_give_what_it_says():
    page = (Path(__file__).parents[2] / "docs" / "transforms.md").read_text()
    space, checked = {}, 0
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, space)
        for line in block.splitlines():
            code, _, said = line.partition("  # ")
            result = re.search(r"[\[(].*[\])]", said.split("==")[-1])
            if code.startswith((" ", "@")) or not result:
                continue
            shown = space["seen"] if "seen ==" in said else space["per_sample"].shape if "shape" in said else eval(code, space)
            assert plain(shown) == eval(result[0]), line
            checked += 1
    assert checked == 7
