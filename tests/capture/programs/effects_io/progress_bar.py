"""tqdm around a loop of captured steps, and inside one."""

import io

from tqdm import tqdm

import kiln as kn
from tests.capture.show import show


def main(jit):
    @jit
    def f(x, n):
        stream = io.StringIO()
        for i in tqdm(range(n), file=stream, bar_format="{n_fmt}/{total_fmt} ", mininterval=0):
            x = x * 2 + i
        return x, stream.getvalue().split()[-1]

    for n in (3, 3, 3, 5, 1):
        show(f(kn.asarray([1.0]), n))
