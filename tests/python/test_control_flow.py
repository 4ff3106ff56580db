"""cond, while_loop and scan: what plain Python gives, captured and not, and errors that name the leaf."""

import pytest

import kiln as kn
from replays import bits, loops_of, scalar

WAYS = pytest.mark.parametrize("way", [lambda f: f, kn.jit], ids=["eager", "jit"])


def grow(x, end):
    return kn.while_loop(lambda s: kn.sum(s["x"]) < end, lambda s: {"x": s["x"] * 1.5 + 1, "n": s["n"] + 1}, {"x": x, "n": 0})


@WAYS
def test_while_loop_is_the_loop_written_out(way):
    def written_out(x, end):
        n = 0
        while kn.sum(x) < end:
            x, n = x * 1.5 + 1, n + 1
        return {"x": x, "n": n}

    f = way(grow)
    for end in (9.0, 9.0, 9.0, 100.0, 1.0, 1e6, 0.0):
        got, wanted = f(kn.asarray([0.5, 1.0]), scalar(end)), written_out(kn.asarray([0.5, 1.0]), scalar(end))
        assert got["n"] == wanted["n"] and bits(got["x"]) == bits(wanted["x"])
    if way is kn.jit:
        assert loops_of(f) == 1


@WAYS
def test_cond_calls_the_one_that_is_asked_for(way):
    called = []

    def run(p, x):
        return kn.cond(p, lambda x: x + 1, lambda x: x * 2, x)

    f = way(run)
    for p in (True, True, True, False, True):
        assert f(scalar(p), scalar(5.0)).item() == (6.0 if p else 10.0)
    kn.cond(scalar(0), called.append, lambda x: None, 1)
    assert not called


@WAYS
def test_scan_is_a_running_sum(way):
    def run(xs):
        return kn.scan(lambda total, x: (total + x, {"sum": total + x, "twice": 2 * x}), kn.zeros((2,)), xs)

    f = way(run)
    xs = kn.reshape(kn.arange(6, dtype=kn.float32), (3, 2))
    for _ in range(4):
        total, ys = f(xs)
        assert bits(total) == bits(kn.sum(xs, axis=0))
        assert bits(ys["sum"]) == bits(kn.cumsum(xs, axis=0))
        assert bits(ys["twice"]) == bits(xs * 2)


@WAYS
def test_gradients_go_through_cond_and_scan(way):
    def run(x):
        y, _ = kn.scan(lambda c, w: (c * w, c), x, kn.asarray([2.0, 3.0]))
        return kn.cond(y > 5, lambda y: y * y, lambda y: -y, y)

    f = way(kn.grad(run))
    for value, slope in ((1.0, 72.0), (1.0, 72.0), (1.0, 72.0), (0.5, -6.0)):
        assert f(scalar(value)).item() == slope


@WAYS
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda s: (s[0], kn.concat([s[1], s[1]])), r"state\[1\] was float32\(2,\) and became float32\(4,\)"),
        (lambda s: (s[0].astype(kn.float64) + 1, s[1]), r"state\[0\] was float32\(\) and became float64\(\)"),
        (lambda s: [s[0] + 1, s[1]], "state was a tuple of 2 and became a list of 2"),
        (lambda s: (s[0] + 1,), "state was a tuple of 2 and became a tuple of 1"),
        (lambda s: (s[0] + 1, None), r"state\[1\] was float32\(2,\) and became the NoneType None"),
    ],
)
def test_a_state_that_changes_its_kind_is_an_error_that_names_the_leaf(way, body, message):
    f = way(lambda x: kn.while_loop(lambda s: s[0] < 5, body, (x, kn.ones((2,)))))
    for _ in range(4):
        with pytest.raises(TypeError, match=message):
            f(scalar(0.0))


def test_a_state_that_changes_at_a_later_call_is_an_error_too():
    f = kn.jit(lambda x, step: kn.while_loop(lambda x: kn.sum(x) < 9, lambda x: x + step, x))
    for _ in range(4):
        f(kn.zeros((2,)), kn.ones((2,)))
    for _ in range(3):
        with pytest.raises(TypeError, match=r"state was float32\(2,\) and became float32\(3, 2\)"):
            f(kn.zeros((2,)), kn.ones((3, 2)))
        assert f(kn.zeros((2,)), kn.ones((2,))).tolist() == [5.0, 5.0]


def test_bad_arguments():
    with pytest.raises(TypeError, match="while_loop: body must be a function, not int"):
        kn.while_loop(lambda s: False, 3, 0)
    with pytest.raises(TypeError, match="cond: other must be a function, not NoneType"):
        kn.cond(True, lambda: 1, None)
    with pytest.raises(TypeError, match="scan: f must give a pair"):
        kn.scan(lambda c, x: c, 0, kn.ones((2,)))
    with pytest.raises(TypeError, match=r"scan: xs must be tensors of at least one dimension, not a tensor of shape \(\)"):
        kn.scan(lambda c, x: (c, x), 0, kn.ones(()))
    with pytest.raises(ValueError, match="scan: xs has nothing to go through"):
        kn.scan(lambda c, x: (c, x), 0, kn.ones((0, 2)))
    with pytest.raises(ValueError, match=r"scan: xs must be of one length, not \[2, 3\]"):
        kn.scan(lambda c, x: (c, x), 0, (kn.ones((2,)), kn.ones((3,))))
    with pytest.raises(TypeError, match=r"carry was the int 0 and became the float 0\.5"):
        kn.scan(lambda c, x: (0.5, x), 0, kn.ones((2,)))
    with pytest.raises(ValueError, match="ambiguous"):
        kn.cond(kn.ones((2,)), lambda: 1, lambda: 2)
