"""A solver keeps its iterate and its step in attributes; a method decides the next step from the loss."""
# tensorflow/tensorflow#42223

import kiln as kn
from tests.capture.show import show


class Solver:
    def __init__(self):
        self.a = kn.asarray([[3.0, 1.0], [1.0, 2.0]])
        self.b = kn.asarray([1.0, 1.0])
        self.x = kn.zeros((2,))
        self.rate, self.best, self.steps = 0.1, None, 0

    def step(self):
        residual = self.b - self.a @ self.x
        self.x = self.x + self.rate * residual
        loss = kn.sum(residual * residual)
        if self.best is None or float(loss) < self.best:
            self.best = float(loss)
        else:
            self.rate *= 0.5
        self.steps += 1
        return loss


def main(jit):
    solver = Solver()
    step = jit(solver.step)
    for i in range(12):
        if i == 6:
            solver.rate = 2.0
        show(step(), solver.x, solver.rate, solver.best, solver.steps)
