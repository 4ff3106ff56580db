"""Writes the body of a generated function: random statements over the state of state.py."""

import collections
import random
from dataclasses import dataclass

from tests.capture.grammar import CONDITIONS, FIRST, LOOPS, NUMBERS, RISKY, STATEMENTS, TENSORS, WRITES
from tests.capture.state import pick


@dataclass(frozen=True)
class Line:
    """A statement of one line; kind is set for changes of state between calls."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Block:
    """A compound statement's clause."""

    header: str
    body: "tuple[Node, ...]"
    kind: str = ""


Node = Line | Block


def render(nodes: tuple[Node, ...], depth: int = 0) -> str:
    text = []
    for node in nodes:
        if isinstance(node, Line):
            text.append(f"{'    ' * depth}{node.text}\n" if node.text else "")
        else:
            text.append(f"{'    ' * depth}{node.header}\n" + (render(node.body, depth + 1) or f"{'    ' * (depth + 1)}pass\n"))
    return "".join(text)


class Writer:
    """One function's statements; remembers what they read and which features they use."""

    def __init__(self, rng: random.Random, placed: dict[str, str]) -> None:
        self._rng, self._placed = rng, placed
        self.reads = {"n", "k", "code"}
        self.features: collections.Counter[str] = collections.Counter()
        self._assigned: set[str] = set()
        self._names = 0

    def declarations(self) -> str:
        """global and nonlocal for the state that the function rebinds."""
        parts = []
        for place, statement in (("global", "global"), ("local", "nonlocal")):
            if names := sorted(name for name in self._assigned if self._placed[name] == place):
                parts.append(f"{statement} {', '.join(names)}")
        return "; ".join(parts)

    def block(self, depth: int, count: int) -> tuple[Node, ...]:
        return tuple(node for _ in range(count) for node in self._statement(depth))

    def reading(self, word: str) -> tuple[Node, ...]:
        """A statement whose result depends on what a kind of change begins with."""
        tables = (NUMBERS, "y = y + {}"), (TENSORS, "y = y * 0.5 + {}"), (CONDITIONS, "y = y * (1.5 if {} else -0.5)")
        if word in FIRST:  # what is done first, and what then may not fit
            self.reads.update((word, "flag"))
            self._assigned.update({word} & self._placed.keys())
            return Line(self._filled(FIRST[word], 2)), Line("y = y * (1.5 if flag else -0.5)")
        if word in LOOPS and self._rng.random() < 0.5:
            return getattr(self, pick(self._rng, LOOPS[word]))(0)
        found = [(text, form) for table, form in tables for reads, text in table if word in reads.split()]
        if not found:
            return ()
        text, form = self._rng.choice(found)
        self.reads.add(word)
        return (Line(self._filled(form.format(text), 2)),)

    def _filled(self, text: str, depth: int) -> str:
        for slot, table in (("{N}", NUMBERS), ("{C}", CONDITIONS), ("{T}", TENSORS)):
            while slot in text:
                text = text.replace(slot, self._expression(table, depth - 1), 1)
        return text

    def _expression(self, table: list[tuple[str, str]], depth: int) -> str:
        while True:
            reads, text = self._rng.choice(table)
            if depth > 0 or "{" not in text.replace("f'{mode", ""):
                break
        self.reads.update(reads.split())
        return self._filled(text, depth)

    def number(self) -> str:
        return self._expression(NUMBERS, 2)

    def condition(self) -> str:
        return self._expression(CONDITIONS, 2)

    def tensor(self) -> str:
        return self._expression(TENSORS, 2)

    def _statement(self, depth: int) -> tuple[Node, ...]:
        kind = pick(self._rng, STATEMENTS)
        if depth <= 0 and not kind.startswith("y ="):
            kind = "y = {T}"
        self.features[kind] += 1
        if kind.startswith("y ="):
            return (Line(self._filled(kind, 2)),)
        return getattr(self, "_" + kind.replace(" ", "_"))(depth)

    def _inside(self, depth: int) -> tuple[Node, ...]:
        return self.block(depth - 1, self._rng.randint(1, 2))

    def _new(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _if(self, depth: int) -> tuple[Node, ...]:
        return (Block(f"if {self.condition()}:", self._inside(depth)),)

    def _else(self, depth: int) -> tuple[Node, ...]:
        first, second = self.condition(), self.condition()
        return (
            Block(f"if {first}:", self._inside(depth)),
            Block(f"elif {second}:", self._inside(depth)),
            Block("else:", self._inside(depth)),
        )

    def _tensor_if(self, depth: int) -> tuple[Node, ...]:
        return (Block(f"if kn.sum({self.tensor()}) > {self.number()}:", self._inside(depth)), Block("else:", self._inside(depth)))

    def _for_items(self, depth: int) -> tuple[Node, ...]:
        self.reads.add("items")
        name = self._new("v")
        return (Block(f"for {name} in list(items):", (Line(f"y = y * 0.5 + {name}"), *self._inside(depth))),)

    def _for_range(self, depth: int) -> tuple[Node, ...]:
        name = self._new("i")
        first, last = Line(f"y = y + {name} * {self.number()}"), Block(f"if {self.condition()}:", (Line("break"),))
        return (Block(f"for {name} in range(min(len(mode), 3)):", (first, *self._inside(depth), last)),)

    def _for_table(self, depth: int) -> tuple[Node, ...]:
        self.reads.add("table")
        key, value = self._new("key"), self._new("value")
        first = Line(f"y = y * 0.9 + {value} * len({key})")
        return (Block(f"for {key}, {value} in sorted(table.items()):", (first, *self._inside(depth))),)

    def _while(self, depth: int) -> tuple[Node, ...]:
        name = self._new("turn")
        return (
            Line(f"{name} = 0"),
            Block(f"while {name} < 2 and {self.condition()}:", (Line(f"{name} += 1"), *self._inside(depth))),
            Block("else:", self._inside(depth)),
        )

    def _try(self, depth: int) -> tuple[Node, ...]:
        reads, risky = self._rng.choice(RISKY)
        self.reads.update(reads.split())
        clause = pick(self._rng, ["except (LookupError, AttributeError) as error:", "except Exception as error:", "except Exception:"])
        return (Block("try:", (Line(risky), *self._inside(depth))), Block(clause, self._inside(depth)), Block("finally:", self._inside(0)))

    def _with(self, depth: int) -> tuple[Node, ...]:
        return (Block(pick(self._rng, ["with kn.no_grad():", "with kn.enable_grad():"]), self._inside(depth)),)

    def _write(self, depth: int) -> tuple[Node, ...]:
        reads, text = self._rng.choice(WRITES)
        self.reads.update(reads.split())
        target = text.split(" ")[0]
        if target in self._placed and "=" in text:
            self._assigned.add(target)
        return (Line(self._filled(text, 2)),)

    def _call(self, depth: int) -> tuple[Node, ...]:
        name = self._new("r")
        return (Line(f"{name} = {self.tensor()}"), Line(f"y = {name} * 0.5 + {self.number()}"))

    def _print(self, depth: int) -> tuple[Node, ...]:
        return (Line(f"print({self.number()}, bool({self.condition()}), x.shape)"),)

    def _return(self, depth: int) -> tuple[Node, ...]:
        what = pick(self._rng, ["y", "(y, {N})", "[y, x]", "dict(y=y, n=n)", "y * {T}", "x[signs > 0]", "(y[at:], y)"])
        return (Block(f"if {self.condition()}:", (Line(f"return {self._filled(what, 2)}"),)),)

    def _raise(self, depth: int) -> tuple[Node, ...]:
        return (Block(f"if {self.condition()} and {self.condition()} and not flag:", (Line(f"raise ValueError(mode, {self.number()})"),)),)

    def _unpack(self, depth: int) -> tuple[Node, ...]:
        a, b = self._new("a"), self._new("b")
        return (Line(f"{a}, *{b} = ({self.number()}, {self.number()}, *items)"), Line(f"y = y + {a} + len({b})"))

    def _inner(self, depth: int) -> tuple[Node, ...]:
        name = self._new("inner")
        body = (Line(f"nonlocal y; y = y + {self.number()}"), Line(f"return v * {self.number()}"))
        return (Block(f"def {name}(v, u={self.number()}):", body), Line(f"y = {name}(y) + {name}(x)"))

    def _match(self, depth: int) -> tuple[Node, ...]:
        cases = (
            Block("case 'fast' | 'slow' if flag:", self._inside(depth)),
            Block("case str(text) if len(text) > 4:", (Line("y = y + len(text)"),)),
            Block("case _:", self._inside(depth)),
        )
        self.reads.update(("mode", "flag"))
        return (Block("match mode:", cases),)

    def _local(self, depth: int) -> tuple[Node, ...]:
        name = self._new("p")
        return (Line(f"{name} = ({self.number()}, y)"), Line(f"y = {name}[1] - {name}[0] if {self.condition()} else {name}[1]"))

    # Loops that data ends, or whose steps data names.

    def _further(self, depth: int) -> tuple[Node, ...]:
        """Other statements, or none: a loop that does nothing but compute is recorded as one."""
        return self._inside(depth) if depth > 0 and self._rng.random() < 0.5 else ()

    def _for_tokens(self, depth: int) -> tuple[Node, ...]:
        self.reads.add("tokens")
        name = self._new("token")
        return (Block(f"for {name} in tokens:", (Line(f"y = y * 0.5 + ROWS[{name}]"), *self._further(depth))),)

    def _for_end(self, depth: int) -> tuple[Node, ...]:
        self.reads.update(("at", "end"))
        name = self._new("i")
        count = pick(self._rng, ["int(end)", "end.item()", "end", "at, end"])
        return (Block(f"for {name} in range({count}):", (Line(f"y = y * 0.5 + x[{name}]"), *self._further(depth))),)

    def _while_tokens(self, depth: int) -> tuple[Node, ...]:
        self.reads.update(("at", "tokens"))
        place, hops = self._new("place"), self._new("hops")
        first = pick(self._rng, ["at", "tokens[0]", "kn.argmax(y)", "int(at)"])
        going_on = pick(self._rng, [f"{place} != 1", f"tokens[{place}] > 0", f"y[{place}] < 1"])
        hop = (Line(f"{place}, {hops} = tokens[{place}], {hops} + 1"), Line(f"y = y * 0.5 + ROWS[{place}]"))
        most = pick(self._rng, ["4", "12"])
        return Line(f"{place}, {hops} = {first}, 0"), Block(f"while {hops} < {most} and {going_on}:", (*hop, *self._further(depth)))

    def _while_end(self, depth: int) -> tuple[Node, ...]:
        self.reads.update(("at", "end"))
        name = self._new("i")
        first = pick(self._rng, ["kn.asarray(0)", "at * 1", "0"])
        last, row = self._rng.choice((("end", f"x[{name}]"), ("end * 6", f"ROWS[{name} % 3]")))
        step = (Line(f"y = y * 0.5 + {row}"), Line(f"{name} = {name} + 1"))
        return Line(f"{name} = {first}"), Block(f"while {name} < {last}:", (*step, *self._further(depth)))
