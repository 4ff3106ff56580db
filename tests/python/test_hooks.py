"""Hooks on tensors and on modules: when they are called, what they may change, and that captured calls do not miss them."""

import pytest

import kiln as kn

X = kn.asarray([1.0, 2.0])


# ---- tensors --------------------------------------------------------------------------------------------------------------


def test_a_hook_sees_the_whole_gradient_once():
    x, seen = X.detach().requires_grad_(), []
    x.register_hook(lambda g: seen.append(g.tolist()))
    y = x * 3
    y.register_hook(lambda g: seen.append(("y", g.tolist())))
    (y * y + y + x).sum().backward()
    assert seen == [("y", [7, 13]), [22, 40]] and x.grad.tolist() == [22, 40]


def test_a_hook_may_give_another_gradient():
    x = X.detach().requires_grad_()
    first = x.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g + 1)
    (x * 1).sum().backward()
    assert x.grad.tolist() == [3, 3]
    first.remove()
    first.remove()
    x.grad = None
    (x * 1).sum().backward()
    assert x.grad.tolist() == [2, 2]
    y = x * 1
    y.register_hook(lambda g: g * 0)
    assert kn.asarray([5.0]).requires_grad_().register_hook(print) is not None
    x.grad = None
    (y * 2).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_hooks_run_in_the_order_of_the_pass():
    order = []
    x = X.detach().requires_grad_()
    w = X.detach().requires_grad_()
    x.register_hook(lambda g: order.append("x"))
    w.register_hook(lambda g: order.append("w"))
    a = x * 2
    a.register_hook(lambda g: order.append("a"))
    b = a * w
    b.register_hook(lambda g: order.append("b"))
    b.sum().backward()
    assert order == ["b", "w", "a", "x"]  # a leaf's as soon as its gradient is whole


def test_a_hook_of_a_leaf_that_is_the_root():
    x = kn.asarray(2.0).requires_grad_()
    x.register_hook(lambda g: g * 5)
    x.backward()
    assert x.grad.item() == 5


def test_what_a_hook_keeps_does_not_change():
    x, kept = X.detach().requires_grad_(), []
    x.register_hook(lambda g: kept.append(g))
    for _ in range(2):
        (x * 2).sum().backward()
    assert [g.tolist() for g in kept] == [[2, 2], [2, 2]] and x.grad.tolist() == [4, 4]


def test_hooks_in_second_derivatives():
    x = X.detach().requires_grad_()
    y = x * x
    y.register_hook(lambda g: g * x)
    y.sum().backward(create_graph=True)
    assert x.grad.tolist() == [2, 8] and x.grad.requires_grad


def test_hooks_say_what_is_wrong():
    with pytest.raises(RuntimeError, match="requires grad"):
        X.register_hook(print)
    x = X.detach().requires_grad_()
    with pytest.raises(TypeError, match="a function of the gradient, not int"):
        x.register_hook(3)
    wrong = [
        (lambda g: 3, TypeError, "a tensor or None, not int"),
        (lambda g: g.sum(), RuntimeError, r"like the one it got, float32\(2,\)"),
    ]
    for given, error, said in wrong:
        handle = x.register_hook(given)
        with pytest.raises(error, match=said):
            (x * 1).sum().backward()
        assert x.grad is None
        handle.remove()
    x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (x * 1).sum().backward()


@pytest.mark.parametrize("mode", ["segments", "auto"])
def test_a_captured_call_does_not_miss_a_hook_that_comes_later(mode):
    w, seen = X.detach().requires_grad_(), []

    @kn.jit(mode=mode)
    def step(x):
        w.grad = None
        (w * x).sum().backward()
        return w.grad

    for _ in range(4):
        assert step(X).tolist() == [1, 2]
    handle = w.register_hook(lambda g: seen.append(g.tolist()))
    for _ in range(4):
        assert step(X).tolist() == [1, 2]
    assert seen == [[1, 2]] * 4
    handle.remove()
    assert step(X).tolist() == [1, 2] and len(seen) == 4


