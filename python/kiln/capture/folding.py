"""Unrolled loops of a recording as loop instructions, which replay any number of iterations.

After a recording, each visit of a loop (`loops.py`) has marks. Iterations that begin and end in the same shape become one *tree*: the
instructions that they share, and, behind a check that went one way in one iteration and another in a later one, those of each way. A way
ends where the next iteration begins (`back`, with what its leaves are then) or where the loop was left (`leave`): one way out, another is
another recording.

Reads and checks of what the loop cannot change are taken out before it. Where iterations cannot be told apart by checks, or the code
behind the loop uses what only an earlier iteration has made, the loop stays unrolled.
"""

from __future__ import annotations

import itertools
from typing import Any

from kiln.capture.loops import Mark, Visit
from kiln.capture.recording import OPS, Recording
from kiln.capture.values import Again

MAX_NODES = 2000
_FIRST_ACTION = OPS["call"]
_BACK, _LEAVE, _LOOP, _COMMIT, _SAME = (OPS[n] for n in ("back", "leave", "loop", "commit", "same"))
_OF_THE_TAPE = (OPS["off_tape"], OPS["leaf"])  # what these find may change within a call

Instruction = tuple  # (op, extra, result, operands), and of a loop its Body


class Conflict(Exception):
    """The iterations seen are not one loop, or not one that can be told."""


class Node:
    __slots__ = ("extra", "next", "op", "operands", "otherwise", "result")

    def __init__(self, op: int, extra: int, result: int, operands: list[int]) -> None:
        self.op, self.extra, self.result, self.operands = op, extra, result, operands
        self.next: Node | None = None
        self.otherwise: Node | None = None


