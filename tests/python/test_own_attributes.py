"""Instances keep their attributes in themselves until somebody asks for their __dict__: what is captured reads them, and does not ask."""

import gc

import pytest

import kiln as kn
from kiln import _core
from replays import floats, told

MISSING = object()
CALLS = 8  # enough to be recorded, replayed, made one program, and to have words that stand for the checks


class Node:
    rate = 2.0

    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)

    def scaled(self, x):
        return x * self.scale


class Derived(Node):
    __slots__ = ("late",)


def has_dict(instance):
    return any(type(held) is dict for held in gc.get_referents(instance))


def test_what_is_captured_reads_and_writes_without_a_dict(capsys):
    """CPython 3.11 and 3.12 access attributes half as fast beside one, for as long as the instance lives."""
    node, other = Node(scale=3.0, steps=0), Derived(scale=1.0)
    node.child = other

    @kn.jit(mode="replay")
    def f(x):
        node.steps += 1
        y = node.scaled(x) * node.rate + node.child.scale
        if not hasattr(node, "absent"):
            other.seen = node.steps
        return y

    for _ in range(CALLS):
        assert f(floats(1)).tolist() == [7.0]
    assert told(f, capsys).replays > 0
    assert (node.steps, other.seen) == (CALLS, CALLS)
    assert not has_dict(node)
    assert has_dict(other) == has_dict(Derived(scale=1.0))  # CPython 3.13 makes one at once where there are slots too


def both(f, expected):
    for _ in range(CALLS):
        assert f(floats(1)).tolist() == [expected]


@pytest.mark.parametrize("mode", ["replay", "auto"])
def test_changes_are_seen_in_either_form(mode):
    node = Node(scale=3.0)

    @kn.jit(mode=mode)
    def f(x):
        return node.scaled(x) + node.rate

    both(f, 5.0)
    node.scale = 4.0
    both(f, 6.0)
    node.rate = 10.0  # hides the class's
    both(f, 14.0)
    del node.rate
    both(f, 6.0)
    vars(node)["scale"] = 5.0  # has a dict from here on
    both(f, 7.0)
    vars(node)["rate"] = 1.0
    both(f, 6.0)
    node.scaled = lambda x: x
    both(f, 2.0)
    del node.scaled, node.rate
    both(f, 7.0)
    node.__dict__ = {"scale": 8.0}
    both(f, 10.0)


def test_a_name_that_another_instance_brings_first():
    """The class keeps the names: it comes to know one that this instance gets only later."""

    class Fresh:
        rate = 2.0

    node, other = Fresh(), Fresh()
    node.scale = 3.0

    @kn.jit(mode="replay")
    def f(x):
        return x * node.scale + node.rate

    both(f, 5.0)
    other.rate = 7.0
    both(f, 5.0)
    node.rate = 1.0
    both(f, 4.0)


def test_instances_of_both_forms_take_turns():
    plain, with_dict = Node(scale=2.0), Node(scale=3.0)
    vars(with_dict)

    @kn.jit(mode="replay")
    def f(node, x):
        return x * node.scale + node.rate

    for n in range(4 * CALLS):
        node = (plain, with_dict)[n % 2]
        node.scale = float(n)
        assert f(node, floats(1)).tolist() == [n + 2.0]
    with_dict.rate = 5.0
    for n in range(2 * CALLS):
        assert f((plain, with_dict)[n % 2], floats(1)).tolist() == [(30.0, 31.0)[n % 2] + (2.0, 5.0)[n % 2]]


def deleted():
    node = Node(a=1, b=2, c=3)
    del node.b
    return node


def failed():
    error = ValueError("x")
    error.note = 1
    return error


def function():
    return None


function.mark = 5


@pytest.mark.parametrize(
    "make",
    [
        Node,
        lambda: Node(a=1, b=None),
        deleted,
        failed,
        lambda: function,
        lambda: Derived(a=1, late=2),
        lambda: Node(**{f"a{n}": n for n in range(100)}),  # more names than a class keeps
        lambda: kn.nn.Linear(2, 3),
        lambda: 5,
        lambda: type("Slotted", (), {"__slots__": ("a",)})(),
        lambda: kn,
        lambda: Node,
        lambda: int,
    ],
)
def test_what_an_instance_holds_is_found(make):
    instance = make()
    names = [*"abc", "note", "mark", "late", "rate", "a0", "a29", "a30", "a99", "weight", "jit", "scaled", "real", "".join(("a", "_", "b"))]
    found = [_core.own_attribute(instance, name, MISSING) for name in names]
    held = getattr(instance, "__dict__", {})
    assert found == [held.get(name, MISSING) for name in names]
    assert found == [_core.own_attribute(instance, name, MISSING) for name in names]  # now that it has a dict
