"""Batches of arrays, shuffled by a seed."""

from collections.abc import Iterator

import numpy as np

from kiln import _core
from kiln._core import Tensor


class Batches:
    """Tuples of tensors, `batch_size` rows of each array at a time; each iteration over it is an epoch with its own order."""

    def __init__(self, *arrays: np.ndarray, batch_size: int, shuffle: bool = False, seed: int = 0, drop_last: bool = False) -> None:
        if not arrays:
            raise TypeError("batches needs at least one array")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self._arrays = [np.asarray(a) for a in arrays]
        lengths = [len(a) for a in self._arrays]
        if len(set(lengths)) != 1:
            raise ValueError(f"the arrays have different lengths: {lengths}")
        self.batch_size, self.drop_last = batch_size, drop_last
        self._rows = lengths[0]
        self._order = np.random.default_rng(seed) if shuffle else None

    def __len__(self) -> int:
        return self._rows // self.batch_size if self.drop_last else -(-self._rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = np.arange(self._rows) if self._order is None else self._order.permutation(self._rows)
        for i in range(len(self)):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield tuple(_core.asarray(a[rows]) for a in self._arrays)


def batches(*arrays: np.ndarray, batch_size: int, shuffle: bool = False, seed: int = 0, drop_last: bool = False) -> Batches:
    """An iterable over batches of the arrays' rows. The same seed gives the same orders, epoch by epoch."""
    return Batches(*arrays, batch_size=batch_size, shuffle=shuffle, seed=seed, drop_last=drop_last)
