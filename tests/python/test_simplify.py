"""Every rule of `simplify` (codegen/simplify/rules.cpp) keeps all bits.

Tried on every value at 8 bits and, of one operand, at 16; proven by an SMT solver for all values at f32 and i32, and for casts at
every width. A model of the primitives is worth what ties it to them: the solver's is held against the interpreter, bit for bit.
"""

import itertools

import numpy as np
import pytest
import z3

from kiln import _core
from primitive_models import BOOL, FLOAT8, TYPES, Arrays, Terms, Type, evaluate, leaf_value, leaves, parse, variables

RULES = _core.simplification_rules()
DTYPES = {name: TYPES[name] for rule in RULES for i in rule["instances"] for name in (i["operand"], i["inner"], i["result"])}
SMALL = {"bool": [BOOL], "signed": [TYPES["int8"], TYPES["int16"]], "unsigned": [TYPES["uint8"], TYPES["uint16"]]}
SMALL["float"] = [FLOAT8, TYPES["float16"], TYPES["bfloat16"]]
SECONDS = 200  # for one proof, on a busy machine; most take milliseconds
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of overflows and NaN, which are meant

# Looks right and is not: each must be refuted by both.
WRONG = [
    ("add(x, 0)", "x", "float"),
    ("sub(0, x)", "neg(x)", "float"),
    ("sub(x, x)", "0", "float"),
    ("mul(x, 0)", "0", "float"),
    ("neg(sub(x, y))", "sub(y, x)", "float"),
    ("bit_not(lt(x, y))", "ge(x, y)", "float"),
    ("eq(x, x)", "1", "float"),
    ("max(x, 0)", "x", "float"),
    ("min(x, y)", "select(lt(x, y), x, y)", "float"),
    ("shr(x, y)", "shr_logical(x, y)", "signed"),
    ("div(neg(x), neg(y))", "div(x, y)", "signed"),
    ("max(abs(x), 0)", "abs(x)", "signed"),
    ("div(mul(x, y), y)", "x", "unsigned"),
]
SLOWLY_REFUTED = [  # by the solver
    ("div(x, y)", "mul(x, div(1, y))", "float"),
    ("add(add(x, y), z)", "add(x, add(y, z))", "float"),
]


def title(rule):
    return f"{rule['pattern']}={rule['result']}".replace(" ", "")