def double(g):
    return g * 2


def test_hooks_that_only_compute_are_replayed():
    w = X.detach().requires_grad_()
    w.register_hook(double)

    @kn.jit
    def step(x):
        w.grad = None
        y = w * x
        y.register_hook(double)
        y.sum().backward()
        return w.grad

    for _ in range(5):
        assert step(X).tolist() == [4, 8]
    assert step.explain().replays >= 3
    w.register_hook(lambda g: g + 1)
    assert step(X).tolist() == [5, 9]


# ---- modules --------------------------------------------------------------------------------------------------------------


def layer():
    net = kn.nn.Linear(2, 1, bias=False)
    with kn.no_grad():
        net.weight[...] = kn.asarray([[2.0, 3.0]])
    return net


def test_forward_hooks():
    net, order = layer(), []
    net.register_forward_pre_hook(lambda m, args: order.append(("before", m is net, len(args))))
    double_in = net.register_forward_pre_hook(lambda m, args: args[0] * 2, prepend=True)
    net.register_forward_hook(lambda m, args, y: order.append(("after", args[0].tolist(), y.tolist())))
    plus = net.register_forward_hook(lambda m, args, y: y + 1)
    assert net(X[None]).tolist() == [[17]]
    assert order == [("before", True, 1), ("after", [[2, 4]], [[16]])]
    double_in.remove()
    with plus:
        assert net(X[None]).tolist() == [[9]]
    assert net(X[None]).tolist() == [[8]]


def test_forward_hooks_with_keywords():
    class Scale(kn.nn.Module):
        def forward(self, x, *, k=1.0):
            return x * k

    net, seen = Scale(), []
    net.register_forward_pre_hook(lambda m, args, kwargs: (args, {"k": kwargs["k"] + 1}), with_kwargs=True)
    net.register_forward_hook(lambda m, args, kwargs, y: seen.append(kwargs), with_kwargs=True)
    assert net(X, k=2.0).tolist() == [3, 6] and seen == [{"k": 3.0}]
    net.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must give None or \(args, kwargs\), not a int"):
        net(X, k=2.0)
    with pytest.raises(TypeError, match="a hook is a function"):
        net.register_forward_hook(None)


def test_backward_hooks():
    net, seen = layer(), []

    def look(module, grad_input, grad_output):
        seen.append(([None if g is None else g.tolist() for g in grad_input], [g.tolist() for g in grad_output]))

    net.register_full_backward_hook(look)
    x = X[None].detach().requires_grad_()
    (net(x) * 5).sum().backward()
    assert seen == [([[[10, 15]]], [[[5]]])] and x.grad.tolist() == [[10, 15]] and net.weight.grad.tolist() == [[5, 10]]
    net(X[None]).sum().backward()  # no gradient of the input is asked for
    assert seen[1:] == [([None], [[[1]]])]


def test_backward_hooks_may_change_the_gradient_of_the_input():
    net = layer()
    handle = net.register_full_backward_hook(lambda m, gi, go: (gi[0] * 0,))
    x = X[None].detach().requires_grad_()
    net(x).sum().backward()
    assert x.grad.tolist() == [[0, 0]]
    handle.remove()
    net.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="as many gradients as it got, 1, not 2"):
        net(x).sum().backward()


@pytest.mark.parametrize("mode", ["segments", "auto"])
def test_captured_modules_do_not_miss_hooks_that_come_later(mode):
    net, seen = layer(), []
    f = kn.jit(net, mode=mode)
    for _ in range(4):
        assert f(X[None]).tolist() == [[8]]
    handle = net.register_forward_hook(lambda m, args, y: seen.append(y.tolist()) or y * 2)
    for _ in range(4):
        assert f(X[None]).tolist() == [[16]]
    assert seen == [[[8]]] * 4
    handle.remove()
    assert f(X[None]).tolist() == [[8]]
