"""Pointwise functions of several sizes: overhead of a call where small, memory where large."""

import math

import numpy as np

from . import Work, case

F32 = 4  # bytes


def uniform(world, *shape, seed=0):
    return world.array(np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32))


def gelu(xp):
    """GELU with tanh, written out with the array API's names."""

    def function(x):
        return 0.5 * x * (1.0 + xp.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))

    return function


def chain(xp):
    def function(a, b, c, d):
        return xp.maximum(a * b + c, xp.zeros_like(a)) - d

    return function


@case("add8", "add of 8 elements", worlds=("eager",))
def add8(world):
    a, b = uniform(world, 8), uniform(world, 8, seed=1)
    return Work(lambda: a + b)


@case("add8_captured", "add of 8 elements, captured", worlds=("compiled",))
def add8_captured(world):
    function = world.compile(lambda a, b: a + b)
    a, b = uniform(world, 8), uniform(world, 8, seed=1)
    return Work(lambda: function(a, b))


@case("call3", "3 operators on 8 elements")
def call3(world):
    function = world.compile(lambda a, b: (a + b) * a - b)
    a, b = uniform(world, 8), uniform(world, 8, seed=1)
    return Work(lambda: function(a, b))


def register(size, label):
    @case(f"gelu_{label}", f"GELU written out, {size:,} f32")
    def gelu_of_size(world):
        function, x = world.compile(gelu(world.xp)), uniform(world, size)
        return Work(lambda: function(x), bytes=2 * F32 * size)

    @case(f"chain_{label}", f"relu(a*b+c)-d, {size:,} f32")
    def chain_of_size(world):
        function, xs = world.compile(chain(world.xp)), [uniform(world, size, seed=i) for i in range(4)]
        return Work(lambda: function(*xs), bytes=5 * F32 * size)


for size, label in ((1_000, "1e3"), (100_000, "1e5"), (10_000_000, "1e7")):
    register(size, label)
