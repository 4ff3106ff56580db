"""Random draws: their distributions, and that they depend on the seed and the number of earlier calls only."""

import numpy as np
import pytest

import kiln as kn
from kiln import random


def test_the_seed_decides():
    kn.manual_seed(1)
    a, b = random.uniform((3, 4)), random.normal(5)
    state = random.get_state()
    c = random.uniform(2)
    kn.manual_seed(1)
    kn.testing.assert_same_bits([random.uniform((3, 4)), random.normal(5)], [a, b])
    random.set_state(state)
    kn.testing.assert_same_bits(random.uniform(2), c)
    kn.manual_seed(2)
    assert random.uniform((3, 4)).tolist() != a.tolist()


def test_draws_do_not_depend_on_threads():
    draws = []
    for threads in (1, 2):
        kn.set_num_threads(threads)
        kn.manual_seed(0)
        draws.append(random.normal(100_000))
    kn.testing.assert_same_bits(*draws)


def test_distributions():
    u = random.uniform(100_000, 2.0, 5.0).numpy()
    assert u.min() >= 2 and u.max() <= 5 and u.mean() == pytest.approx(3.5, abs=0.02) and u.var() == pytest.approx(0.75, rel=0.02)
    n = random.normal(100_000, 1.0, 2.0).numpy()
    assert n.mean() == pytest.approx(1, abs=0.03) and n.std() == pytest.approx(2, rel=0.02)
    i = random.randint(-2, 3, 10_000).numpy()
    assert set(np.unique(i)) == {-2, -1, 0, 1, 2}
    assert random.uniform(3, dtype=kn.float64).dtype is kn.float64


def test_errors():
    with pytest.raises(ValueError, match=r"\[3, 3\)"):
        random.randint(3, 3, 1)
    with pytest.raises(TypeError, match="int32"):
        random.uniform(1, dtype=kn.int32)
