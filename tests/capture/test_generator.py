"""Generated programs: no mode differs on any; and they would notice if one did."""

import functools

import pytest

from tests.capture.forgetful import forgetful
from tests.capture.generator import Program, difference, generate, outcome, shrink
from tests.capture.modes import MODES, Mode
from tests.capture.state import CHANGES

COUNT = 300
NOTICED = 3  # programs, at least, in which leaving out a kind of change shows
WRONG = Mode("repeats its second result", forgetful)


@functools.cache
def program(seed: int) -> Program:
    return generate(seed)


@pytest.mark.parametrize("mode", [name for name in MODES if name != "identity"])
def test_no_generated_program_differs(mode):
    for seed in range(COUNT):
        if found := difference(program(seed), MODES[mode]):
            small = shrink(program(seed), MODES[mode])
            pytest.fail(f"seed {seed} differs by {mode}:\n{found}\n\nthe smallest program that does:\n\n{small.source()}")


def test_a_seed_gives_one_program_that_repeats_and_ends():
    for seed in range(0, COUNT, 10):
        assert generate(seed).source() == program(seed).source()
        once = outcome(program(seed))
        assert not once.error, f"seed {seed}: the script itself fails: {once.error}"
        assert not outcome(program(seed)).differences(once)


def test_generated_programs_notice_a_wrong_jit():
    blind = [seed for seed in range(COUNT) if not difference(program(seed), WRONG)]
    assert len(blind) <= COUNT // 100, blind


def test_every_kind_of_change_shows():
    """A guard that missed one kind of change would be found within the tests' programs: leaving the change out changes the output."""
    noticed = dict.fromkeys(CHANGES, 0)
    for seed in range(COUNT):
        wanted = [kind for kind in {node.kind for node in program(seed).script} - {""} if noticed[kind] < NOTICED]
        plain = outcome(program(seed)).output if wanted else ""
        for kind in wanted:
            noticed[kind] += outcome(program(seed).without(kind)).output != plain
    assert not {kind: n for kind, n in noticed.items() if n < NOTICED}


def test_a_difference_is_cut_down_to_what_makes_it():
    small = shrink(program(0), WRONG)
    assert difference(small, WRONG)
    assert len(small.script) <= 5 and len(small.source()) < len(program(0).source())
    for shorter in (small.script[:i] + small.script[i + 1 :] for i in range(len(small.script))):
        assert not difference(Program(small.placed, small.declared, small.body, shorter), WRONG)