class Loop:
    """A loop that is being put together. Registers of the recording become registers of the loop's own from `count` on."""

    def __init__(self, marks: list[Mark], visit: Visit, count: int) -> None:
        self.marks = marks
        self.count = count
        self.first_register = visit.first_register
        self.root: Node | None = None
        self.nodes = 0
        self.hoisted: list[tuple[int, Instruction]] = []  # with where it stood
        self.outer: dict[int, int] = {}  # registers of what was hoisted
        start, later = self.marks[0], self.marks[1:]
        self.changing = [i for i, r in enumerate(start.leaves) if any(m.leaves[i] != r for m in later)]
        for i in self.changing:
            if not start.is_assumed and not start.own[i]:
                raise Conflict
        self.phis = [self._register() for _ in self.changing]
        self.initial = [start.leaves[i] for i in self.changing]

    def _register(self) -> int:
        self.count += 1
        return self.count - 1

    def at_start(self, leaves: list[int]) -> dict[int, int]:
        """Which registers of the loop hold what, where an iteration begins."""
        return {leaves[i]: phi for i, phi in zip(self.changing, self.phis, strict=True)}

    def translate(self, operand: int, here: dict[int, int], before: int) -> int:
        if operand < 0:
            return operand
        if operand in here:
            return here[operand]
        if operand in self.outer:
            return self.outer[operand]
        if operand < before:
            return operand
        raise Conflict

    def is_fixed(self, operand: int, here: dict[int, int], before: int) -> bool:
        return operand < 0 or (operand not in here and (operand in self.outer or operand < before))

    def may_be_hoisted(self, instruction: Instruction, here: dict[int, int], before: int) -> bool:
        """Does it read or check the state before the loop?"""
        op, _, _, operands = instruction[:4]
        return op < _FIRST_ACTION and op not in _OF_THE_TAPE and all(self.is_fixed(o, here, before) for o in operands)

    def walk(
        self, instructions: list[Instruction], position: int, following: Mark | None, here: dict[int, int], before: int, turns: int = 0
    ) -> int:
        """Adds the instructions from `position` on to the tree, up to a mark, or (None) up to where the loop is left, having gone through
        `turns` more iterations that have no marks; says where that is. `here` becomes what registers hold then. `before`: registers up to
        there were made before the loop."""
        at, last, found = self.root, None, "next"
        end = following.position if following else None
        while position != end:
            if position >= len(instructions):
                raise Conflict
            if at is not None and at.op == _BACK:
                if end is not None or turns == 0:
                    raise Conflict
                turns -= 1
                self._next_iteration(at, here)
                at, last, found = self.root, None, "next"
            op, extra, result, operands = instructions[position][:4]
            if op in (_LOOP, _COMMIT) or (op == _SAME and operands[1] >= 0 and any(o in here for o in operands)):
                raise Conflict  # the last of them: something else leads to what changes
            if self.may_be_hoisted(instructions[position], here, before):
                self._hoist(position, instructions[position], before)
                position += 1
                continue
            operands = [self.translate(o, here, before) for o in operands]
            while at is not None and not (at.op == op and at.extra == extra and at.operands == operands):
                if at.op >= _FIRST_ACTION or op >= _FIRST_ACTION:
                    raise Conflict
                last, found, at = at, "otherwise", at.otherwise
            position += 1
            if at is None:
                if end is None and (found != "otherwise" or turns > 0):
                    raise Conflict
                at = self._add(Node(op, extra, self._register() if result >= 0 else -1, operands), last, found)
                if end is None:
                    self._add(Node(_LEAVE, 0, -1, []), at, "next")
            if result >= 0:
                here[result] = at.result
            if at.next is not None and at.next.op == _LEAVE:
                return position
            last, found, at = at, "next", at.next
        if following:
            self._end(at, last, found, here, before, following)
        return position

    def _next_iteration(self, back: Node, here: dict[int, int]) -> None:
        """What the registers of the recording hold after a way through the tree that it has taken before."""
        held: dict[int, int] = {}
        for old, new in here.items():
            held.setdefault(new, old)
        now = dict(zip(self.phis, back.operands, strict=True))
        missing = [v for v in now.values() if v >= 0 and v not in held]
        if missing:  # it became what was there before the loop
            raise Conflict
        moved = {held[v]: phi for phi, v in now.items() if v >= 0}
        here.clear()
        here.update(moved)

    def _end(self, at: Node | None, last: Node | None, found: str, here: dict[int, int], before: int, mark: Mark) -> None:
        operands = [self.translate(mark.leaves[i], here, before) for i in self.changing]
        if at is None:
            self._add(Node(_BACK, 0, -1, operands), last, found)
        elif at.op != _BACK or at.operands != operands:
            raise Conflict

    def _add(self, node: Node, last: Node | None, found: str) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise Conflict
        if last is None:
            if self.root is not None:
                raise Conflict
            self.root = node
        else:
            setattr(last, found, node)
        return node

    def _hoist(self, position: int, instruction: Instruction, before: int) -> None:
        op, extra, result, operands = instruction[:4]
        operands = [self.translate(o, {}, before) for o in operands]
        if result >= 0:
            self.outer[result] = self._register()
        self.hoisted.append((position, (op, extra, self.outer.get(result, -1), operands)))

    def hoist_from(self, instructions: list[Instruction], position: int, end: int, before: int) -> None:
        """Takes what an iteration reads and checks of the state before the loop out of it."""
        made: dict[int, int] = {}
        if end > len(instructions) or any(i[0] in (_LOOP, _COMMIT) for i in instructions[position:end]):
            raise Conflict  # a loop in it was folded, and the marks are no longer where they were
        for at in range(position, end):
            result = instructions[at][2]
            if self.may_be_hoisted(instructions[at], made, before):
                self._hoist(at, instructions[at], before)
            elif result >= 0:
                made[result] = result

    def follow(self, instructions: list[Instruction], start: Mark, following: Mark, before: int) -> None:
        """Sees that the iteration between two marks is the tree's only way, where registers from before the loop may stand for what changes
        as well as for themselves."""
        here: dict[int, int] = {}
        hoisted = {position for position, _ in self.hoisted}
        begins_with = dict(zip(self.phis, self.initial, strict=True))

        def stands_for(recorded: int, node: int) -> bool:
            if recorded in here:
                return here[recorded] == node
            if begins_with.get(node, -1) == recorded and recorded >= 0:
                return True
            return (recorded < 0 or recorded < before or recorded in self.outer) and self.outer.get(recorded, recorded) == node

        def alike(recorded: list[int], node: list[int]) -> bool:
            return len(recorded) == len(node) and all(map(stands_for, recorded, node))

        at = self.root
        for position in range(start.position, following.position):
            if position in hoisted:
                continue
            op, extra, result, operands = instructions[position][:4]
            while at is not None and not (at.op == op and at.extra == extra and alike(operands, at.operands)):
                at = at.otherwise
            if at is None:
                raise Conflict
            if result >= 0:
                here[result] = at.result
            at = at.next
        if at is None or at.op != _BACK or not alike([following.leaves[i] for i in self.changing], at.operands):
            raise Conflict

    def has_one_way(self) -> bool:
        return sum(op == _BACK for op, *_ in self.body()[1]) == 1

    def body(self) -> tuple[list[int], list[tuple]]:
        """The registers that change from iteration to iteration, and the tree's nodes as tuples, with numbers for one another."""
        order: list[Node] = []
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node is not None:
                order.append(node)
                waiting += [node.otherwise, node.next]
        number = {id(n): i for i, n in enumerate(order)}
        number[id(None)] = -1
        return self.phis, [(n.op, n.extra, n.result, n.operands, number[id(n.next)], number[id(n.otherwise)]) for n in order]


def fold(rec: Recording) -> None:
    """Folds the loops of a finished recording, from the last one to the first: what is before a loop is not touched by folding it."""
    for visit in reversed(rec.loops):
        for marks in _beginnings(visit):
            try:
                _fold(rec, visit, marks)
                break
            except Conflict:
                continue
        else:
            if any(m.is_behind_gap for m in visit.marks):
                rec.memory.skips = False
                raise Again("a loop of which iterations were left out is no loop in the end")
    rec.loops.clear()
    rec.gaps.clear()


