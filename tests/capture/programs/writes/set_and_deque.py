"""Sets and deques as work lists that the function empties and fills."""

import collections

import kiln as kn
from tests.capture.show import show


def main(jit):
    todo, done = collections.deque([1, 2, 3]), set()

    @jit
    def f(x):
        if not todo:
            return x - 1
        n = todo.popleft()
        done.add(n)
        if n < 10 and n * 2 not in done:
            todo.append(n * 2)
        todo.rotate(1)
        return x * n + len(done)

    for _ in range(9):
        show(f(kn.asarray([1.0])), list(todo))
    return todo, done
