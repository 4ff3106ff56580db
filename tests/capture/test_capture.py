"""Every program in every mode: the same output, exceptions, state and random draws as undecorated."""

import functools
from pathlib import Path

import pytest

from tests.capture import run
from tests.capture.forgetful import forgetful
from tests.capture.modes import MODES, Mode

LEAST = 10  # programs in a category
NAMES = [str(path.relative_to(run.PROGRAMS).with_suffix("")) for path in run.programs()]
UNDECORATED = "auto"  # programs that decorate nothing: for modes that find hot code themselves


@functools.cache
def plain(name: str) -> run.Outcome:
    return run.run(run.PROGRAMS / f"{name}.py")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_a_captured_program_cannot_be_told_from_the_plain_one(name, mode):
    difference = run.run(run.PROGRAMS / f"{name}.py", MODES[mode]).differences(plain(name))
    assert not difference, f"{name} by {mode}:\n{difference}"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(UNDECORATED)])
def test_a_program_can_tell(name):
    """Each program runs to its end, and sees a jit that repeats an old result: none is there for nothing."""
    assert not plain(name).error
    assert run.run(run.PROGRAMS / f"{name}.py", Mode("wrong", forgetful)).differences(plain(name))


def test_every_category_has_its_programs():
    counts: dict[Path, int] = {}
    for name in NAMES:
        counts[Path(name).parent] = counts.get(Path(name).parent, 0) + 1
    assert all(count >= LEAST for count in counts.values()), counts
    assert len(NAMES) >= 300