def iterations(rec: Recording, visit: Visit) -> Loop | None:
    """The loop that the iterations so far make; None: they make none."""
    for marks in _beginnings(visit):
        if any(other is not visit and position > marks[0].position for position, other in rec.gaps):
            continue
        try:
            return _put_together(rec, visit, marks)[0]
        except Conflict:
            continue
    return None


def _beginnings(visit: Visit) -> list[list[Mark]]:
    """The marks from which on all have one shape, the last of them excluded: a loop may begin at each that no gap is before. And at the one
    before them, if its shape could be theirs."""
    marks = visit.marks
    if len(marks) < 2 or marks[-1].shape is None:
        return []
    first = len(marks) - 1
    while first > 0 and marks[first - 1].shape == marks[-1].shape:
        first -= 1
    gap = next((i for i, m in enumerate(marks) if m.is_behind_gap), len(marks))
    found = [marks[i:] for i in range(first, min(first + 3, gap, len(marks) - 1))]
    if 0 < first < gap and first < len(marks) - 1 and (assumed := _assumed(marks[first - 1], marks[first])) is not None:
        found.insert(0, [assumed, *marks[first:]])
    return found


def _assumed(start: Mark, later: Mark) -> Mark | None:
    """The mark with the shape of a later one, if that is its own but for registers that it has in several places (as in `x = a`, where x
    changes and a does not), or that have been read before."""
    leaves: list[int] = [-1] * len(later.leaves)

    def unify(one: Any, other: Any) -> bool:
        if type(one) is not tuple or type(other) is not tuple:
            return one == other
        if one[:1] == other[:1] == ("leaf",):
            _, number, _, kind = one
            _, place, _, wanted = other
            if kind is not wanted or leaves[place] not in (-1, start.leaves[number]):
                return False
            leaves[place] = start.leaves[number]
            return True
        return len(one) == len(other) and all(map(unify, one, other))

    return Mark(start.position, later.shape, leaves, start.own, is_assumed=True) if unify(start.shape, later.shape) else None


def _put_together(rec: Recording, visit: Visit, marks: list[Mark]) -> tuple[Loop, int]:
    """The loop of the iterations between marks; registers up to where were made before it."""
    instructions = rec.instructions
    made = [r for _, _, r, *_ in instructions[marks[0].position :] if r >= 0]
    before = min(made, default=rec.count)
    loop = Loop(marks, visit, before)
    if marks[0].is_assumed:
        loop.hoist_from(instructions, marks[0].position, marks[1].position, before)
    for mark, following in itertools.pairwise(marks):
        if not following.is_behind_gap and not mark.is_assumed:
            loop.walk(instructions, mark.position, following, loop.at_start(mark.leaves), before)
    if marks[0].is_assumed:
        if loop.root is None or not loop.has_one_way():
            raise Conflict
        loop.follow(instructions, marks[0], marks[1], before)
    return loop, before


def _fold(rec: Recording, visit: Visit, marks: list[Mark]) -> None:
    instructions = rec.instructions
    start = marks[0].position
    loop, before = _put_together(rec, visit, marks)
    last = loop.marks[-1]
    here = loop.at_start(last.leaves)
    position = loop.walk(instructions, last.position, None, here, before, visit.unmarked)
    # What follows has registers of its own, behind the loop's.
    count = loop.count
    tail: list[Instruction] = []
    for op, extra, result, operands, *rest in instructions[position:]:
        operands = [loop.translate(o, here, before) for o in operands]
        if rest:
            body, count = _renamed(rest[0], here, loop, before, count)
            rest = [body]
        if result >= 0:
            here[result], count = count, count + 1
        tail.append((op, extra, here.get(result, -1) if result >= 0 else -1, operands, *rest))
    hoisted = [instruction for _, instruction in loop.hoisted]
    paths = [rec.paths[p] for p, _ in loop.hoisted]
    rec.paths[start:] = [*paths, None, *rec.paths[position:]]
    rec.instructions[start:] = [*hoisted, (_LOOP, 0, -1, loop.initial, loop.body()), *tail]
    rec.count = count


def _renamed(body: tuple[list[int], list[tuple]], here: dict[int, int], loop: Loop, before: int, count: int) -> tuple[Any, int]:
    """The body of a later loop, where the registers before it are other ones."""
    phis, nodes = body
    for register in [*phis, *(n[2] for n in nodes if n[2] >= 0)]:
        here[register], count = count, count + 1
    renamed = [
        (op, extra, here[result] if result >= 0 else -1, [loop.translate(o, here, before) for o in operands], *ways)
        for op, extra, result, operands, *ways in nodes
    ]
    return ([here[p] for p in phis], renamed), count