def some(instances, most=60):
    """All, or that many, evenly spread: of casts there are hundreds. (All of them are tried on edge cases in C++.)"""
    return instances[:: 1 + len(instances) // most]


def kinds(rule):
    return sorted({TYPES[i["operand"]].kind for i in rule["instances"]})


def is_about_casts(rule):
    return "cast(" in rule["pattern"]


def result_type(pattern, t):
    zeros = {v: np.bool_(False) if v == "p" or t == BOOL else np.float64(0) if t.kind == "float" else np.int64(0) for v in "xyzp"}
    return evaluate(Arrays, parse(pattern), zeros, lambda leaf, t: Arrays.constant(leaf, t, 2), t, t, t)[1]


# ---- 8 and 16 bits: every value -----------------------------------------------------------------------------------


def constants_of(rule, t: Type):
    """Those that the condition accepts at this width."""
    if rule["condition"] == "power_of_two":
        return [1 << k for k in range(1, t.width - (t.kind == "signed"))]
    if rule["condition"] == "exact_inverse":
        powers = [s * 2.0**k for k in range(-140, 129) for s in (1, -1)]
        return [c for c in powers if all(float(np.float64(v).astype(t.numpy)) == v for v in (c, 1 / c))]
    return [None]


def operands_of(names, t: Type):
    """Arrays that span all combinations: of 16-bit operands after the first, some 30 values."""
    arrays = []
    for axis, name in enumerate(names):
        v = Arrays.all(BOOL if name == "p" else t)
        if t.width == 16 and name != "p" and axis > 0:
            v = np.concatenate([v[:3], v[32766:32770], v[-3:], v[1 :: 3449 if axis == 1 else 16127]])
        arrays.append(v.reshape([-1 if i == axis else 1 for i in range(len(names))]))
    return dict(zip(names, arrays, strict=True))


def disagreements(pattern, result, t: Type, c=None) -> int:
    left, right = parse(pattern), parse(result)
    values = operands_of(variables(left), t)

    def constant(leaf, leaf_type):
        if leaf == "inverse":
            return np.float64(1 / c)
        return np.float64(c) if leaf == "c" and t.kind == "float" else Arrays.constant(leaf, leaf_type, c)

    to = result_type(pattern, t)
    a, _ = evaluate(Arrays, left, values, constant, t, t, to)
    b, _ = evaluate(Arrays, right, values, constant, t, t, to)
    return int(np.sum(~Arrays.same(a, b)))


@pytest.mark.parametrize("rule", [r for r in RULES if not is_about_casts(r)], ids=title)
def test_a_rule_holds_for_every_value_of_8_and_16_bits(rule):
    for kind in kinds(rule):
        for t in SMALL[kind]:
            if "fma" in rule["pattern"] and t != FLOAT8:
                continue  # the model's sum is exact in 8 bits alone
            for c in constants_of(rule, t):
                assert disagreements(rule["pattern"], rule["result"], t, c) == 0, (t, c)


@pytest.mark.parametrize("rule", [r for r in RULES if is_about_casts(r)], ids=lambda r: f"{title(r)},{r['condition']}")
def test_a_rule_about_casts_holds_for_every_value_of_8_and_16_bits(rule):
    small = some([i for i in rule["instances"] if DTYPES[i["operand"]].width <= 16])
    for i in small:
        s, u, t = i["operand"], i["inner"], i["result"]
        every = list(range(1 << DTYPES[s].width))
        name = rule["pattern"].split("(")[0]
        zero = [0] * len(every)
        inner = _core.evaluate_primitive(name, u, s, every, zero, zero)
        outer = _core.evaluate_primitive(name, t, u, inner, zero, zero)
        once = _core.evaluate_primitive("cast", t, s, every, zero, zero)  # of s to s: x, its NaN canonical
        assert outer == once, i
    assert small or rule["condition"] == "same_dtype"


@pytest.mark.parametrize(("pattern", "result", "kind"), [*WRONG, *SLOWLY_REFUTED])
def test_a_wrong_rule_is_refuted_at_8_and_16_bits(pattern, result, kind):
    for t in SMALL[kind]:
        if len(variables(parse(pattern))) < 3 or t.width == 8:
            assert disagreements(pattern, result, t) > 0, t


# ---- 32 bits: the solver -------------------------------------------------------------------------------------------


def difference(pattern, result, operand: Type, inner: Type, to: Type, constant, assume=()):
    """None if both sides are equal for all values, else a model in which they differ."""
    left, right = parse(pattern), parse(result)
    values = {v: Terms.variable(v, BOOL if v == "p" else operand) for v in variables(left)}
    a, _ = evaluate(Terms, left, values, constant, operand, inner, to)
    b, _ = evaluate(Terms, right, values, constant, operand, inner, to)
    equal = z3.simplify(a == b)  # SMT-LIB's equality: of floats, all NaN are one, and -0 is not +0
    if z3.is_true(equal):
        return None
    solver = z3.SolverFor("QF_FP") if "fma" not in pattern else z3.Solver()
    solver.set("timeout", SECONDS * 1000)
    if "fma" in pattern:
        numbers = z3.Not(z3.Or(z3.fpIsNaN(values["x"]), z3.fpIsNaN(values["y"])))
        solver.add(z3.Implies(numbers, z3.And(Terms.about_fma(operand, values["x"], values["y"], leaves(left)))))
    solver.add(*assume, z3.Not(equal))
    verdict = solver.check()
    assert verdict != z3.unknown, f"{pattern} of {operand}: no answer in {SECONDS} s"
    return None if verdict == z3.unsat else solver.model()


def of_instance(instance):
    return lambda leaf, t: Terms.of_bits(
        next(bits for (name, dtype), bits in instance["constants"].items() if name == leaf and TYPES[dtype] == t), t
    )


def cases(rule):
    return some(rule["instances"]) if is_about_casts(rule) else [i for i in rule["instances"] if DTYPES[i["operand"]].width <= 32]


@pytest.mark.parametrize("rule", [r for r in RULES if r["condition"] != "exact_inverse"], ids=lambda r: f"{title(r)},{r['condition']}")
def test_a_rule_holds_for_every_value_of_32_bits(rule):
    assert cases(rule)
    for i in cases(rule):
        operand, inner, to = (DTYPES[i[k]] for k in ("operand", "inner", "result"))
        assert difference(rule["pattern"], rule["result"], operand, inner, to, of_instance(i)) is None, i


def test_division_by_a_power_of_two_is_a_product_at_32_bits():
    """All normal divisors with normal inverses at once, by their sign and exponent; the few others one by one."""
    rule = next(r for r in RULES if r["condition"] == "exact_inverse")
    t = TYPES["float32"]
    sign, exponent = z3.BitVec("sign", 1), z3.BitVec("exponent", 8)
    power = {"c": z3.fpFP(sign, exponent, z3.BitVecVal(0, 23)), "inverse": z3.fpFP(sign, 254 - exponent, z3.BitVecVal(0, 23))}
    normal = [z3.UGE(exponent, 1), z3.ULE(exponent, 253)]
    assert difference(rule["pattern"], rule["result"], t, t, t, lambda leaf, _: power[leaf], normal) is None
    covered = 0
    for i in rule["instances"]:
        if i["operand"] != "float32":
            continue
        c, inverse = (i["constants"][leaf, "float32"] for leaf in ("c", "inverse"))
        e = c >> 23 & 255
        if 1 <= e <= 253:
            assert c & 0x7FFFFF == 0 and inverse == (c & 1 << 31 | 254 - e << 23)
            covered += 1
        else:
            assert difference(rule["pattern"], rule["result"], t, t, t, of_instance(i)) is None, i
    assert covered == 2 * 253


@pytest.mark.parametrize(("pattern", "result", "kind"), WRONG)
def test_a_wrong_rule_is_refuted_at_32_bits(pattern, result, kind):
    t = {"float": TYPES["float32"], "signed": TYPES["int32"], "unsigned": TYPES["uint8"]}[kind]
    constants = {"0": 0, "1": 1}

    def constant(leaf, leaf_type):
        v = constants[leaf]
        if leaf_type == BOOL:
            return z3.BoolVal(bool(v))
        return z3.FPVal(float(v), Terms.sort(t)) if t.kind == "float" else z3.BitVecVal(v, t.width)

    assert difference(pattern, result, t, t, result_type(pattern, t), constant) is not None


@pytest.mark.parametrize(
    ("s", "u", "t", "result"),
    [
        ("int64", "float64", "int64", "x"),
        ("float64", "float32", "float64", "x"),
        ("int32", "float32", "int32", "x"),
        ("int32", "float64", "uint8", "cast(x)"),
        ("float64", "int32", "uint8", "cast(x)"),
        ("int64", "float64", "float32", "cast(x)"),
    ],
)
def test_a_cast_that_loses_something_is_refuted(s, u, t, result):
    assert difference("cast(cast(x))", result, TYPES[s], TYPES[u], TYPES[t], None) is not None


# ---- the models -----------------------------------------------------------------------------------------------------


def some_bits(t: Type):
    if t == BOOL:
        return [0, 1]
    top = 1 << t.width - 1
    values = [0, 1, 2, 7, top, top - 1, top + 1, 2 * top - 1, 2 * top - 3, 0x2A]
    if t.kind == "float":
        one = (1 << t.exponent - 1) - 1 << t.precision - 1
        infinity = (1 << t.exponent) - 1 << t.precision - 1
        values += [
            one,
            one | top,
            one + 1,
            infinity,
            infinity | top,
            infinity + 1,
            infinity - 1,
            (one >> 1) + 3,
            one + (5 << t.precision - 3),
        ]
    return values


def primitives():
    """(primitive, result, operand) of every primitive in a rule that the interpreter has for these dtypes; fma is a definition here."""
    names = {name for r in RULES for side in ("pattern", "result") for name in _primitives_of(parse(r[side]))} - {"fma"}
    for name in sorted(names):
        for operand in DTYPES:
            results = DTYPES if name in ("cast", "bitcast") else ["bool"] if name in ("eq", "ne", "lt", "le", "gt", "ge") else [operand]
            for result in results:
                if result == operand and name in ("cast", "bitcast"):
                    continue
                try:
                    _core.evaluate_primitive(name, result, operand, [], [], [])
                except TypeError:
                    continue
                yield name, result, operand


def _primitives_of(tree):
    return [] if isinstance(tree, str) else [tree[0], *(n for t in tree[1] for n in _primitives_of(t))]


UNARY = {"neg", "abs", "floor", "ceil", "trunc", "round", "bit_not", "cast", "bitcast"}


@pytest.mark.parametrize(("name", "result", "operand"), list(primitives()))
def test_the_solvers_model_of_a_primitive_is_the_interpreters(name, result, operand):
    to, t = DTYPES[result], DTYPES[operand]
    values = some_bits(t)
    if name in UNARY:
        tuples = [(v,) for v in values]
    elif name == "select":
        tuples = [(p, a, b) for p in (0, 1) for a, b in zip(values, reversed(values), strict=True)]
    else:
        tuples = list(itertools.islice(itertools.product(values, values), 0, None, 3))
    columns = [list(c) for c in zip(*tuples, strict=True)] + [[0] * len(tuples)] * 3
    expected = _core.evaluate_primitive(name, result, operand, *columns[:3])
    for operands, bits in zip(tuples, expected, strict=True):
        types = [BOOL, t, t] if name == "select" else [t] * len(operands)
        args = [Terms.of_bits(v, ty) for v, ty in zip(operands, types, strict=True)]
        got = getattr(Terms, name)(to, t, *args) if name in ("cast", "bitcast") else getattr(Terms, name)(t, *args)
        assert Terms.to_bits(got, to) == bits & (1 << 8 * max(1, to.width // 8)) - 1, operands


def test_constants_mean_what_the_matcher_means():
    for rule in RULES:
        for i in rule["instances"][:40]:
            c = next((bits for (leaf, _), bits in i["constants"].items() if leaf == "c"), None)
            for (leaf, dtype), bits in i["constants"].items():
                t = TYPES[dtype]
                if t.kind != "float" and leaf != "inverse":
                    assert bits == int(leaf_value(leaf, t, c)) & (1 << max(t.width, 1)) - 1, (rule["pattern"], leaf)
