"""What tests of captured calls share."""

import kiln as kn
from kiln import _core


def floats(*values):
    return kn.asarray(list(values), dtype=kn.float32)


def told(f, capsys):
    """explain(), without what it prints."""
    explanation = f.explain()
    capsys.readouterr()
    return explanation


def scalar(value, dtype=None):
    return kn.asarray(value, dtype=dtype)


def bits(value):
    if isinstance(value, tuple | list):
        return type(value), [bits(v) for v in value]
    if isinstance(value, kn.Tensor):
        return value.shape, str(value.dtype), value.numpy().tobytes()
    return type(value), repr(value)


def same_as_eager(function, calls):
    """kn.jit of the function, called with each of these, as the function itself gives it."""
    captured = kn.jit(function)
    for arguments in calls:
        assert bits(captured(*arguments)) == bits(function(*arguments))
    return captured


def runs(captured):
    return sum(t["runs"] for t in _core.captured_records(captured)["traces"])


def loops_of(captured):
    return [name for name, *_ in _core.replay_instructions(captured)[0]].count("loop")


def same_gradients(function, values):
    """The same of a function of one scalar that runs a backward pass."""
    captured = kn.jit(function)
    for value in values:
        results = []
        for f in (function, captured):
            x = scalar(value)
            x.requires_grad_()
            results.append(bits(f(x)))
        assert results[0] == results[1]
