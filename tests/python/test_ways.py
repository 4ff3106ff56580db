"""A captured function's calls go the way that takes least time: by replay, in segments or undeferred. The results are the same."""

import time

import pytest

import kiln as kn
from threads import run_in_threads

CALLS = 400  # more than it takes to settle and to measure


@pytest.fixture(autouse=True)
def measured():
    kn.config.measure_ways = 1
    yield
    kn.config.measure_ways = 0


@pytest.fixture
def told(capsys):
    def of(f):
        explanation = f.explain()
        capsys.readouterr()
        return explanation

    return of


def never_the_same(x):
    """Every call has another number of elements, and a look at the clock, so that each is compiled anew."""
    time.perf_counter()
    return kn.tanh(x) * 2 + 1


def much_to_fuse(x):
    for _ in range(30):
        x = x * 0.5 + 1
    return x


def test_what_deferring_makes_slower_runs_undeferred(told):
    f = kn.jit(never_the_same)
    for n in range(1, CALLS):
        x = kn.ones((n,))
        assert f(x).tolist() == never_the_same(x).tolist()
    e = told(f)
    assert e.way == "eager"
    assert e.way_microseconds["eager"] < e.way_microseconds["segments"]
    assert "calls run eagerly, as measured" in str(e) and 'mode="segments"' in str(e)
    assert e.calls == CALLS - 1


def test_what_fusing_makes_faster_stays_captured(told):
    f, x = kn.jit(much_to_fuse), kn.ones((4_000,))
    expected = much_to_fuse(x).tolist()
    for _ in range(CALLS):
        result = f(x)
    assert result.tolist() == expected
    e = told(f)
    assert e.way in ("replay", "segments")
    assert set(e.way_microseconds) == {"replay", "segments", "eager"}


def test_inputs_that_grow_bring_it_back(told):
    def step(x):
        time.perf_counter()
        return much_to_fuse(x)

    f = kn.jit(step)
    for n in range(CALLS):
        f(kn.ones((n % 300 + 1,)))
    assert told(f).way == "eager"
    x = kn.ones((4_000,))
    for _ in range(1200):
        f(x)
    assert told(f).way == "segments"


@pytest.mark.parametrize("options", [{"mode": "segments"}, {"fullgraph": True}, {"backend": "asmjit"}])
def test_who_says_how_to_run_is_not_measured(options, told):
    f = kn.jit(never_the_same, **options)
    for n in range(1, CALLS):
        f(kn.ones((n,)))
    e = told(f)
    assert e.way == "segments" and not e.way_microseconds


def test_fullgraph_is_measured_between_replay_and_segments(told):
    """Never eagerly, even where that is fastest: what needs a value early is to be told."""

    @kn.jit(fullgraph=True)
    def f(x, n):
        return float(kn.sum(x)) if n == 2 * CALLS else x + 1

    x = kn.ones((8,))
    for n in range(2 * CALLS):
        f(x, n)
    e = told(f)
    assert e.way in ("replay", "segments") and set(e.way_microseconds) == {"replay", "segments"}
    assert e.replays > 0
    with pytest.raises(RuntimeError, match="fullgraph=True"):
        f(x, 2 * CALLS)


def test_nothing_is_measured_where_the_setting_says_so(told):
    kn.config.measure_ways = 0
    f = kn.jit(never_the_same)
    for n in range(1, CALLS):
        f(kn.ones((n,)))
    assert not told(f).way_microseconds


def test_lower_tells_the_program_of_a_function_that_runs_undeferred(told):
    f = kn.jit(never_the_same)
    for n in range(1, CALLS):
        f(kn.ones((n,)))
    assert told(f).way == "eager"
    assert "tanh" in f.lower(kn.ones((5,))).as_text("graph")


def test_a_cleared_cache_forgets_the_times(told):
    f = kn.jit(never_the_same)
    for n in range(1, CALLS):
        f(kn.ones((n,)))
    f.cache_clear()
    assert not told(f).way_microseconds


def test_recursion_and_exceptions_while_it_is_timed():
    @kn.jit
    def f(x, depth):
        if depth < 0:
            raise ValueError("below")
        time.perf_counter()
        return x * 2 if depth == 0 else f(x + 1, depth - 1)

    x = kn.ones((3,))
    for n in range(CALLS):
        if n % 7 == 0:
            with pytest.raises(ValueError, match="below"):
                f(x, -1)
        assert f(x, n % 4).tolist() == [2.0 * (1 + n % 4)] * 3


def test_threads_share_one_measurement(told):
    f, same = kn.jit(never_the_same), []

    def work(thread):
        for n in range(CALLS):
            x = kn.ones(((n + 50 * thread) % 200 + 1,))
            same.append(f(x).tolist() == never_the_same(x).tolist())

    run_in_threads(work, 4)
    assert len(same) == told(f).calls == 4 * CALLS and all(same)
