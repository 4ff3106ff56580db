"""Kiln's primitives (codegen/primitive.h) modelled twice: over NumPy arrays of 8- and 16-bit numbers, and over z3's terms.

A side of a rule is text, "sub(x, neg(y))"; `evaluate` works it out over either model.
"""

from __future__ import annotations

import dataclasses
import re

import ml_dtypes
import numpy as np
import z3


@dataclasses.dataclass(frozen=True)
class Type:
    kind: str  # bool, signed, unsigned, float
    width: int
    exponent: int = 0  # bits, of floats
    numpy: type | None = None  # of floats that NumPy rounds to

    @property
    def precision(self) -> int:
        return self.width - self.exponent


BOOL = Type("bool", 1)
TYPES = {
    "bool": BOOL,
    "uint8": Type("unsigned", 8),
    "uint16": Type("unsigned", 16),
    "uint32": Type("unsigned", 32),
    "uint64": Type("unsigned", 64),
    "int8": Type("signed", 8),
    "int16": Type("signed", 16),
    "int32": Type("signed", 32),
    "int64": Type("signed", 64),
    "float16": Type("float", 16, 5, np.float16),
    "bfloat16": Type("float", 16, 8, ml_dtypes.bfloat16),
    "float32": Type("float", 32, 8),
    "float64": Type("float", 64, 11),
}
FLOAT8 = Type("float", 8, 4, ml_dtypes.float8_e4m3)  # IEEE 754's rules in 8 bits: subnormals, infinities, NaN


# ---- text -----------------------------------------------------------------------------------------------------------

VARIABLES = ("x", "y", "z", "p")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def parse(text: str):
    """A leaf's name, or (primitive, [terms])."""
    tokens = re.findall(r"[^\s,()]+|[()]", text)

    def term(at):
        if at + 1 == len(tokens) or tokens[at + 1] != "(":
            return tokens[at], at + 1
        operands, at_end = [], at + 2
        while tokens[at_end] != ")":
            operand, at_end = term(at_end)
            operands.append(operand)
        return (tokens[at], operands), at_end + 1

    tree, end = term(0)
    assert end == len(tokens), text
    return tree


def leaves(tree) -> set[str]:
    return {tree} if isinstance(tree, str) else {leaf for t in tree[1] for leaf in leaves(t)}


def variables(tree) -> list[str]:
    return sorted(leaves(tree) & set(VARIABLES))


def evaluate(model, tree, values: dict, constant, operand: Type, inner: Type, result: Type, root=True):
    """(value, type) of a side; `constant(leaf, type)` gives the model's value of a constant leaf."""
    if isinstance(tree, str):
        if tree in VARIABLES:
            return values[tree], BOOL if tree == "p" else operand
        t = result if root else operand
        return constant(tree, t), t
    name, terms = tree
    args, types = [], []
    for i, t in enumerate(terms):
        if name == "select" and i == 0 and isinstance(t, str) and t not in VARIABLES:
            args.append(constant(t, BOOL)), types.append(BOOL)
            continue
        v, vt = evaluate(model, t, values, constant, operand, inner, result, False)
        args.append(v), types.append(vt)
    if name in ("cast", "bitcast"):
        to = result if root else inner
        return (args[0] if to == types[0] else getattr(model, name)(to, types[0], args[0])), to
    return getattr(model, name)(types[-1], *args), BOOL if name in COMPARISONS else types[-1]


def leaf_value(leaf: str, t: Type, c: int | None = None):
    """A constant leaf as a Python number; c is a power of two."""
    if t == BOOL:
        return {"0": False, "1": True, "~0": True}[leaf]
    if leaf == "c":
        return c
    if leaf in ("log2", "rest", "sign"):
        return {"log2": lambda: c.bit_length() - 1, "rest": lambda: t.width - c.bit_length() + 1, "sign": lambda: t.width - 1}[leaf]()
    return {"0": 0, "-0": -0.0, "1": 1, "-1": -1, "~0": -1}[leaf]


# ---- NumPy: all values at once ------------------------------------------------------------------------------------


