"""What the first call of a function costs that was never seen before: one function, many different ones, large ones."""

import random

from . import Work, case
from .pointwise import gelu, uniform

FUNCTIONS = 200
UNARY = ("abs", "exp", "sqrt", "tanh")
BINARY = ("maximum", "minimum")
RECENT = 8  # values that operators take


def random_function(xp, operators, seed):
    """A pointwise function of three arrays made of so many operators or one less, all of them needed: operands are recent or inputs."""
    rng = random.Random(seed)
    lines, unused = [], []
    inputs, names = ["x", "y", "z"], []

    def operand():
        if len(unused) > RECENT // 2 or (unused and rng.random() < 0.5):
            return unused.pop(0)
        return rng.choice(inputs + names[-RECENT:])

    while len(lines) + max(0, len(unused) - 1) < operators - 1:
        name = f"v{len(lines)}"
        kind = rng.random()
        if kind < 0.15:
            text = f"xp.{rng.choice(UNARY)}({operand()})"
        elif kind < 0.3:
            text = f"xp.{rng.choice(BINARY)}({operand()}, {operand()})"
        elif kind < 0.5:
            text = f"{operand()} {rng.choice('+-*')} {rng.uniform(-2, 2):.3f}"
        else:
            text = f"{operand()} {rng.choice('+-*')} {operand()}"
        lines.append(f"    {name} = {text}")
        names.append(name)
        unused.append(name)
    lines.append(f"    return {' + '.join(unused)}")
    scope = {"xp": xp}
    exec("def f(x, y, z):\n" + "\n".join(lines) + "\n", scope)
    return scope["f"]


def operators_of(seed):
    return random.Random(seed).randint(6, 30)


def arguments(world, size=1_000):
    return [uniform(world, size, seed=i) for i in range(3)]


def warm_up(world):
    """The process has compiled something before, and called it until nothing is left to do."""
    warm, x = world.compile(lambda x: world.xp.exp(x) - 1.0), uniform(world, 1_000)
    for _ in range(3):
        warm(x)
    world.settle()


@case("first_call", "first call of GELU, warm process", metrics=("first",), worlds=("compiled",))
def first_call(world):
    warm_up(world)
    function, x = world.compile(gelu(world.xp)), uniform(world, 1_000)
    return Work(lambda: function(x))


@case("cold_call", "first call of GELU, the first thing a process does after import", metrics=("first",), worlds=("compiled",))
def cold_call(world):
    function, x = world.compile(gelu(world.xp)), uniform(world, 1_000)
    return Work(lambda: function(x))


@case("first_calls", f"first call of {FUNCTIONS} functions of 5 to 30 operators", metrics=("firsts",), worlds=("compiled",))
def first_calls(world):
    warm_up(world)
    functions = [world.compile(random_function(world.xp, operators_of(seed), seed)) for seed in range(FUNCTIONS)]
    xs = arguments(world)
    before = world.kernels()

    def check():
        compiled, launched, interpreted = (now - then for now, then in zip(world.kernels(), before, strict=True))
        if (compiled, launched, interpreted) != (FUNCTIONS, FUNCTIONS, 0):
            raise AssertionError(f"{compiled} native kernels compiled, {launched} run, {interpreted} interpreted, not {FUNCTIONS} each")

    return Work(firsts=[lambda f=f: f(*xs) for f in functions], check=check if before else lambda: None)


def register(operators):
    @case(f"compile_{operators}", f"first call of a function of {operators:,} operators", metrics=("first",), worlds=("compiled",))
    def compile_of_size(world):
        warm_up(world)
        function, xs = world.compile(random_function(world.xp, operators, 0)), arguments(world)
        return Work(lambda: function(*xs))


for operators in (10, 30, 100, 300, 1_000, 3_000):
    register(operators)
