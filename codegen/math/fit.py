"""Derives the polynomials in this folder: least squares of the relative error at Chebyshev nodes, rounded one by one from the lowest, the
others fitted anew. Needs mpmath, which the build does not.

    python codegen/math/fit.py          all of them, as C++
    python codegen/math/fit.py sine     one
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from mpmath import mp, mpf

mp.dps = 60  # plain powers of x are an ill-conditioned basis; that many digits do not mind


@dataclass
class Fit:
    f: Callable  # what the polynomial in x is to be
    low: float
    high: float
    f32: int  # coefficients in each format
    f64: int
    weight: Callable = lambda x: 1  # of an error at x, relative to 1
    wide: bool = False  # f32's coefficients, too, are doubles: it is computed in f64


def fit(task: Fit, count: int, bits: int) -> tuple[list, object]:
    nodes = 3 * count
    middle, half = (mpf(task.high) + task.low) / 2, (mpf(task.high) - task.low) / 2
    xs = [middle + half * mp.cos(mp.pi * (2 * i + 1) / (2 * nodes)) for i in range(nodes)]
    values, weights = [task.f(x) for x in xs], [task.weight(x) for x in xs]
    found = []

    def errors() -> list:
        return [w * (v - sum(c * x**i for i, c in enumerate(found))) for x, v, w in zip(xs, values, weights, strict=True)]

    for n in range(count):  # the lowest n are fixed
        rows = [[w * x**i for i in range(n, count)] for x, w in zip(xs, weights, strict=True)]
        solution = mp.qr_solve(mp.matrix(rows), mp.matrix(errors()))[0]
        with mp.workprec(bits):
            found.append(+solution[0])
    error = max(map(abs, errors()))
    return found, error


def of_root(f: Callable) -> Callable:
    return lambda z: f(mp.sqrt(z))


FITS = {
    "PowerOfTwo": Fit(lambda r: mp.expm1(r * mp.log(2)) / r, -0.5, 0.5, 6, 12, lambda r: r),
    "CubeRoot": Fit(mp.cbrt, 1, 2, 4, 0, lambda x: 1 / mp.cbrt(x)),
}


def hexadecimal(v) -> str:
    digits, exponent = float(v).hex().split("p")
    return digits.rstrip("0").rstrip(".") + "p" + exponent.lstrip("+")


def main() -> None:
    for name in sys.argv[1:] or FITS:
        task = FITS[name]
        for count, bits, suffix in ((task.f32, 53 if task.wide else 24, "32"), (task.f64, 53, "64")):
            if count:
                found, error = fit(task, count, bits)
                print(f"// error 2^{float(mp.log(error, 2)):.1f}")
                print(f"constexpr std::array k{name}{suffix}{{{', '.join(map(hexadecimal, found))}}};")


if __name__ == "__main__":
    main()
