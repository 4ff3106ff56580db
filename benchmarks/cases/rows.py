"""Reductions of rows and columns and what is made of them, written out; and, for the peers, in the form that each has built in."""

import numpy as np

from . import Work, case

ROWS, COLUMNS = 4096, 1024
SIZE = f"{ROWS}x{COLUMNS}"
MATRIX = 4 * ROWS * COLUMNS  # bytes


def numbers(seed=0):
    return np.random.default_rng(seed).standard_normal((ROWS, COLUMNS), dtype=np.float32)


def labels(world):
    return world.array(np.random.default_rng(1).integers(0, COLUMNS, ROWS))


def layer_norm(world):
    def function(x):
        centred = x - world.reduce("mean", x)
        return centred / world.xp.sqrt(world.reduce("mean", centred * centred) + 1e-5)

    return function


def rms_norm(world):
    return lambda x: x / world.xp.sqrt(world.reduce("mean", x * x) + 1e-5)


def softmax(world):
    def function(x):
        e = world.xp.exp(x - world.reduce("max", x))
        return e / world.reduce("sum", e)

    return function


def cross_entropy(world):
    target = labels(world)

    def function(x):
        shifted = x - world.reduce("max", x)
        return world.negative_log_likelihood(shifted - world.log(world.reduce("sum", world.xp.exp(shifted))), target)

    return function


def built_in(name):
    """The library's own; where it has none, as one writes it out."""
    written_out = globals()[name]

    def make(world):
        own = getattr(world, name)
        if own is None:
            return written_out(world)
        arguments = (labels(world),) if name == "cross_entropy" else ()
        return lambda x: own(x, *arguments)

    return make


def register(name, title, make, results=1):
    @case(name, f"{title}, {SIZE}")
    def forward(world):
        function, x = world.compile(make(world)), world.array(numbers())
        return Work(lambda: function(x), bytes=(1 + results) * MATRIX)


for name, title in (("layer_norm", "layer norm"), ("rms_norm", "RMS norm"), ("softmax", "softmax")):
    register(name, f"{title} written out", globals()[name])
    register(f"{name}_own", f"{title} built in", built_in(name))
register("cross_entropy", "log-softmax written out, NLL", cross_entropy, results=0)
register("cross_entropy_own", "cross-entropy built in", built_in("cross_entropy"), results=0)


def register_gradient(name, title, make, seeded):
    @case(f"{name}_gradient", f"{title}: forward and backward, {SIZE}")
    def gradient(world):
        function, x = world.pull_back(make(world)), world.variable(numbers())
        seed = (world.array(numbers(2)),) if seeded else ()
        return Work(lambda: function(x, *seed), bytes=(4 if seeded else 2) * MATRIX)


register_gradient("layer_norm", "layer norm written out", layer_norm, seeded=True)
register_gradient("layer_norm_own", "layer norm built in", built_in("layer_norm"), seeded=True)
register_gradient("cross_entropy", "log-softmax written out, NLL", cross_entropy, seeded=False)
register_gradient("cross_entropy_own", "cross-entropy built in", built_in("cross_entropy"), seeded=False)


def register_sum(name, axis):
    @case(f"{name}_sum", f"sums of {name}s, {SIZE}")
    def total(world):
        function, x = world.compile(lambda x: world.reduce("sum", x, axis, False)), world.array(numbers())
        return Work(lambda: function(x), bytes=MATRIX, reads_only=True)


register_sum("row", 1)
register_sum("column", 0)
