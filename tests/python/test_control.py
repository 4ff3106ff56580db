"""Gradual control: modes that insist, recompiles that fail, constants that are assumed, calls that are verified."""

import collections
import re

import pytest

import kiln as kn
from kiln import _core
from replays import floats

SCALE = 2.0
TABLE = {"k": [1.0, 2.0]}


@pytest.fixture
def config(monkeypatch):
    """Settings are put back."""
    names = ("verify", "fail_on_recompile")
    before = {name: getattr(kn.config, name) for name in names}
    yield kn.config
    for name, value in before.items():
        setattr(kn.config, name, value)


# ---- mode="replay" ---------------------------------------------------------------------------------------------------------


def test_a_forced_replay_that_cannot_be_names_the_line_and_the_reason():
    said = []

    @kn.jit(mode="replay")
    def f(x):
        y = x + 1
        said.append(1)
        print("here", end="")
        return y

    x = floats(1)
    assert f(x).tolist() == [2]  # the first call runs in Python
    for _ in range(5):  # ever again, and nothing of the call has happened
        with pytest.raises(kn.NotReplayedError, match=r"f: mode='replay', but .*test_control\.py:\d+: it calls print, .*; call it outside"):
            f(x)
    assert said == [1]


def test_a_forced_replay_replays_and_records_again_what_changes():
    @kn.jit(mode="replay")
    def f(x, k):
        return x * k + len(TABLE["k"])

    for k in (1, 1, 1, 2, 3, 3):
        assert f(floats(1), k).tolist() == [k + 2]
    assert f.explain().replays >= 3


def test_a_forced_replay_lets_the_functions_own_exceptions_out():
    @kn.jit(mode="replay")
    def f(x, k):
        if k == 2:
            raise KeyError("mine")
        return x + k

    for k in (0, 1, 1, 1):
        f(floats(1), k)
    for _ in range(4):
        with pytest.raises(KeyError, match="mine"):
            f(floats(1), 2)
    assert f(floats(1), 1).tolist() == [2]


def test_a_forced_replay_with_too_many_recordings_is_an_error():
    @kn.jit(mode="replay")
    def f(x, name):
        return x + len(name) if name != "0" else x

    with pytest.raises(kn.NotReplayedError, match="12 recordings were made"):
        for i in range(20):
            f(floats(1), str(i))


def test_what_cannot_be_replayed_at_all_is_refused_at_once():
    def generate():
        yield 1

    with pytest.raises(TypeError, match="generator or coroutine function"):
        kn.jit(generate, mode="replay")


# ---- kn.config.fail_on_recompile -------------------------------------------------------------------------------------------


def test_a_recompile_that_fails_names_the_guard_and_both_values(config):
    global SCALE
    f = kn.jit(lambda x: x * SCALE)
    try:
        for _ in range(4):
            f(floats(1))
        config.fail_on_recompile = 1
        assert f(floats(2)).tolist() == [4]  # replays
        SCALE = 3.0
        with pytest.raises(kn.RecompileError, match=r"would be recorded again: .*SCALE.* was 2\.0, is 3\.0; "):
            f(floats(1))
        config.fail_on_recompile = 0
        assert f(floats(1)).tolist() == [3]
    finally:
        SCALE = 2.0


def test_a_recompile_that_fails_leaves_nothing_changed(config):
    class Counter:
        calls = 0

    counter, seen = Counter(), []

    @kn.jit
    def f(x, kind):
        counter.calls = counter.calls + 1
        seen.append(kind)
        return x + 1

    for _ in range(5):
        f(floats(1), "a")
    config.fail_on_recompile = 1
    calls, length = counter.calls, len(seen)
    with pytest.raises(kn.RecompileError, match="was 'a', is 'b'"):
        f(floats(1), "b")
    assert (counter.calls, len(seen)) == (calls, length)


def test_each_recompile_is_told_with_what_it_cost_and_how_to_avoid_it(capsys):
    f = kn.jit(lambda x, name: x + len(name))
    for name in ("a", "a", "a", "bb", "bb"):
        f(floats(1), name)
    told = f.explain().rerecordings[0]
    assert (told.before, told.now, told.check) == ("'a'", "'bb'", "value")
    assert told.milliseconds > 0
    assert re.search(r"recorded again in \d+\.\d ms: argument 1 was 'a', is 'bb'; each value costs one recording", capsys.readouterr().out)


def test_each_fallback_is_told_with_what_it_cost_and_what_helps(capsys):
    f = kn.jit(lambda x: print(end="") or x + 1)
    for _ in range(4):
        f(floats(1))
    told = f.explain()
    (reason,) = told.fallbacks
    assert told.lost_ms[reason] > 0
    assert re.search(r"Python runs: .*test_control\.py:\d+: it calls print.* \(\d+\.\d ms lost\); call it outside", capsys.readouterr().out)


