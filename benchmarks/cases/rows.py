"""Reductions along the last axis, written out."""

import numpy as np

from . import Work, case

ROWS, COLUMNS = 4096, 1024


def matrix(world):
    return world.array(np.random.default_rng(0).standard_normal((ROWS, COLUMNS), dtype=np.float32))


def softmax(world):
    xp = world.xp

    def function(x):
        e = xp.exp(x - world.row_maximum(x))
        return e / xp.sum(e, axis=-1, keepdims=True)

    return function


def layer_norm(xp):
    def function(x):
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        variance = xp.mean(centred * centred, axis=-1, keepdims=True)
        return centred / xp.sqrt(variance + 1e-5)

    return function


@case("softmax", f"softmax written out, {ROWS}x{COLUMNS}")
def softmax_case(world):
    function, x = world.compile(softmax(world)), matrix(world)
    return Work(lambda: function(x), bytes=2 * 4 * ROWS * COLUMNS)


@case("layernorm", f"layer norm written out, {ROWS}x{COLUMNS}")
def layer_norm_case(world):
    function, x = world.compile(layer_norm(world.xp)), matrix(world)
    return Work(lambda: function(x), bytes=2 * 4 * ROWS * COLUMNS)
