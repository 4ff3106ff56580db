"""A replay does not look again into a dict or an instance that has not changed since: it must learn of each way in which one changes."""

import collections
import random
import subprocess
import sys
import textwrap
import types

import pytest

import kiln as kn
from replays import bits, floats, told


class Box:
    """Its instances keep their attributes in themselves until somebody asks for their dict."""


class Inheriting(Box):
    a = floats(-1)
    b = floats(-2)


def store_a(box, value):
    box.a = value


def items(table):
    return table.get("a", floats(0)), table.get("b", floats(0)), float(len(table))


def attributes(box):
    return getattr(box, "a", floats(0)), getattr(box, "b", floats(0)), 1.0


def change_dict(rng, table, new):
    key = rng.choice("ab")
    rng.choice(
        (
            lambda: table.__setitem__(key, new),
            lambda: table.update({key: new}),
            lambda: table.update(a=new, b=new),
            lambda: table.__ior__({key: new}),
            lambda: table.setdefault(key, new),
            lambda: table.pop(key, None),
            lambda: table.popitem() if table else None,
            lambda: table.clear(),
            lambda: (table.clear(), table.update({"a": new, "b": new})),  # a copy of the whole table
            lambda: (table.pop(key, None), table.__setitem__(key, new)),
            lambda: table.__setitem__(rng.randrange(20), new),
            lambda: [table.pop(n, None) for n in range(20)],
        )
    )()


def change_globals(rng, module, new):
    key = rng.choice("ab")
    rng.choice(
        (
            lambda: setattr(module, key, new),
            lambda: exec(f"{key} = new", module.__dict__, {"new": new}),
            lambda: exec(f"global {key}\n{key} = given", module.__dict__ | {"given": new}),  # of another module
            lambda: module.set(key, new),
            lambda: (vars(module).pop(key), module.set(key, new)),
        )
    )()


def change_instance(rng, box, new):
    key = rng.choice("ab")
    rng.choice(
        (
            lambda: setattr(box, key, new),
            lambda: [store_a(box, floats(n)) for n in range(20)],  # CPython writes in its own way from some call on
            lambda: store_a(box, new),
            lambda: vars(box).__setitem__(key, new),
            lambda: vars(box).update(a=new, b=new),
            lambda: setattr(box, "__dict__", {key: new}),
            lambda: setattr(box, "__dict__", dict(vars(box))),
            lambda: hasattr(box, key) and delattr(box, key) if key in vars(box) else None,
            lambda: vars(box).pop(key, None),
            lambda: vars(box).clear(),
            lambda: setattr(box, f"more{rng.randrange(40)}", new),  # more than instances keep in themselves
            lambda: setattr(box, "__class__", Inheriting if type(box) is Box else Box),
        )
    )()


def module():
    made = types.ModuleType("made")
    vars(made).update(a=floats(-1), b=floats(-2))
    exec("def set(name, value):\n    globals()[name] = value\ndef read(_):\n    return a, b, 1.0", vars(made))
    return made


KINDS = {
    "dict": (dict, items, change_dict),
    "OrderedDict": (collections.OrderedDict, items, change_dict),
    "defaultdict": (lambda: collections.defaultdict(float), items, change_dict),
    "module": (module, lambda made: made.read(made), change_globals),
    "instance": (Box, attributes, change_instance),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_change_is_seen(kind, capsys):
    make, read, change = KINDS[kind]
    rng, replays = random.Random(kind), 0
    for _ in range(10):
        state = make()

        def f(x, state=state):
            a, b, more = read(state)
            return x * a + b * more

        captured = kn.jit(f)
        for n in range(40):
            for _ in range(rng.randrange(1, 4)):
                assert captured(floats(3)).tolist() == f(floats(3)).tolist()
            for _ in range(rng.choice((1, 1, 1, 2, 5))):
                change(rng, state, floats(n + 1))
        replays += told(captured, capsys).replays
    assert replays > 150


def test_dicts_that_take_each_others_place(capsys):
    @kn.jit
    def f(x, table, box):
        return x * table["a"] + box.a

    for n in range(300):  # each at an address where an earlier one was
        box = Box()
        box.a = floats(n)
        if n % 3:
            vars(box)
        assert f(floats(2), {"a": floats(n)}, box).tolist() == [3 * n]
    assert told(f, capsys).replays > 250


def test_an_instance_that_is_looked_at_while_it_is_cleared():
    """Its attributes die one by one, and the first that dies calls the function when the others are still there, or are not."""
    box = Box()

    def f(x):
        return x * getattr(box, "weight", floats(0))

    captured = kn.jit(f)

    class Last:
        def __del__(self):
            results.extend((captured(floats(1)).tolist(), captured(floats(1)).tolist(), f(floats(1)).tolist()))

    for clear in (lambda: vars(box).clear(), lambda: setattr(box, "__dict__", {}), lambda: vars(box).clear()):
        results = []
        box.last, box.weight = Last(), floats(7)
        vars(box)
        assert [captured(floats(1)).tolist() for _ in range(5)] == [[7.0]] * 5
        clear()
        assert results in ([[0.0]] * 3, [[7.0]] * 3)
        for _ in range(3):
            assert captured(floats(1)).tolist() == [0.0]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="CPython counts the changes of dicts itself")
def test_without_a_watcher_to_be_had():
    """CPython has eight. Where others have taken them all, everything is looked up."""
    program = """
    import ctypes
    kept = []
    watcher = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    try:
        while True:
            kept.append(watcher(lambda *_: 0))
            ctypes.pythonapi.PyDict_AddWatcher(kept[-1])
    except RuntimeError:
        pass
    import kiln as kn
    table = {}
    f = kn.jit(lambda x: x * table["a"])
    for n in range(100):
        table["a"] = kn.full((1,), float(n))
        assert f(kn.ones((1,))).tolist() == [n] == f(kn.ones((1,))).tolist(), n
    print("all right")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "all right\n", done.stderr


def test_what_a_call_made_may_be_written_after_a_look_at_a_value(capsys):
    """It is not there before the call, even if its value was computed before the write."""

    def one_hot(labels, n):
        z = kn.zeros((labels.shape[0], n))
        z[kn.arange(labels.shape[0]), labels] = 1.0
        return z

    def run(y, labels):
        y = y * 0.5 + one_hot(labels, 3) @ y
        z = one_hot(labels, 3) * 2.0
        if kn.sum(z) > 1.0:
            z[0] = y[0]
        return y * 0.5 + one_hot(labels, 3) @ y, z

    f = kn.jit(run)
    for n in range(8):
        y, labels = kn.ones((3, 3)) * n, kn.asarray([n % 3, 1, (n + 1) % 3])
        assert bits(f(y, labels)) == bits(run(y, labels))
    e = told(f, capsys)
    assert not e.fallbacks
    assert e.replays == 6


def test_what_was_there_before_is_not_written_before_the_call_is_known_to_succeed():
    kept = kn.zeros((3,))

    def run(x):
        kept[0] = x
        return 1.0 if kn.sum(kept) > 2.0 else 0.0

    f = kn.jit(run)
    for value in (1.0, 1.0, 3.0, 1.0, 5.0):
        given = f(kn.asarray(value))
        assert given == (1.0 if value > 2.0 else 0.0)
        assert kept[0].item() == value