# ---- kn.assume_constant and kn.disable -------------------------------------------------------------------------------------


def test_an_assumed_constant_is_asked_once_for_each_recording():
    asked = []

    @kn.assume_constant
    def setting(name):
        asked.append(name)
        with open("/proc/self/stat") as file:  # nothing that a recording would look into
            return float(len(name)) + 0 * len(file.read())

    @kn.jit
    def f(x, name):
        return x * setting(name)

    for name in ("a", "a", "a", "a", "bcd", "bcd", "a", "bcd"):
        assert f(floats(1), name).tolist() == [len(name)]
    assert f.explain().replays >= 5
    assert asked == ["a", "a", "bcd"]  # in Python, and by two recordings


def test_an_assumed_constant_may_be_a_method_and_give_objects():
    class Config:
        def __init__(self, k):
            self.k = k

        @kn.assume_constant
        def weights(self):
            return kn.full((2,), self.k + 0 * len(str(id(self))))

    @kn.jit
    def f(config, x):
        return config.weights() * x

    configs = [Config(1.0), Config(5.0)]
    for config in (configs[0],) * 4 + (configs[1],) * 3 + (configs[0],) * 2:
        assert f(config, floats(1, 2)).tolist() == [config.k, 2 * config.k]  # never another object's
    assert f.explain().replays >= 5
    configs[0].k = 7.0
    assert f(configs[0], floats(1, 2)).tolist() == [1, 2]  # as was promised by who said that it is constant


def test_an_assumed_constant_takes_no_tensors_and_wants_a_function():
    f = kn.jit(lambda x: x * kn.assume_constant(lambda t: 2)(x))
    for _ in range(4):
        assert f(floats(3)).tolist() == [6]
    with pytest.raises(TypeError, match="assume_constant takes a function"):
        kn.assume_constant(3)
    constant = kn.assume_constant(lambda t: 2.0)
    g = kn.jit(lambda x: x * constant(x))
    for _ in range(4):
        assert g(floats(3)).tolist() == [6]
    assert any("is given a tensor" in reason for reason in g.explain().fallbacks)


def test_an_assumed_constant_that_raises_does():
    @kn.assume_constant
    def fails(k):
        raise LookupError(k)

    f = kn.jit(lambda x: x * fails(1))
    for _ in range(4):
        with pytest.raises(LookupError):
            f(floats(1))


def test_a_disabled_function_is_why_python_runs():
    @kn.disable
    def part(x):
        return x + 1

    f = kn.jit(lambda x: part(x) * 2)
    for _ in range(4):
        assert f(floats(1)).tolist() == [4]
    assert any("part, which kn.disable keeps in Python" in reason for reason in f.explain().fallbacks)


# ---- kn.config.verify ------------------------------------------------------------------------------------------------------


class Model:
    decay = 0.5

    def __init__(self):
        self.weight = floats(1, 2)
        self.state = floats(0, 0)
        self.calls = 0
        self.seen = []

    def __call__(self, x):
        self.calls += 1
        self.state = self.state * self.decay + x
        self.weight += 1
        self.seen.append("called")
        return {"y": self.state * self.weight, "calls": self.calls}


def test_verified_calls_are_right_and_replay(config):
    plain, model = Model(), Model()
    f = kn.jit(model)
    config.verify = 1
    for i in range(8):
        got, expected = f(floats(i, 1)), plain(floats(i, 1))
        kn.testing.assert_same_bits(got["y"], expected["y"])
        assert got["calls"] == expected["calls"] == i + 1
    assert (model.calls, model.seen) == (plain.calls, plain.seen)
    kn.testing.assert_same_bits(model.weight, plain.weight)
    assert f.explain().replays > 3


def test_verified_training_steps_are_right(config):
    def losses(jit):
        kn.manual_seed(3)
        net = kn.nn.Sequential(kn.nn.Linear(3, 4), kn.nn.Tanh(), kn.nn.Dropout(0.5), kn.nn.Linear(4, 1))
        optimizer = kn.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        @jit
        def step(x):
            optimizer.zero_grad()
            loss = kn.mean(net(x) ** 2)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return [step(kn.random.normal((8, 3))).item() for _ in range(6)] + [p.detach().numpy().tobytes() for p in net.parameters()]

    expected = losses(lambda f: f)
    config.verify = 1
    captured = []
    assert losses(lambda f: captured.append(kn.jit(f)) or captured[-1]) == expected
    assert captured[0].explain().replays > 2


def planted(f, calls, kind, change, *args):
    """What verification says of a replay that lacks one kind of check."""
    for _ in range(calls):
        f(*args)
    kn.config.verify = 1
    _core.plant_replay_fault(_core.replay_ops.index(kind))
    try:
        change()
        f(*args)
    finally:
        _core.plant_replay_fault(-1)


