"""Words of memory that stand for a replay's checks: whatever a function reads of Python's state, a change of it is seen, and what keeps
changing is read anew. Each state is changed after calls enough for the words to be in use, changed back, and left alone again."""

import functools
import gc
import sys

import pytest

import kiln as kn
from kiln import _core
from replays import floats

SCALE = 2.0
TABLE = {"scale": 2.0, "other": 0}
SETTLED = 8


class State:
    of_class = 2.0

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def scale(self):
        return 2.0


class InItself(State):
    """Without a dict, until somebody asks for it."""

    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)


@pytest.fixture(autouse=True, params=[State, InItself], ids=["in a dict", "in itself"])
def kind_of_state(request, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "State", request.param)


class Slotted:
    __slots__ = ("scale",)

    def __init__(self, scale):
        self.scale = scale


class Falling:
    def __getattr__(self, name):
        return 5.0


def hits(f):
    return sum(w[2] for w in _core.replay_witnesses(f))


def reads_global():
    def change(value):
        global SCALE
        SCALE = value

    return lambda x: x * SCALE, change


def reads_item():
    return lambda x: x * TABLE["scale"], functools.partial(TABLE.__setitem__, "scale")


def reads_attribute():
    state = State(scale=2.0)
    return lambda x: x * state.scale, lambda value: setattr(state, "scale", value)


def reads_slot():
    state = Slotted(2.0)
    return lambda x: x * state.scale, lambda value: setattr(state, "scale", value)


def reads_cell():
    scale = 2.0

    def change(value):
        nonlocal scale
        scale = value

    return lambda x: x * scale, change


def reads_list():
    scales = [1.0, 2.0]
    return lambda x: x * scales[1], functools.partial(scales.__setitem__, 1)


def reads_a_list_that_is_another():
    state = State(scales=[1.0, 2.0])

    def change(value):
        state.scales = [1.0, value]
        gc.collect()

    return lambda x: x * state.scales[1], change


def reads_tuple():
    state = State(scales=(1.0, (2.0, 0)))
    return lambda x: x * state.scales[1][0], lambda value: setattr(state, "scales", (1.0, (value, 0)))


def reads_length():
    parts = [1, 2]

    def change(value):
        parts[:] = range(int(value))

    return lambda x: x * len(parts), change


def reads_class_attribute():
    class Own(State):
        of_class = 2.0

    state = Own()
    return lambda x: x * state.of_class, lambda value: setattr(Own, "of_class", value)


def reads_base():
    class First(State):
        pass

    class Second(First):
        pass

    state = Second()
    return lambda x: x * state.of_class, lambda value: setattr(First, "of_class", value)


def hides_class_attribute():
    state = State()
    return lambda x: x * state.of_class, lambda value: vars(state).update(of_class=value)


def calls_method():
    state = State()
    return lambda x: x * state.scale(), lambda value: setattr(state, "scale", lambda: value)


def calls_function():
    def scale():
        return 2.0

    def change(value):
        scale.__code__ = (lambda: 3.0).__code__ if value == 3.0 else (lambda: 2.0).__code__

    return lambda x: x * scale(), change


def reads_default():
    def scale(of=2.0):
        return of

    def change(value):
        scale.__defaults__ = (value,)

    return lambda x: x * scale(), change


def reads_keyword_default():
    def scale(*, of=2.0):
        return of

    def change(value):
        scale.__kwdefaults__["of"] = value

    return lambda x: x * scale(), change


def has_another_class():
    class Other(State):
        of_class = 3.0

    state = State()

    def change(value):
        state.__class__ = Other if value == 3.0 else State

    return lambda x: x * state.of_class, change


def has_another_dict():
    state = State(scale=2.0)

    def change(value):
        state.__dict__ = {"scale": value}

    return lambda x: x * state.scale, change


def falls_through_to_getattr():
    state = Falling()
    change = {2.0: lambda: vars(state).update(scale=2.0), 3.0: lambda: vars(state).clear()}
    return lambda x: x * state.scale, lambda value: change[value]()


def is_under_another_object():
    state = State(inner=State(inner=State(scale=2.0)))

    def change(value):
        state.inner = State(inner=State(scale=value))

    return lambda x: x * state.inner.inner.scale, change


def looks_up_keys():
    table = {"a": 1.0, "b": 1.0}

    def change(value):
        table.clear()
        table.update(dict.fromkeys("abc"[: int(value)], 1.0))

    return lambda x: x * sum(table.values()), change


def looks_for_what_is_not_there():
    table = {}

    def change(value):
        table.clear()
        if value == 3.0:
            table["scale"] = value

    return lambda x: x * table.get("scale", 2.0), change


