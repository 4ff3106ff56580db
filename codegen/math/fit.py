"""Derives the polynomials in this folder: least squares of the relative error at Chebyshev nodes, rounded one by one from the lowest, the
others fitted anew. Needs mpmath, which the build does not.

    python codegen/math/fit.py          all of them, as C++
    python codegen/math/fit.py Sine     one
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


def scaled_erfc(t, a, b):
    """erfc(x) e^(x^2), times x + b unless b is 0, where t = (x - a) / (x + a)."""
    x = a * (1 + t) / (1 - t)
    return mp.erfc(x) * mp.exp(x * x) * (x + b if b else 1)


def stirling(z):
    x = 1 / mp.sqrt(z)
    return (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x


def log2_slope(f):
    """log2(1 + f) / f"""
    return (mp.log1p(f) / f if f else mpf(1)) / mp.log(2)


def of_root(f: Callable) -> Callable:
    return lambda z: f(mp.sqrt(z))


def between(low, high, a) -> tuple:
    return (mpf(low) - a) / (low + a), (mpf(high) - a) / (high + a)


FLAT = mpf(float.fromhex("0x1.20dd750429b6dp-1"))  # near 1 / sqrt(pi): (x + FLAT) erfc(x) e^(x^2) hardly changes
SLOPE = 1 - mp.euler  # of log gamma at 2
LN2_HALF_SQUARED = (mp.log(2) / 2) ** 2

FITS = {
    "PowerOfTwo": Fit(lambda r: mp.expm1(r * mp.log(2)) / r, -0.5, 0.5, 6, 12, lambda r: r),
    "PowLogarithm": Fit(log2_slope, -mpf(1) / 3, mpf(1) / 3, 15, 0, lambda f: 1 / log2_slope(f), wide=True),
    "PowExponential": Fit(lambda r: mp.expm1(r * mp.log(2)) / r, -0.5, 0.5, 7, 0, lambda r: r, wide=True),
    "CubeRoot": Fit(mp.cbrt, 1, 2, 4, 0, lambda x: 1 / mp.cbrt(x)),
    "Sine": Fit(
        of_root(lambda f: (mp.sin(mp.pi * f) / f - mp.pi) / f**2), 0, 0.25, 4, 9, of_root(lambda f: f**3 / mp.sin(mp.pi * f)), wide=True
    ),
    "Tangent": Fit(
        of_root(lambda r: (mp.tan(r) / r - 1) / r**2), 0, (mp.pi / 4) ** 2, 7, 14, of_root(lambda r: r**3 / mp.tan(r)), wide=True
    ),
    "Arcsine": Fit(of_root(lambda s: (mp.asin(s) / s - 1) / s**2), 0, 0.25, 5, 13, of_root(lambda s: s**3 / mp.asin(s))),
    "Arctangent": Fit(of_root(lambda s: (mp.atan(s) / s - 1) / s**2), 0, 1, 9, 20, of_root(lambda s: s**3 / mp.atan(s))),
    "HyperbolicCosine": Fit(of_root(lambda r: (mp.cosh(r) - 1) / r**2), 0, LN2_HALF_SQUARED, 3, 6, lambda z: z),
    "HyperbolicSine": Fit(of_root(lambda r: (mp.sinh(r) / r - 1) / r**2), 0, LN2_HALF_SQUARED, 2, 5, lambda z: z),
    "ErfcTail32": Fit(
        lambda t: scaled_erfc(t, 2.25, 0), *between(0.5, 10.5, 2.25), 11, 0, lambda t: 1 / scaled_erfc(t, 2.25, 0), wide=True
    ),
    "ErfcTail64": Fit(lambda t: scaled_erfc(t, 3, FLAT), *between(0.5, 27.7, 3), 0, 22, lambda t: 1 / scaled_erfc(t, 3, FLAT)),
    "LogGamma": Fit(lambda u: (mp.loggamma(2 + u) - SLOPE * u) / u**2, mpf(-2) / 3, 0.5, 0, 22, lambda u: u),
    "Stirling": Fit(stirling, mpf(10) ** -20, 1 / mpf(8.5) ** 2, 0, 6, mp.sqrt),
    "Digamma": Fit(
        of_root(lambda v: (mp.digamma(1 / v) + mp.log(v) + v / 2) / v**2), mpf(10) ** -20, mpf(1) / 100, 4, 6, lambda z: z, wide=True
    ),
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
                print(f"constexpr std::array k{name.removesuffix(suffix)}{suffix}{{{', '.join(map(hexadecimal, found))}}};")


if __name__ == "__main__":
    main()