class Arrays:
    """Integers of up to 16 bits as int64, floats of up to 16 bits as float64 that are rounded to their format after every operation.

    One rounding in all: sums, products and quotients of two such floats are exact in float64, or far enough from a tie (Figueroa 1995);
    a product plus an addend is exact for FLOAT8.
    """

    @staticmethod
    def all(t: Type):
        if t == BOOL:
            return np.array([False, True])
        bits = np.arange(1 << t.width, dtype=np.uint16 if t.width == 16 else np.uint8)
        return bits.view(t.numpy).astype(np.float64) if t.kind == "float" else wrap(t, bits.astype(np.int64))

    @staticmethod
    def constant(leaf, t, c=None):
        v = leaf_value(leaf, t, c)
        return np.bool_(v) if t == BOOL else np.float64(v) if t.kind == "float" else wrap(t, np.int64(v))

    @staticmethod
    def same(a, b):
        a, b = np.broadcast_arrays(a, b)
        if a.dtype != np.float64:
            return a == b
        return (np.isnan(a) & np.isnan(b)) | ((a == b) & (np.signbit(a) == np.signbit(b)))

    add = staticmethod(lambda t, a, b: fit(t, a + b))
    sub = staticmethod(lambda t, a, b: fit(t, a - b))
    mul = staticmethod(lambda t, a, b: fit(t, a * b))
    fma = staticmethod(lambda t, a, b, c: fit(t, a * b + c))
    neg = staticmethod(lambda t, a: fit(t, -a))
    abs = staticmethod(lambda t, a: fit(t, np.abs(a)))
    floor = staticmethod(lambda t, a: np.floor(a))
    ceil = staticmethod(lambda t, a: np.ceil(a))
    trunc = staticmethod(lambda t, a: np.trunc(a))
    round = staticmethod(lambda t, a: np.rint(a))
    bit_and = staticmethod(lambda t, a, b: a & b)
    bit_or = staticmethod(lambda t, a, b: a | b)
    bit_xor = staticmethod(lambda t, a, b: a ^ b)
    bit_not = staticmethod(lambda t, a: ~a if t == BOOL else wrap(t, ~a))
    eq = staticmethod(lambda t, a, b: a == b)
    ne = staticmethod(lambda t, a, b: a != b)
    lt = staticmethod(lambda t, a, b: a < b)
    le = staticmethod(lambda t, a, b: a <= b)
    gt = staticmethod(lambda t, a, b: a > b)
    ge = staticmethod(lambda t, a, b: a >= b)
    select = staticmethod(lambda t, p, a, b: np.where(p, a, b))

    @staticmethod
    def div(t, a, b):
        if t.kind == "float":
            return fit(t, a / b)
        quotient = np.abs(a) // np.maximum(np.abs(b), 1)
        return fit(t, np.where(b == 0, 0, np.where((a < 0) == (b < 0), quotient, -quotient)))

    @staticmethod
    def min(t, a, b):
        if t.kind != "float":
            return np.minimum(a, b)
        return np.where(a == b, np.where(np.signbit(a), a, b), np.minimum(a, b))

    @staticmethod
    def max(t, a, b):
        if t.kind != "float":
            return np.maximum(a, b)
        return np.where(a == b, np.where(np.signbit(a), b, a), np.maximum(a, b))

    @staticmethod
    def shl(t, a, n):
        n = n & (1 << t.width) - 1  # counts are unsigned
        return np.where(n >= t.width, 0, wrap(t, a << np.minimum(n, 16)))

    @staticmethod
    def shr(t, a, n):
        return a >> np.minimum(n & (1 << t.width) - 1, t.width)

    @staticmethod
    def shr_logical(t, a, n):
        return wrap(t, (a & (1 << t.width) - 1) >> np.minimum(n & (1 << t.width) - 1, t.width))


def wrap(t: Type, v):
    v = v & (1 << t.width) - 1
    return np.where(v >> (t.width - 1), v - (1 << t.width), v) if t.kind == "signed" else v


def fit(t: Type, v):
    return np.asarray(v).astype(t.numpy).astype(np.float64) if t.kind == "float" else wrap(t, v)


# ---- z3: all values symbolically ------------------------------------------------------------------------------------

RNE = z3.RNE()
R = z3.DeclareSort("Real")  # what fma() rounds: exact numbers that only IEEE 754's definition says something of


