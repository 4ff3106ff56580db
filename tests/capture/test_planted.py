"""A kind of check that is left out is found: by the programs of the generator, within the tests' number of them."""

import faulthandler
import os

import pytest

from kiln import _core
from tests.capture.modes import MODES
from tests.capture.test_generator import COUNT, difference, program

# Those that the generator's programs reach. (A check whose loss makes reads unsafe may end the process: that is found too.)
KINDS = "arguments type same distinct value length keys class_attribute method no_attribute no_item dict_item cell code".split()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_check_is_found(kind):
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        _core.plant_replay_fault(_core.replay_ops.index(kind))
        found = any(difference(program(seed), MODES["replay"]) for seed in range(COUNT))
        os._exit(1 if found else 0)
    assert os.waitpid(child, 0)[1] != 0, f"{COUNT} programs ran without the check '{kind}', and none differed"