MAKES = [
    *(
        reads_global,
        reads_item,
        reads_attribute,
        reads_slot,
        reads_cell,
        reads_list,
        reads_a_list_that_is_another,
        reads_tuple,
        reads_length,
    ),
    *(reads_class_attribute, reads_base, hides_class_attribute, calls_method, calls_function, reads_default, reads_keyword_default),
    *(has_another_class, has_another_dict, falls_through_to_getattr, is_under_another_object, looks_up_keys, looks_for_what_is_not_there),
]


@pytest.mark.parametrize("make", MAKES, ids=lambda m: m.__name__)
def test_a_change_is_seen(make):
    function, change = make()
    f, x = kn.jit(function, mode="replay"), floats(1, 2)
    change(2.0)
    for value in (2.0, 3.0, 2.0, 2.0, 3.0, 3.0):
        change(value)
        for _ in range(SETTLED):
            assert f(x).tolist() == function(x).tolist()
    assert hits(f) > SETTLED or not _core.counts_changes_of_dicts
    change(2.0)


@pytest.mark.parametrize("make", MAKES, ids=lambda m: m.__name__)
def test_a_change_at_every_call_is_seen(make):
    function, change = make()
    f, x = kn.jit(function), floats(1, 2)
    for n in range(40):
        change(2.0 + n % 2)
        assert f(x).tolist() == function(x).tolist()
    change(2.0)


def test_other_keys_that_change_do_not_matter():
    """What changes next to what is read, as at the top of a program: then what is read is looked up, and the rest still holds."""
    namespace = {"kn": kn, "state": State(scale=2.0), "round": 0}
    exec("def f(x):\n    return x * state.scale", namespace)
    f, x = kn.jit(namespace["f"], mode="replay"), floats(1, 2)
    for n in range(60):
        namespace["round"] = n
        assert f(x).tolist() == [2.0, 4.0]
    if _core.counts_changes_of_dicts:
        assert hits(f) > 40
    namespace["state"] = State(scale=3.0)
    assert f(x).tolist() == [3.0, 6.0]
    del namespace["state"]
    with pytest.raises(NameError):
        kn.jit(namespace["f"])(x)
    with pytest.raises(NameError):
        f._function(x)


def test_a_counter_does_not_spoil_the_rest():
    state = State(steps=0, scale=2.0)

    def step(x):
        state.steps += 1
        return x * state.scale + state.steps

    f, x = kn.jit(step, mode="replay"), floats(1)
    for n in range(60):
        assert f(x).tolist() == [2.0 + n + 1]
    if _core.counts_changes_of_dicts:
        assert hits(f) > 40
    state.scale = 3.0
    assert f(x).tolist() == [3.0 + 61]


def test_another_object_as_argument():
    def f(state, x):
        return x * state.scale

    g, states, x = kn.jit(f, mode="replay"), [State(scale=float(n)) for n in range(3)], floats(1)
    for state in (*[states[0]] * SETTLED, *states * 2, *[states[1]] * SETTLED):
        assert g(state, x).tolist() == [state.scale]
    states[1].scale = 7.0
    assert g(states[1], x).tolist() == [7.0]
    for _ in range(SETTLED):  # at the address of one that is gone, more likely than not
        states[1] = None
        states[1] = State(scale=float(len(states)))
        states.append(None)
        assert g(states[1], x).tolist() == [states[1].scale]


def test_an_object_that_replaces_another_may_have_its_address():
    state, x = State(inner=State(scale=1.0)), floats(1)

    @kn.jit
    def f(x):
        return x * state.inner.scale

    for n in range(60):
        if n % 5 == 4:
            state.inner = None
            state.inner = State(scale=float(n))
        assert f(x).tolist() == [state.inner.scale]


def test_numbers_in_a_list_may_have_the_addresses_of_others():
    scales, x = [1.5, 2.5], floats(1)

    @kn.jit
    def f(x):
        if scales[0] > 10.5:
            return x
        return x * scales[0]

    for n in range(60):
        if n % 5 == 4:
            scales[0] = None
            scales[0] = n * 0.5
        assert f(x).tolist() == [1.0 if scales[0] > 10.5 else scales[0]]


def test_grad_mode_is_as_the_function_leaves_it():
    weight = floats(2).requires_grad_()

    @kn.jit
    def f(x):
        with kn.no_grad():
            y = x * weight
        return y * x

    x = floats(3)
    for _ in range(SETTLED):
        assert not f(x).requires_grad
        assert kn.is_grad_enabled()
    with kn.no_grad():
        for _ in range(SETTLED):
            assert f(x).tolist() == [18.0]
            assert not kn.is_grad_enabled()
    x.requires_grad_()
    for _ in range(SETTLED):
        assert f(x).requires_grad
    weight2 = floats(2).requires_grad_()

    @kn.jit
    def g(x):
        with kn.enable_grad():
            return (x * weight2).detach()

    with kn.no_grad():
        for _ in range(SETTLED):
            assert g(floats(3)).tolist() == [6.0]
            assert not kn.is_grad_enabled()