def test_a_stale_result_is_found(config):
    holder = type("Holder", (), {})()
    holder.k = "a"
    f = kn.jit(lambda x: x + (1 if holder.k == "a" else 3))
    with pytest.raises(kn.VerificationError, match=r"the result\.values: \[2\.0\].*, Python: \[4\.0\]"):
        planted(f, 4, "value", lambda: setattr(holder, "k", "abc"), floats(1))


def test_a_stale_write_is_found_and_python_has_the_last_word(config):
    class State:
        pass

    state = State()
    state.flag, state.log = "a", []

    @kn.jit
    def f(x):
        if state.flag == "a":
            state.log.append(1)
        return x + 1

    with pytest.raises(kn.VerificationError, match=r"closure 'state'.*log.length: 5, Python: 4"):
        planted(f, 4, "value", lambda: setattr(state, "flag", "b"), floats(1))
    assert state.log == [1, 1, 1, 1]


def test_a_write_that_only_python_does_is_found(config):
    table, flags = {}, ["a"]

    @kn.jit
    def f(x):
        if flags[0] == "b":
            table["new"] = 1
        return x + 1

    with pytest.raises(kn.VerificationError, match=r"closure 'table'.*keys: \(\), Python: \('new'\)"):
        planted(f, 4, "value", lambda: flags.__setitem__(0, "b"), floats(1))
    assert table == {"new": 1}


def test_a_stale_write_of_a_tensor_is_found_and_taken_back(config):
    buffer, flags = kn.zeros((2,)), ["a"]

    @kn.jit
    def f(x):
        if flags[0] == "a":
            buffer[...] = x
        return x + 1

    with pytest.raises(kn.VerificationError, match=r"closure 'buffer'.*values: \[5\.0, 5\.0\].*Python: \[0\.0, 0\.0\]"):
        planted(
            f,
            4,
            "value",
            lambda: (flags.__setitem__(0, "b"), buffer.__setitem__(..., 0), argument.__setitem__(..., 5)),
            argument := floats(1, 1),
        )
    assert buffer.tolist() == [0, 0]


def test_a_draw_that_differs_is_found(config):
    flags = ["a"]
    f = kn.jit(lambda: kn.random.normal((1,)) if flags[0] == "a" else kn.zeros((1,)))
    with pytest.raises(kn.VerificationError, match="kiln's random numbers"):
        planted(f, 4, "value", lambda: flags.__setitem__(0, "b"))


def test_an_exception_that_only_python_raises_is_found(config):
    def check():
        if flags[0] == "b":
            raise ValueError("python's")

    flags = ["a"]
    f = kn.jit(lambda x: check() or x + 1)
    with pytest.raises(kn.VerificationError, match=r"Python raises ValueError\(.python's.\)"):
        planted(f, 4, "value", lambda: flags.__setitem__(0, "b"), floats(1))


def test_another_object_than_pythons_is_found(config):
    held = [floats(1), floats(1)]
    flags = ["a"]
    f = kn.jit(lambda: held[0] if flags[0] == "a" else held[1])
    with pytest.raises(kn.VerificationError, match=r"the result: the Tensor that is closure 'held'.*\[0\], Python: .*\[1\]"):
        planted(f, 4, "value", lambda: flags.__setitem__(0, "b"))


def test_verification_restores_every_kind_of_container(config):
    """What a replay wrote is taken back whole before Python runs: else Python would find it twice."""

    class Slots:
        __slots__ = ("k",)

    slots = Slots()
    slots.k = 0
    listed, appended, named = [0], [], {"n": 0}
    count = 0

    @kn.jit
    def f(x):
        nonlocal count
        count += 1
        slots.k = slots.k + 1
        listed[0] = listed[0] + 1
        appended.append("more")
        named["n"] = named["n"] + 1
        named["last"] = x
        return x + count

    config.verify = 1
    for i in range(9):
        assert f(floats(0)).tolist() == [i + 1]
    assert (count, slots.k, listed, named["n"]) == (9, 9, [9], 9)
    assert appended == ["more"] * 9
    assert list(named) == ["n", "last"]
    assert f.explain().replays > 1


def test_verification_restores_both_orders_of_an_ordered_dict(config):
    """Its own, and that of the dict below it, which C code may go by."""

    def f(x):
        ordered.move_to_end("a")
        ordered["n"] = ordered["n"] + 1
        return x + ordered["n"]

    results = []
    for config.verify in (0, 1):
        ordered = collections.OrderedDict(a=0, b=1, n=2)
        captured = kn.jit(f)
        results.append([captured(floats(0)).tolist() for _ in range(6)] + [list(ordered.items()), list(dict.items(ordered))])
    assert results[0] == results[1]
    assert results[1][-2:] == [[("b", 1), ("n", 8), ("a", 0)], [("a", 0), ("b", 1), ("n", 8)]]
    assert captured.explain().replays > 1
