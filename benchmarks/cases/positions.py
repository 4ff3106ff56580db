"""Library routines: orders, running sums, rows at indices."""

import numpy as np

from . import Work, case
from .rows import layer_norm

F32, I64 = 4, 8  # bytes


def uniform(world, *shape):
    return world.array(np.random.default_rng(0).uniform(-2, 2, shape).astype(np.float32))


@case("sort_1e6", "sort of 1,000,000 f32", worlds=("eager",))
def sort(world):
    x = uniform(world, 1_000_000)
    return Work(lambda: world.xp.sort(x), bytes=2 * F32 * 1_000_000)


@case("sort_rows", "sort along the rows of 4096x256 f32", worlds=("eager",))
def sort_rows(world):
    x = uniform(world, 4096, 256)
    return Work(lambda: world.xp.sort(x), bytes=2 * F32 * 4096 * 256)


def running_sum(axis, label):
    @case(f"cumsum_{label}", f"running sums along the {label} of 4096x1024 f32", worlds=("eager",))
    def cumsum(world):
        x = uniform(world, 4096, 1024)
        return Work(lambda: world.xp.cumsum(x, axis), bytes=2 * F32 * 4096 * 1024)


running_sum(1, "rows")
running_sum(0, "columns")


def indices(world):
    return world.array(np.random.default_rng(1).integers(0, 30_000, 8192))


@case("embedding", "embedding of 32x256 tokens in 512 dimensions, positions added, layer norm written out")
def embedding(world):
    batch, length, width = 32, 256, 512
    tokens = world.array(np.random.default_rng(1).integers(0, 30_000, (batch, length)))
    table, positions, norm = uniform(world, 30_000, width), uniform(world, length, width), layer_norm(world)
    function = world.compile(lambda tokens, table, positions: norm(world.rows(table, tokens) + positions))
    return Work(lambda: function(tokens, table, positions), bytes=F32 * width * (2 * batch * length + length) + I64 * batch * length)


@case("take_rows", "8192 rows of a 30000x256 f32 table", worlds=("eager",))
def take_rows(world):
    table, at = uniform(world, 30_000, 256), indices(world)
    torch = world.package == "torch"
    return Work(lambda: world.xp.index_select(table, 0, at) if torch else world.xp.take(table, at, 0), bytes=2 * F32 * 8192 * 256)


@case("add_rows", "8192 rows added into a 30000x256 f32 table, as the gradient of an embedding is", worlds=("eager",))
def add_rows(world):
    table, at, rows = uniform(world, 30_000, 256), indices(world), uniform(world, 8192, 256)
    torch = world.package == "torch"
    traffic = F32 * 256 * (2 * 30_000 + 3 * 8192)
    return Work(lambda: world.xp.index_add(*((table, 0, at, rows) if torch else (table, at, rows, 0))), bytes=traffic)
