"""Recordings that take long are given up, and tried again when nobody minds."""

import pytest

import kiln as kn
from kiln.capture import patience
from kiln.capture.telling import capture_of
from replays import floats, told

FIRST = patience.FIRST


@pytest.fixture(autouse=True)
def limited(monkeypatch):
    monkeypatch.setattr(patience, "FIRST", FIRST)


def polynomial(count):
    values = [float(n % 5) for n in range(count)]

    def f(x):
        total = 0.0
        for value in values:
            total = total * 0.5 + value
        return x * total

    return f


def numbers_only(x):
    total = 0
    for i in range(10**6):
        total += i & 1
    return x * total


def recursive(x):
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    return x * fibonacci(24)


@pytest.mark.parametrize("function", [polynomial(10**5), numbers_only, recursive], ids=["reads", "numbers", "calls"])
def test_a_long_recording_is_given_up(function, capsys):
    f, x = kn.jit(function), floats(1, 2)
    expected = function(x).tolist()
    for _ in range(6):
        assert f(x).tolist() == expected
    e = told(f, capsys)
    assert e.recordings == 0
    ((reason, times),) = e.fallbacks.items()
    assert f"it takes longer than {patience.FIRST:.0f} ms to record" in reason
    assert times == 1  # the calls behind it do not try again
    assert patience.FIRST <= sum(capture_of(f, 0).lost.values()) < 20 * patience.FIRST  # also of a busy machine's time


def test_it_is_tried_again_when_it_is_a_small_share(monkeypatch, capsys):
    monkeypatch.setattr(patience, "FIRST", 1.0)
    monkeypatch.setattr(patience, "CALLS", 3)
    function = polynomial(700)
    f, x = kn.jit(function), floats(1, 2)
    for _ in range(12):
        f(x)
    assert told(f, capsys).recordings == 0
    monkeypatch.setattr(patience, "SHARE", 1e6)
    for _ in range(300):
        assert f(x).tolist() == function(x).tolist()
    e = told(f, capsys)
    assert e.recordings == 1
    assert e.replays > 5
    assert sum(e.fallbacks.values()) >= 2  # each try may take twice as long


def test_what_has_to_replay_is_recorded_however_long_it_takes(monkeypatch, capsys):
    monkeypatch.setattr(patience, "FIRST", 0.5)
    function = polynomial(700)
    f, x = kn.jit(function, mode="replay"), floats(1, 2)
    for _ in range(4):
        assert f(x).tolist() == function(x).tolist()
    assert told(f, capsys).recordings == 1