class Terms:
    """Bit-vectors and IEEE floats. The multiply-add is modelled by its definition (see `fma` and `about_fma`)."""

    @staticmethod
    def sort(t: Type):
        if t == BOOL:
            return z3.BoolSort()
        return z3.FPSort(t.exponent, t.precision) if t.kind == "float" else z3.BitVecSort(t.width)

    @staticmethod
    def variable(name, t):
        return z3.Const(name, Terms.sort(t))

    @staticmethod
    def of_bits(bits: int, t: Type):
        if t == BOOL:
            return z3.BoolVal(bool(bits))
        v = z3.BitVecVal(bits, t.width)
        return z3.simplify(z3.fpBVToFP(v, Terms.sort(t))) if t.kind == "float" else v

    @staticmethod
    def to_bits(v, t: Type) -> int:
        """Of a constant term, NaN as the canonical one."""
        if t == BOOL:
            return int(z3.is_true(z3.simplify(v)))
        if t.kind == "float":
            v = Terms.bitcast(Type("signed", t.width), t, v)
        return z3.simplify(v).as_long()

    @staticmethod
    def add(t, a, b):
        return z3.fpAdd(RNE, a, b) if t.kind == "float" else a + b

    @staticmethod
    def sub(t, a, b):
        return z3.fpSub(RNE, a, b) if t.kind == "float" else a - b

    @staticmethod
    def mul(t, a, b):
        return z3.fpMul(RNE, a, b) if t.kind == "float" else a * b

    @staticmethod
    def div(t, a, b):
        if t.kind == "float":
            return z3.fpDiv(RNE, a, b)
        return z3.If(b == 0, z3.BitVecVal(0, t.width), a / b if t.kind == "signed" else z3.UDiv(a, b))

    @staticmethod
    def fma(t, a, b, c):
        """The exact product, by its factors' magnitudes and its sign, plus the addend, rounded once: two unknown functions."""
        product = z3.Function("product", z3.BoolSort(), Terms.sort(t), Terms.sort(t), R)
        rounded = z3.Function("rounded_sum", R, Terms.sort(t), Terms.sort(t))
        nan = z3.Or(z3.fpIsNaN(a), z3.fpIsNaN(b), z3.fpIsNaN(c))
        sign = z3.Xor(z3.fpIsNegative(a), z3.fpIsNegative(b))
        return z3.If(nan, z3.fpNaN(Terms.sort(t)), rounded(product(sign, z3.fpAbs(a), z3.fpAbs(b)), c))

    @staticmethod
    def about_fma(t, x, y, leaves):
        """What IEEE 754 says of the two functions, for factors that are numbers.

        Products do not depend on the order of their factors; adding a number to a product by one is addition; adding -0, which is
        exact, to a product is multiplication.
        """
        product = z3.Function("product", z3.BoolSort(), Terms.sort(t), Terms.sort(t), R)
        rounded = z3.Function("rounded_sum", R, Terms.sort(t), Terms.sort(t))
        one, zero = z3.FPVal(1.0, Terms.sort(t)), z3.FPVal(-0.0, Terms.sort(t))
        negative = z3.fpIsNegative(x)
        s = z3.Xor(negative, z3.fpIsNegative(y))
        a, b = z3.fpAbs(x), z3.fpAbs(y)
        facts = [product(s, a, b) == product(s, b, a)]
        if "1" in leaves or "-1" in leaves:
            for sign, number in ((negative, x), (z3.Not(negative), z3.fpNeg(x))):
                facts += [rounded(product(sign, a, one), y) == total for total in (z3.fpAdd(RNE, number, y), z3.fpAdd(RNE, y, number))]
        if "-0" in leaves:
            facts.append(rounded(product(s, a, b), zero) == z3.fpMul(RNE, z3.If(s, z3.fpNeg(a), a), b))
        return facts

    @staticmethod
    def extremum(t, a, b, less):
        if t == BOOL:
            return z3.And(a, b) if less else z3.Or(a, b)
        if t.kind != "float":
            below = a < b if t.kind == "signed" else z3.ULT(a, b)
            return z3.If(below, a, b) if less else z3.If(below, b, a)
        negative_first = z3.If(z3.fpIsNegative(a), a, b) if less else z3.If(z3.fpIsNegative(a), b, a)
        ordered = z3.If(z3.fpLT(a, b), a, b) if less else z3.If(z3.fpLT(a, b), b, a)
        nan = z3.Or(z3.fpIsNaN(a), z3.fpIsNaN(b))
        return z3.If(nan, z3.fpNaN(Terms.sort(t)), z3.If(z3.fpEQ(a, b), negative_first, ordered))

    min = staticmethod(lambda t, a, b: Terms.extremum(t, a, b, True))
    max = staticmethod(lambda t, a, b: Terms.extremum(t, a, b, False))
    neg = staticmethod(lambda t, a: z3.fpNeg(a) if t.kind == "float" else -a)
    sqrt = staticmethod(lambda t, a: z3.fpSqrt(RNE, a))
    floor = staticmethod(lambda t, a: z3.fpRoundToIntegral(z3.RTN(), a))
    ceil = staticmethod(lambda t, a: z3.fpRoundToIntegral(z3.RTP(), a))
    trunc = staticmethod(lambda t, a: z3.fpRoundToIntegral(z3.RTZ(), a))
    round = staticmethod(lambda t, a: z3.fpRoundToIntegral(RNE, a))
    bit_and = staticmethod(lambda t, a, b: z3.And(a, b) if t == BOOL else a & b)
    bit_or = staticmethod(lambda t, a, b: z3.Or(a, b) if t == BOOL else a | b)
    bit_xor = staticmethod(lambda t, a, b: z3.Xor(a, b) if t == BOOL else a ^ b)
    bit_not = staticmethod(lambda t, a: z3.Not(a) if t == BOOL else ~a)
    shl = staticmethod(lambda t, a, n: a << n)
    shr = staticmethod(lambda t, a, n: a >> n if t.kind == "signed" else z3.LShR(a, n))
    shr_logical = staticmethod(lambda t, a, n: z3.LShR(a, n))
    eq = staticmethod(lambda t, a, b: z3.fpEQ(a, b) if t.kind == "float" else a == b)
    ne = staticmethod(lambda t, a, b: z3.Not(Terms.eq(t, a, b)))
    gt = staticmethod(lambda t, a, b: Terms.lt(t, b, a))
    ge = staticmethod(lambda t, a, b: Terms.le(t, b, a))
    select = staticmethod(lambda t, p, a, b: z3.If(p, a, b))

    @staticmethod
    def abs(t, a):
        return z3.fpAbs(a) if t.kind == "float" else a if t.kind == "unsigned" else z3.If(a < 0, -a, a)

    @staticmethod
    def lt(t, a, b):
        if t == BOOL:
            return z3.And(z3.Not(a), b)
        return {"float": z3.fpLT, "signed": lambda a, b: a < b, "unsigned": z3.ULT}[t.kind](a, b)

    @staticmethod
    def le(t, a, b):
        if t == BOOL:
            return z3.Or(z3.Not(a), b)
        return {"float": z3.fpLEQ, "signed": lambda a, b: a <= b, "unsigned": z3.ULE}[t.kind](a, b)

    @staticmethod
    def bitcast(to, t, a):
        if t.kind != "float":
            return z3.fpBVToFP(a, Terms.sort(to))
        quiet = (1 << t.exponent + 1) - 1 << t.precision - 2
        return z3.If(z3.fpIsNaN(a), z3.BitVecVal(quiet, t.width), z3.fpToIEEEBV(a))

    @staticmethod
    def cast(to, t, a):
        if to == BOOL:
            return z3.Not(z3.fpIsZero(a)) if t.kind == "float" else a != 0
        if t == BOOL:
            one = z3.FPVal(1.0, Terms.sort(to)) if to.kind == "float" else z3.BitVecVal(1, to.width)
            zero = z3.FPVal(0.0, Terms.sort(to)) if to.kind == "float" else z3.BitVecVal(0, to.width)
            return z3.If(a, one, zero)
        if to.kind == "float":
            convert = {"float": z3.fpFPToFP, "signed": z3.fpSignedToFP, "unsigned": z3.fpUnsignedToFP}[t.kind]
            return convert(RNE, a, Terms.sort(to))
        if t.kind == "float":  # truncates and saturates
            low, high = (-(1 << to.width - 1), 1 << to.width - 1) if to.kind == "signed" else (0, 1 << to.width)
            number = (z3.fpToSBV if to.kind == "signed" else z3.fpToUBV)(z3.RTZ(), a, Terms.sort(to))
            at_most = z3.If(z3.fpGEQ(a, z3.FPVal(float(high), Terms.sort(t))), z3.BitVecVal(high - 1, to.width), number)
            at_least = z3.If(z3.fpLEQ(a, z3.FPVal(float(low), Terms.sort(t))), z3.BitVecVal(low, to.width), at_most)
            return z3.If(z3.fpIsNaN(a), z3.BitVecVal(0, to.width), at_least)
        if to.width <= t.width:
            return z3.Extract(to.width - 1, 0, a)
        return (z3.SignExt if t.kind == "signed" else z3.ZeroExt)(to.width - t.width, a)
